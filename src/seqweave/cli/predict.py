"""`seqweave predict`: sources in, one output line for every line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqweave.cli.common import (
    BeamSize,
    Device,
    Ensemble,
    Folder,
    Json,
    Precision,
    ReplaceUnknown,
    all_folders,
    one_line,
    print_json,
)
from seqweave.errors import ConfigError, DataError

if TYPE_CHECKING:
    from seqweave.config import SearchConfig
    from seqweave.predictor import Model
    from seqweave.search.constraints import Constraints
    from seqweave.search.hypothesis import Hypothesis
    from seqweave.search.sampling import Sampling

CHUNK = 1000  # lines decoded and printed at once


def predict(
    folder: Folder,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="One source a line, with features: source, tab, a column each; stdin when left out, or -.",
        ),
    ] = None,
    beam_size: BeamSize = None,
    n_best: Annotated[
        int, typer.Option(metavar="N", help="Outputs a line. Above 1: line number, rank, score, text, tab-separated.")
    ] = 1,
    sample: Annotated[bool, typer.Option("--sample", help="Draw outputs instead of searching the best.")] = False,
    temperature: Annotated[
        float | None, typer.Option(metavar="X", help="When drawing: below 1 sharper, above 1 flatter.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(metavar="N", help="When drawing: from the N most probable items only.")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(metavar="P", help="When drawing: from the fewest items that reach P only.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="When drawing: other draws.")] = None,
    min_length: Annotated[int | None, typer.Option(metavar="N", help="Fewest items of an output.")] = None,
    no_repeat_ngram: Annotated[
        int | None, typer.Option(metavar="N", help="No run of N items twice in an output; 0: none is barred.")
    ] = None,
    prefix: Annotated[str, typer.Option(metavar="TEXT", help="What every output begins with.")] = "",
    forbid: Annotated[
        list[str] | None, typer.Option(metavar="ITEM", help="An item outputs do without, also <unk>; repeatable.")
    ] = None,
    ensemble: Ensemble = None,
    replace_unknown: ReplaceUnknown = None,
    precision: Precision = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Print the output for each line of FILE or stdin, in order.

    What is not said is as the model's settings have it (search.*).

    Example: echo "3. März 2021" | seqweave predict model
    """
    from seqweave.data.readers import read_sources
    from seqweave.predictor import load

    if file == Path("-") and not file.exists():
        file = None
    lines = read_sources(file)
    model = load(all_folders(folder, ensemble), device, precision=precision)
    search = model.config.search
    draws = sample or (search.sample and beam_size is None)
    sampling = _sampling(search, draws, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    constraints = _constraints(search, prefix, forbid, min_length=min_length, no_repeat_ngram=no_repeat_ngram)
    if beam_size is None and sampling is None:
        beam_size = max(n_best, search.beam_size)
    at_once = 1 if file is None and sys.stdin.isatty() else CHUNK
    number = 0
    for texts in _chunks(_checked(lines, model, file), at_once):
        results = model.predict_n_best(
            texts,
            n_best=n_best,
            beam_size=beam_size,
            sampling=sampling,
            constraints=constraints,
            replace_unknown=replace_unknown,
            return_attention=json,
        )
        for text, hypotheses in zip(texts, results, strict=True):
            number += 1
            if json:
                values = [hypothesis_json(hypothesis) for hypothesis in hypotheses]
                print_json({"source": text, "hypotheses": values}, indent=None)
            elif n_best == 1:
                print(one_line(hypotheses[0].text))
            else:
                for rank, hypothesis in enumerate(hypotheses, 1):
                    print(number, rank, f"{hypothesis.score:.4f}", one_line(hypothesis.text), sep="\t")
        sys.stdout.flush()


def _checked(lines: Iterator[str], model: Model, file: Path | None) -> Iterator[str]:
    """The lines, each with a column for each kind of features of the model; an empty line has none.

    Raises:
        DataError: at the first line with more or fewer columns.
    """
    columns = model.config.data.feature_columns
    for number, line in enumerate(lines, 1):
        found = line.count("\t") + 1
        if columns and line.strip() and found != len(columns) + 1:
            names = ", ".join(["source", *columns])
            raise DataError(
                f"a line must have {len(columns) + 1} columns ({names}), because the model was trained with features, "
                f"but it has {found}: separate source and features by tabs, with an empty column where there are none",
                file or Path("<stdin>"),
                number,
            )
        yield line


def _sampling(search: SearchConfig, draws: bool, **options: float | None) -> Sampling | None:
    """How to draw: the settings, with the options that were given; None: not at all.

    Raises:
        ConfigError: when an option is out of its range, or given where nothing is drawn.
    """
    from seqweave.search.sampling import Sampling

    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if given and not draws:
        option = next(iter(given)).replace("_", "-")
        raise ConfigError(f"--{option} must come with --sample, but --sample is not given: add it, or leave it out")
    return replace(Sampling.of(search), **given) if draws else None


def _constraints(search: SearchConfig, prefix: str, forbid: list[str] | None, **options: int | None) -> Constraints:
    """What outputs may be: the settings, with the options that were given.

    Raises:
        ConfigError: when an option is out of its range.
    """
    from seqweave.search.constraints import Constraints

    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if forbid:
        given["forbid"] = tuple(forbid)
    return replace(Constraints.of(search), prefix=prefix, **given)


def hypothesis_json(hypothesis: Hypothesis) -> dict[str, Any]:
    """A hypothesis as plain values; attention has a row a target token, or is null."""
    attention = hypothesis.attention
    return {
        "text": hypothesis.text,
        "tokens": hypothesis.tokens,
        "score": hypothesis.score,
        "log_prob": hypothesis.log_prob,
        "token_log_probs": hypothesis.token_log_probs,
        "source_tokens": hypothesis.source_tokens,
        "attention": None if attention is None else [[round(float(w), 6) for w in row] for row in attention],
        "finished": hypothesis.finished,
    }


def _chunks(lines: Iterator[str], size: int) -> Iterator[list[str]]:
    while chunk := list(islice(lines, size)):
        yield chunk
