"""What a JSON record holds: fields by name, dots leading into objects, numbers and booleans as labels."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from seqweave.config import DataConfig
from seqweave.data.dialect import Dialect
from seqweave.data.formats.records import Found, Refused, checked, escaped_problem


class RepeatedFieldError(ValueError):
    """An object has two fields of one name, so that either could be meant."""


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RepeatedFieldError
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _no_number(digits)


STRICT = json.JSONDecoder(object_pairs_hook=_distinct, parse_float=_finite, parse_constant=_no_number)
"""Refuses NaN, infinity, numbers too large for a float, and repeated fields."""


def record_parser(dialect: Dialect, config: DataConfig) -> Callable[[Any], Found]:
    """What takes the texts out of the value of a record."""
    trim, former = config.trim_ends, dialect.former

    def parse(record: Any) -> Found:
        if not isinstance(record, dict):
            return Refused("invalid_json")
        source = text_of(value_of(record, dialect.source, former), former)
        target = text_of(value_of(record, dialect.target, former), former)
        cells = [_cell(value_of(record, name, former), config.feature_separator, former) for name in dialect.features]
        features = tuple(cell for cell in cells if cell is not None)
        if source is None or target is None or len(features) < len(cells):
            return Refused("missing_field")
        if features and "\t" in "".join((source, *features)):  # it would look like one more column
            return Refused("tab_in_field")
        problem = escaped_problem("".join((source, target, *features)))
        return Refused(problem) if problem else checked(source, target, features, trim=trim)

    return parse


def value_of(record: dict[str, Any], name: str, former: bool = False) -> Any:
    """The value of a field, or, where no field has the whole name, of what its dots lead to; None: there is none."""
    if name in record or former:
        return record.get(name)
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def text_of(value: Any, former: bool = False) -> str | None:
    """A value as text: numbers and booleans as JSON writes them; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float) and not former:
        return json.dumps(value)
    return None


def fields_of(record: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted names of all fields that are no objects, with their values."""
    if not isinstance(record, dict):
        return
    for name, value in record.items():
        if isinstance(value, dict):
            yield from fields_of(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _cell(value: Any, separator: str, former: bool) -> str | None:
    """Source tags in JSON: one text, as in a column, or a list of texts; None for anything else."""
    if isinstance(value, list) and all(isinstance(tag, str) for tag in value):
        return separator.join(value)
    return text_of(value, former)
