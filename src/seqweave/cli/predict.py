"""`seqweave predict`: sources in, one output line for every line."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqweave.cli.answers import Answers, progress, shows_progress
from seqweave.cli.common import (
    BackendChoice,
    BeamSize,
    Device,
    Ensemble,
    Folder,
    Json,
    Precision,
    ReplaceUnknown,
    SearchSettings,
    json_text,
    load_model,
    note,
    note_unknown,
    one_cell,
    one_line,
)
from seqweave.cli.options import (
    Column,
    Encoding,
    Forbid,
    MinLength,
    NBest,
    NoRepeatNgram,
    OutputFile,
    Plain,
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
    from seqweave.data.source_lines import SourceLines
    from seqweave.predictor import Model
    from seqweave.search.hypothesis import Hypothesis

Search = Callable[[list[str]], list[list["Hypothesis"]]]


def predict(
    folder: Folder,
    file: SourceFile = None,
    output: OutputFile = None,
    column: Column = None,
    encoding: Encoding = None,
    plain: Plain = False,
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
    backend: BackendChoice = "auto",
    settings: SearchSettings = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Print an output for each line of FILE or stdin, in order. What comes through a pipe is answered as it comes.

    Options you leave out use the model's settings (search.*).

    Example: echo "3. März 2021" | seqweave predict model
    """
    from seqweave.run_status import unfinished

    columns = [name.strip() for name in (column or "").split(",") if name.strip()]
    lines = _source_lines(folder, file, columns, encoding, plain)
    answers = Answers(output)
    model = load_model(folder, device, settings, ensemble=ensemble, precision=precision, backend=backend)
    constraints = {"min_length": min_length, "no_repeat_ngram": no_repeat_ngram, "forbid": forbid or None}
    drawing = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    chosen = {"replace_unknown": replace_unknown, "prefix": prefix, "return_attention": json, **constraints}
    search = _search(model, (sample, beam_size, n_best), chosen, drawing)
    about = {"unfinished": found} if (found := unfinished([folder, *(ensemble or ())])) else {}
    watched = shows_progress(output)
    with answers, progress(lines.count() if watched else None, watched) as advance:
        for number, rows in _answers(_checked(lines, model, columns, plain), model, search, (n_best, json, about)):
            answers.write(rows, number)
            advance(number)
    if lines.header:
        note(f"line 1 of {lines.place} is a header, and has no answer")


def _source_lines(
    folder: Path, file: Path | None, columns: Sequence[str], encoding: str | None, plain: bool
) -> SourceLines:
    """What is read; the commands in its refusals are those of this call."""
    from seqweave.data.foreign import Asked
    from seqweave.data.source_lines import SourceLines

    if file == Path("-") and not file.exists():
        file = None
    asked = Asked(shlex.quote(str(folder)), "" if file is None else shlex.quote(str(file)))
    return SourceLines(file, asked, encoding=encoding, columns=columns, plain=plain)


def _search(
    model: Model, size: tuple[bool, int | None, int], chosen: Mapping[str, Any], drawing: Mapping[str, Any]
) -> Search:
    """The search that the options say; those that were not given are None.

    Raises:
        ConfigError: when one of them is out of its range, or one of sampling is given without --sample.
    """
    sample, beam_size, n_best = size
    draws = sample or (model.options.sample and beam_size is None)
    options = replace(model.options, sample=draws, **_given(chosen), **_drawing(draws, drawing))
    if beam_size is None and not draws:
        beam_size = max(n_best, options.beam_size)
    return lambda texts: model.predict_n_best(texts, n_best=n_best, options=options, beam_size=beam_size, tabs=True)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _drawing(draws: bool, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of sampling that were given.

    Raises:
        ConfigError: when one is given without --sample.
    """
    given = _given(options)
    if given and not draws:
        option = next(iter(given)).replace("_", "-")
        raise ConfigError(f"--{option} must come with --sample, but --sample is not given: add it, or leave it out")
    return given


def _checked(lines: SourceLines, model: Model, columns: Sequence[str], plain: bool) -> Iterator[list[str]]:
    """The sources in batches, each with as many columns as the model reads.

    Raises:
        ConfigError: when --column names fewer or more.
        DataError: at a line with another number of columns, after the lines before it.
    """
    from seqweave.text.unknown import knows_tabs

    names = ["source", *model.config.data.feature_columns]
    if columns:
        if len(columns) != len(names):
            raise ConfigError(
                f"--column must name {len(names)} ({', '.join(names)}), but it is {','.join(columns)}: "
                "separate them by commas"
            )
        yield from lines
        return
    allowed = plain or (len(names) == 1 and knows_tabs(model.source_tokenizer))
    number = 0
    for batch in lines:
        for place, text in enumerate(batch):
            wrong = _columns_problem(text, names, lines, allowed)
            if wrong is not None:
                if place:
                    yield batch[:place]
                raise DataError(wrong, lines.place, number + place + 1)
        yield batch
        number += len(batch)


def _columns_problem(text: str, names: Sequence[str], lines: SourceLines, allowed: bool) -> str | None:
    """What is wrong with the number of columns of a line; None: nothing."""
    found = text.count("\t") + 1
    if len(names) > 1:
        if not text.strip() or found == len(names):
            return None
        return (
            f"a line must have {len(names)} columns ({', '.join(names)}), because the model was trained with source "
            f"tags, but it has {found}: put tabs between columns, and leave a column without tags empty; of a table "
            f"with more, name them, as in {lines.asked.with_option('--column 1,3')}"
        )
    if found == 1 or allowed:
        return None
    return (
        f"a line must be a source, but this one has {found} columns: take the sources out of them, as in "
        f"{lines.asked.with_option('--column 1')}, or compare with the answers in them, {lines.asked.evaluate}; "
        "--plain takes lines as they are"
    )


def _answers(
    sources: Iterator[list[str]], model: Model, search: Search, form: tuple[int, bool, dict[str, Any]]
) -> Iterator[tuple[int, str]]:
    """For each batch of sources: how many they are, and the rows with their outputs.

    `form` is how many outputs each has, whether as JSON, and what JSON says of the model in each row.

    At the end it says where too many items of the sources are unknown.
    """
    from seqweave.text.unknown import UnknownItems

    n_best, json, about = form
    heard = UnknownItems(model.source_tokenizer)
    number = 0
    for texts in sources:
        results = search(texts)
        unknown = heard.add([model.sources.key(text) for text in texts])
        if json:
            rows: Iterator[str] = (_json_row(*row, about) for row in zip(texts, results, unknown, strict=True))
        else:
            rows = (_rows(place, found, n_best) for place, found in enumerate(results, number + 1))
        number += len(texts)
        yield len(texts), "".join(rows)
    note_unknown(heard, "source")


def _rows(number: int, hypotheses: Sequence[Hypothesis], n_best: int) -> str:
    """The output of a line, or several, each in a row of four columns."""
    if n_best == 1:
        return one_line(hypotheses[0].text) + "\n"
    ranked = enumerate(hypotheses, 1)
    return "".join(f"{number}\t{rank}\t{one.score:.4f}\t{one_cell(one.text)}\n" for rank, one in ranked)


def _json_row(
    text: str, hypotheses: Sequence[Hypothesis], unknown: tuple[int, list[str]], about: dict[str, Any]
) -> str:
    """A line as JSON: also its unknown items, and their share of all."""
    items, names = unknown
    row = {
        "source": text,
        "unknown": names,
        "unknown_share": len(names) / items if items else 0.0,
        "hypotheses": [hypothesis_json(one) for one in hypotheses],
        **about,
    }
    return json_text(row, indent=None) + "\n"


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
