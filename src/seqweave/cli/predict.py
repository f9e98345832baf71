"""`seqweave predict`: sources in, one output line for every line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqweave.cli.common import (
    BeamSize,
    Device,
    Ensemble,
    Folder,
    Json,
    Precision,
    ReplaceUnknown,
    SearchSettings,
    load_model,
    one_line,
    print_json,
)
from seqweave.cli.options import (
    Forbid,
    MinLength,
    NBest,
    NoRepeatNgram,
    Prefix,
    Sample,
    SampleSeed,
    SourceFile,
    Temperature,
    TopK,
    TopP,
)
from seqweave.errors import ConfigError, DataError

if TYPE_CHECKING:
    from seqweave.predictor import Model
    from seqweave.search.hypothesis import Hypothesis

CHUNK = 1000  # lines decoded and printed at once


def predict(
    folder: Folder,
    file: SourceFile = None,
    beam_size: BeamSize = None,
    n_best: NBest = 1,
    sample: Sample = False,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    seed: SampleSeed = None,
    min_length: MinLength = None,
    no_repeat_ngram: NoRepeatNgram = None,
    prefix: Prefix = "",
    forbid: Forbid = None,
    ensemble: Ensemble = None,
    replace_unknown: ReplaceUnknown = None,
    precision: Precision = None,
    settings: SearchSettings = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Print an output for each line of FILE or stdin, in order.

    Options you leave out use the model's settings (search.*).

    Example: echo "3. März 2021" | seqweave predict model
    """
    from seqweave.data.readers import read_sources
    from seqweave.run_status import unfinished

    if file == Path("-") and not file.exists():
        file = None
    lines = read_sources(file)
    model = load_model(folder, device, settings, ensemble=ensemble, precision=precision)
    part = {"unfinished": found} if (found := unfinished([folder, *(ensemble or ())])) else {}
    draws = sample or (model.options.sample and beam_size is None)
    constraints = {"min_length": min_length, "no_repeat_ngram": no_repeat_ngram, "forbid": forbid or None}
    drawing = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    given = {**_given(constraints), **_drawing(draws, drawing)}
    options = replace(model.options, sample=draws, prefix=prefix, return_attention=json, **given)
    if replace_unknown is not None:
        options = replace(options, replace_unknown=replace_unknown)
    if beam_size is None and not draws:
        beam_size = max(n_best, options.beam_size)
    numbers = count(1)
    for texts in _chunks(_checked(lines, model, file), 1 if file is None and sys.stdin.isatty() else CHUNK):
        results = model.predict_n_best(texts, n_best=n_best, options=options, beam_size=beam_size)
        for text, hypotheses in zip(texts, results, strict=True):
            _print(next(numbers), text, hypotheses, n_best, json, part)
        sys.stdout.flush()


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _drawing(draws: bool, options: dict[str, Any]) -> dict[str, Any]:
    """The options of sampling that were given.

    Raises:
        ConfigError: when one is given without --sample.
    """
    given = _given(options)
    if given and not draws:
        option = next(iter(given)).replace("_", "-")
        raise ConfigError(f"--{option} must come with --sample, but --sample is not given: add it, or leave it out")
    return given


def _print(
    number: int, text: str, hypotheses: Sequence[Hypothesis], n_best: int, json: bool, about: dict[str, Any]
) -> None:
    """Print the outputs of one line; `about` is said of the model in JSON."""
    if json:
        values = [hypothesis_json(hypothesis) for hypothesis in hypotheses]
        print_json({"source": text, "hypotheses": values, **about}, indent=None)
    elif n_best == 1:
        print(one_line(hypotheses[0].text))
    else:
        for rank, hypothesis in enumerate(hypotheses, 1):
            print(number, rank, f"{hypothesis.score:.4f}", one_line(hypothesis.text), sep="\t")


def _checked(lines: Iterator[str], model: Model, file: Path | None) -> Iterator[str]:
    """The lines, each with all the columns of source tags that the model reads; an empty line has none.

    Raises:
        DataError: at the first line with more or fewer columns.
    """
    columns = model.config.data.feature_columns
    for number, line in enumerate(lines, 1):
        found = line.count("\t") + 1
        if columns and line.strip() and found != len(columns) + 1:
            names = ", ".join(["source", *columns])
            raise DataError(
                f"a line must have {len(columns) + 1} columns ({names}), because the model was trained with source "
                f"tags, but it has {found}: put tabs between columns, and leave a column without tags empty",
                file or Path("<stdin>"),
                number,
            )
        yield line


def hypothesis_json(hypothesis: Hypothesis) -> dict[str, Any]:
    """A hypothesis as plain values; attention has a row for each target token, or is null."""
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
