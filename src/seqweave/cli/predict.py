"""`seqweave predict`: sources in, one output line for every line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqweave.cli.common import BeamSize, Device, Folder, Json, one_line, print_json

if TYPE_CHECKING:
    from seqweave.search.predictor import Hypothesis

CHUNK = 1000  # lines decoded and printed at once


def predict(
    folder: Folder,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="One source a line; stdin when left out, or -.")
    ] = None,
    beam_size: BeamSize = None,
    n_best: Annotated[
        int, typer.Option(metavar="N", help="Outputs a line. Above 1: line number, rank, score, text, tab-separated.")
    ] = 1,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Print the output for each line of FILE or stdin, in order.

    Example: echo "3. März 2021" | seqweave predict model
    """
    from seqweave.data.readers import read_sources
    from seqweave.search.predictor import load

    if file == Path("-") and not file.exists():
        file = None
    lines = read_sources(file)
    model = load(folder, device)
    if beam_size is None:
        beam_size = max(n_best, model.config.search.beam_size)
    at_once = 1 if file is None and sys.stdin.isatty() else CHUNK
    number = 0
    for texts in _chunks(lines, at_once):
        results = model.predict_n_best(texts, n_best=n_best, beam_size=beam_size, return_attention=json)
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
