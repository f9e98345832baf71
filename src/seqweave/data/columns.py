"""Which columns or fields hold source, target and source tags."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqweave.config import DataConfig
from seqweave.data.delimiters import usual_columns
from seqweave.data.dialect import Dialect
from seqweave.data.formats.json_fields import fields_of, text_of, value_of
from seqweave.data.headers import first_of_each, is_target_name, source_and_target, texts_among
from seqweave.errors import DataError

COLUMN_SETTINGS = (
    "format",
    "delimiter",
    "quoting",
    "header",
    "encoding",
    "source_column",
    "target_column",
    "column_names",
    "feature_columns",
    "feature_separator",
)
_DEFAULT = DataConfig()
_SHOWN_FIELDS = 12


def column_options(config: DataConfig) -> str:
    """The options with which another command reads files the same way, each after a blank; "" for the usual ones."""
    chosen = {name: getattr(config, name) for name in COLUMN_SETTINGS}
    usual = {"source_column": "1", "target_column": "2"}
    return "".join(
        " --set " + shlex.quote(f"data.{name}={json.dumps(value, ensure_ascii=False)}")
        for name, value in chosen.items()
        if value != getattr(_DEFAULT, name) and value != usual.get(name)
    )


def column_place(key: str, column: str, names: Sequence[str], path: Path) -> int:
    """The 0-based place of a column given by name (when there are names) or 1-based number.

    Raises:
        DataError: when it is neither.
    """
    if column in names:
        return names.index(column)
    number = int(column) if column.isascii() and column.isdecimal() and len(column) < 10 else 0
    if number >= 1 and (not names or number <= len(names)):
        return number - 1
    if names:
        choices = f"one of {', '.join(names)} or a number from 1 to {len(names)}"
        raise DataError(f"data.{key} must be {choices}, but it is {column!r}; change data.{key}", path)
    raise DataError(
        f"data.{key} must be a column number from 1, but it is {column!r}; give a number, or name all columns in "
        "data.column_names",
        path,
    )


def table_columns(
    dialect: Dialect, header: tuple[str, ...], widths: Sequence[int], config: DataConfig, path: Path
) -> Dialect:
    """The dialect of a table with its columns.

    Args:
        dialect: without columns.
        header: names in the first row, or none.
        widths: how many cells the first rows have.
        config: which columns are asked for.
        path: names the file in errors.

    Raises:
        DataError: when a column that is asked for is none of the file's.
    """
    names = config.column_names or header
    usual = len(names) or usual_columns(widths)
    source, target = _chosen(names, usual, config, path)
    features = tuple(column_place("feature_columns", name, names, path) for name in config.feature_columns)
    read = {source, target, *features}
    left_out = [
        names[place] or f"column {place + 1}" if names else f"column {place + 1}"
        for place in range(usual)
        if place not in read
    ]
    return replace(
        dialect,
        header=header,
        columns=max(usual, *(place + 1 for place in read)),
        source=str(source),
        target=str(target),
        features=tuple(map(str, features)),
        left_out=tuple(left_out),
    )


def _chosen(names: Sequence[str], usual: int, config: DataConfig, path: Path) -> tuple[int, int]:
    """The places of source and target: as asked for, as the names say, or the first two."""
    asked = config.source_column, config.target_column
    if not names and usual == 2 and all(column is not None and not column.isdecimal() for column in asked):
        return 0, 1  # named where the model was trained, and here are two columns without names
    found = source_and_target(names) or first_of_each(names) if names else None
    texts = texts_among(names) if names else [0, 1]
    first, second = found or (texts if len(texts) > 1 else [0, 1])[:2]
    if asked[0] is not None:
        first = column_place("source_column", asked[0], names, path)
        second = _other(second, first, found, texts)
    if asked[1] is not None:
        target = column_place("target_column", asked[1], names, path)
        first = first if asked[0] is not None else _other(first, target, found, texts)
        second = target
    if first == second:
        raise DataError(
            f"source and target must be two columns, but both are column {first + 1}: name both in data.source_column "
            "and data.target_column",
            path,
        )
    return first, second


def _other(place: int, taken: int, found: tuple[int, int] | None, texts: Sequence[int]) -> int:
    """The place of a side that was not asked for, when the other side has a place."""
    if place != taken:
        return place
    return next((other for other in (*(found or ()), *texts, 0, 1) if other != taken), place)


def recorded_columns(dialect: Dialect, config: DataConfig) -> dict[str, str]:
    """The settings that make other files read as the training file was, where names said which columns are meant.

    Two columns in the other order are recorded by number, because a file without a header has them so, too.
    """
    if dialect.format in ("jsonl", "json"):
        usual, names = ("source", "target"), (dialect.source, dialect.target)
    else:
        usual = ("0", "1")
        places = int(dialect.source), int(dialect.target)
        names = (str(places[0] + 1), str(places[1] + 1))
        if len(dialect.header) > 2:
            names = (dialect.header[places[0]], dialect.header[places[1]])
    if (dialect.source, dialect.target) == usual or None not in (config.source_column, config.target_column):
        return {}
    return {"data.source_column": names[0], "data.target_column": names[1]}


def json_columns(records: Sequence[Any], config: DataConfig, path: Path) -> tuple[str, str, tuple[str, ...]]:
    """The fields of source and target, and the names of those left out.

    Args:
        records: the first objects of the file.
        config: which fields are asked for; 1 and 2 stand for `source` and `target`.
        path: names the file in errors.

    Raises:
        DataError: when the file has other fields, and not two that it could be; names them.
    """
    asked = [
        usual if column == number else column
        for column, number, usual in (
            (config.source_column, "1", "source"),
            (config.target_column, "2", "target"),
        )
    ]
    fields = _fields(records)
    guessed = _guessed(fields)
    chosen = [column or guess for column, guess in zip(asked, guessed or ("source", "target"), strict=True)]
    missing = [name for name in chosen if records and not any(_has(record, name) for record in records)]
    if missing and records:
        raise _unknown_fields(missing, fields, path)
    left_out = [name for name in fields if name not in (*chosen, *config.feature_columns)]
    return chosen[0], chosen[1], tuple(left_out)


def source_field(records: Sequence[Any]) -> str | None:
    """The field that must be the source of JSON records, or else the first with texts; None: there is none."""
    fields = _fields(records)
    found = _guessed(fields)
    return found[0] if found else next((name for name, is_text in fields.items() if is_text), None)


def _fields(records: Sequence[Any]) -> dict[str, bool]:
    """The dotted names of the fields of records, in the order in which they occur, and whether they are texts."""
    seen, texts = Counter[str](), Counter[str]()
    for record in records:
        for name, value in fields_of(record):
            seen[name] += 1
            texts[name] += isinstance(value, str)
    return {name: texts[name] * 2 > number for name, number in seen.items() if number * 4 >= len(records)}


def _guessed(fields: dict[str, bool]) -> tuple[str, str] | None:
    """The two fields that must be meant."""
    names = list(fields)
    if {"source", "target"} <= set(names):
        return "source", "target"
    texts = [name for name in names if fields[name]]
    for candidates in (names, texts):
        found = source_and_target(candidates)
        if found and len({candidates[place].rpartition(".")[2] for place in found}) == 2:
            return candidates[found[0]], candidates[found[1]]
    inside = [name for name in texts if name.startswith("translation.")]
    for candidates in (inside, texts):
        if len(candidates) == 2 and len({name.rpartition(".")[2] for name in candidates}) == 2:
            return candidates[0], candidates[1]
    return None


def _has(record: Any, name: str) -> bool:
    value = value_of(record, name)
    return text_of(value) is not None or isinstance(value, list)


def _unknown_fields(missing: Sequence[str], fields: dict[str, bool], path: Path) -> DataError:
    names = [name for name, is_text in fields.items() if is_text] or list(fields)
    known = ", ".join(names[:_SHOWN_FIELDS]) or "none"
    first, second = (*names[:2], "A", "B")[:2]
    second = next((name for name in names if name != first and is_target_name(name)), second)
    options = " ".join(
        f"--set {shlex.quote(f'data.{side}_column={name}')}" for side, name in (("source", first), ("target", second))
    )
    return DataError(
        f"must have fields {' and '.join(missing)}, but its records have {known}: name the two to read, as in "
        f"{options}",
        path,
    )
