"""`seqweave predict`: sources in, one output line for every line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqweave.cli.common import BeamSize, Device, Ensemble, Folder, Json, all_folders, one_line, print_json
from seqweave.errors import ConfigError, DataError

if TYPE_CHECKING:
    from seqweave.search.predictor import Hypothesis, Model
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
        float | None, typer.Option(metavar="X", help="With --sample: below 1 sharper, above 1 flatter. Default: 1.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(metavar="N", help="With --sample: draw from the N most probable items only.")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(metavar="P", help="With --sample: draw from the fewest items that reach P only.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="With --sample: other draws. Default: 1.")] = None,
    min_length: Annotated[int, typer.Option(metavar="N", help="Fewest items of an output.")] = 0,
    no_repeat_ngram: Annotated[
        int, typer.Option(metavar="N", help="No run of N items twice in an output; 0: none is barred.")
    ] = 0,
    prefix: Annotated[str, typer.Option(metavar="TEXT", help="What every output begins with.")] = "",
    forbid: Annotated[
        list[str] | None, typer.Option(metavar="ITEM", help="An item outputs do without, also <unk>; repeatable.")
    ] = None,
    ensemble: Ensemble = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Print the output for each line of FILE or stdin, in order.

    Example: echo "3. März 2021" | seqweave predict model
    """
    from seqweave.data.readers import read_sources
    from seqweave.search.constraints import Constraints
    from seqweave.search.predictor import load

    if file == Path("-") and not file.exists():
        file = None
    sampling = _sampling(sample, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    constraints: Constraints | None = Constraints(min_length, no_repeat_ngram, tuple(forbid or ()), prefix)
    if constraints == Constraints():
        constraints = None
    lines = read_sources(file)
    model = load(all_folders(folder, ensemble), device)
    if beam_size is None and sampling is None:
        beam_size = max(n_best, model.config.search.beam_size)
    at_once = 1 if file is None and sys.stdin.isatty() else CHUNK
    number = 0
    for texts in _chunks(_checked(lines, model, file), at_once):
        results = model.predict_n_best(
            texts,
            n_best=n_best,
            beam_size=beam_size,
            sampling=sampling,
            constraints=constraints,
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


def _sampling(sample: bool, **settings: float | None) -> Sampling | None:
    """How to draw; None: not at all.

    Raises:
        ConfigError: when a setting is out of its range, or given without --sample.
    """
    from seqweave.search.sampling import Sampling

    given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    if given and not sample:
        option = next(iter(given)).replace("_", "-")
        raise ConfigError(f"--{option} must come with --sample, but --sample is not given: add it, or leave it out")
    return Sampling(**given) if sample else None


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
