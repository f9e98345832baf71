"""What several verbs share: their arguments, and small pieces of input and output."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqweave.wording import count

if TYPE_CHECKING:
    from seqweave.config import DataConfig
    from seqweave.data.readers import Pair
    from seqweave.predictor import Model
    from seqweave.text.unknown import UnknownItems

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Model folder, written by `seqweave train -o DIR`.")]
Data = Annotated[
    Path, typer.Argument(metavar="DATA", help="Pairs as TSV or JSONL (.gz too), or the source side of two files.")
]
TargetFile = Annotated[
    Path | None, typer.Argument(metavar="[TARGET_FILE]", help="The target side, when DATA is the source side.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
BeamSize = Annotated[
    int | None,
    typer.Option(metavar="K", help="Hypotheses kept for each sentence; 1: greedy. Default: the model's setting."),
]
Ensemble = Annotated[
    list[Path] | None,
    typer.Option(
        "--ensemble",
        metavar="DIR2 DIR3 ...",
        help="Average the probabilities of DIR with those of these models. Comes after the arguments.",
    ),
]
ReplaceUnknown = Annotated[
    bool | None,
    typer.Option(
        "--replace-unknown/--keep-unknown",
        help="Replace each <unk> by the source item with most attention. Default: the model's setting.",
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        metavar="fp32|int8",
        help="Precision of decoding; int8 is faster on a processor, and changes scores by hundredths. Default: the "
        "model's setting.",
    ),
]
BackendChoice = Annotated[
    str,
    typer.Option(
        "--backend",
        metavar="auto|engine|torch",
        help="What computes: the engine (fast, on a processor), or torch. auto: the engine on a processor, torch on a "
        "GPU.",
    ),
]
DataSettings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of data, as for `train`; repeatable."),
]
SearchSettings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="search.KEY=VALUE", help="Change a setting of decoding for this call; repeatable."),
]
Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where to compute.")]


def load_model(
    folder: Path,
    device: str,
    settings: Sequence[str] | None = None,
    *,
    ensemble: Sequence[Path] | None = None,
    precision: str | None = None,
    backend: str = "auto",
) -> Model:
    """The model of DIR and `--ensemble`, with the settings of decoding that `--set` changes for this call.

    Raises:
        ConfigError: when a setting is none of decoding, or wrong, or the model reads frames.
    """
    from seqweave.config import build_config
    from seqweave.config.reading import parse_setting
    from seqweave.errors import ConfigError
    from seqweave.loading import load

    changed = dict(map(parse_setting, settings or ()))
    for key in changed:
        if not key.startswith("search."):
            raise ConfigError(f"--set takes only settings of decoding here, such as search.beam_size=3, but got {key}")
    model = load([folder, *ensemble] if ensemble else folder, device, precision=precision, backend=backend)
    if changed:
        model.config = build_config(changed, model.config)
    model.check_reads_text()
    warn_of_unfinished([folder, *(ensemble or ())])
    return model


def warned_model(folder: Path, device: str) -> Model:
    """A model with its own settings; where its training has not ended, that is said on stderr."""
    from seqweave.loading import load

    warn_of_unfinished([folder])
    return load(folder, device)


def warn_of_unfinished(folders: Sequence[Path]) -> None:
    """Say on stderr which of some folders hold a model whose training has not ended, and how far it is."""
    from seqweave.run_status import unfinished, unfinished_warning

    for sentence in unfinished(folders):
        note(unfinished_warning(sentence))


def check_same_columns(folders: Sequence[Path], models: Sequence[Model]) -> None:
    """Raise a `ConfigError` unless all models read sources with as many columns of source tags."""
    from seqweave.errors import ConfigError

    columns = [model.config.data.feature_columns for model in models]
    for folder, names in zip(folders, columns, strict=True):
        if len(names) != len(columns[0]):
            shown = [", ".join(one) or "empty" for one in (columns[0], names)]
            raise ConfigError(
                f"models that share DATA must read the same columns of it, but data.feature_columns is {shown[0]} in "
                f"{folders[0]} and {shown[1]} in {folder}: give models with the same columns"
            )


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON; without indent, on one line."""
    print(json_text(value, indent))


def json_text(value: Any, indent: int | None = 2) -> str:
    """A value as JSON; without indent, on one line. Infinity, which JSON does not know, becomes null."""
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    """The value with null in the place of every number that is not finite."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def note(text: str) -> None:
    """Say on stderr what is not part of the result."""
    print(f"seqweave: {text}", file=sys.stderr)


def note_unknown(found: UnknownItems, side: str) -> None:
    """Say where more than a tenth of the items of one side are unknown to the model."""
    sentence = found.sentence(side)
    if sentence is not None:
        note(f"warning: {sentence}; `seqweave doctor DIR DATA` says what is different from the training")


def note_unknown_pairs(model: Model, sources: Sequence[str], targets: Sequence[str] = ()) -> None:
    """Say where more than a tenth of the items of sources, or of targets, are unknown to the model."""
    from seqweave.text.unknown import UnknownItems

    found = UnknownItems(model.source_tokenizer)
    found.add([model.sources.key(source) for source in sources])
    note_unknown(found, "source")
    wanted = UnknownItems(model.target_tokenizer)
    wanted.add([model.trimmed(target) for target in targets])
    note_unknown(wanted, "target")


def one_line(text: str) -> str:
    """The text with blanks for line ends, so that each line written belongs to one line read."""
    return text.replace("\r\n", " ").replace("\n", " ").replace("\r", " ")


def one_cell(text: str) -> str:
    """The text on one line, with blanks for tabs too, so that a row has as many columns as it should."""
    return one_line(text).replace("\t", " ")


def read_pairs(path: Path, target_path: Path | None, config: DataConfig) -> tuple[list[str], list[str]]:
    """All usable pairs as sources (with their source tags after tabs) and targets; dropped lines are said on stderr.

    Raises:
        DataError: when the file cannot be read, or no pair of it is usable.
    """
    pairs = usable_pairs(path, target_path, config)
    return [pair.whole for pair in pairs], [pair.target for pair in pairs]


def usable_pairs(path: Path, target_path: Path | None, config: DataConfig) -> list[Pair]:
    """All usable pairs; dropped lines are said on stderr.

    Raises:
        DataError: when the file cannot be read, or no pair of it is usable.
    """
    from seqweave.data.readers import PairReader

    reader = PairReader(path, target_path, config)
    pairs = list(reader)
    report = reader.report
    if not pairs:
        raise reader.nothing_usable()
    if report.dropped:
        records = count(report.records, reader.dialect.counts)
        note(f"{path}: {report.dropped_records:,} of {records} left out: {report.reasons}")
    return pairs
