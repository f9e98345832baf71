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
    from seqweave.predictor import Model

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
    model = load([folder, *ensemble] if ensemble else folder, device, precision=precision)
    if changed:
        model.config = build_config(changed, model.config)
    model.check_reads_text()
    return model


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
    """Print a value as JSON; without indent, on one line. Infinity, which JSON does not know, becomes null."""
    try:
        text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, indent=indent, allow_nan=False)
    print(text)


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


def one_line(text: str) -> str:
    """The text with blanks for line ends, so that each line written belongs to one line read."""
    return text.replace("\r\n", " ").replace("\n", " ").replace("\r", " ")


def read_pairs(path: Path, target_path: Path | None, config: DataConfig) -> tuple[list[str], list[str]]:
    """All usable pairs as sources (with their source tags after tabs) and targets; dropped lines are said on stderr.

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
        note(f"{path}: {report.dropped_lines:,} of {count(report.lines, 'line')} left out: {report.reasons}")
    return [pair.whole for pair in pairs], [pair.target for pair in pairs]
