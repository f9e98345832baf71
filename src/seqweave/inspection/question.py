"""What a page asks its server: JSON to a `WhatIf`, every mistake in one sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from seqweave.errors import DataError, LimitError
from seqweave.inspection.changes import WhatIf

MOST_CHARACTERS = 2_000  # of a text; a source is cut to the model's longest as well
MOST_POSITIONS = 1_000  # that a question may change
_FIELDS = ("source", "target", "forced", "attention", "start")


@dataclass(frozen=True)
class Question:
    """A source to trace, a reference if any, and what to change."""

    source: str
    target: str | None
    what_if: WhatIf


def read_question(body: bytes) -> Question:
    """Read the body of a request.

    Raises:
        DataError: when it is not JSON of the form that docs/look-inside.md describes.
        LimitError: when a text or a list is too long.
    """
    try:
        value = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise DataError("a question must be JSON in UTF-8, but this is not: send an object with a source") from None
    if not isinstance(value, dict) or "source" not in value:
        raise DataError('a question must be an object with a source, as in {"source": "text"}: add one')
    unknown = [name for name in value if name not in _FIELDS]
    if unknown:
        raise DataError(f"a question may have {', '.join(_FIELDS)}, but it has {unknown[0][:40]!r}: leave it out")
    target = value.get("target")
    start = value.get("start")
    if start is not None and start != "zero" and (not isinstance(start, dict) or list(start) != ["source"]):
        raise DataError('a start must be "zero" or {"source": "text"}, but it is neither: leave it out, or correct it')
    other = _text(start["source"], "the start's source") if isinstance(start, dict) else None
    what_if = WhatIf(
        forced={position: _item(position, item) for position, item in _positions(value, "forced").items()},
        attention={position: _weights(position, row) for position, row in _positions(value, "attention").items()},
        zero_start=start == "zero",
        start_source=other,
    )
    return Question(_text(value["source"], "source"), None if target is None else _text(target, "target"), what_if)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{name} must be a text, but it is {_kind(value)}: send a text")
    if len(value) > MOST_CHARACTERS:
        raise LimitError(
            f"{name} must have at most {MOST_CHARACTERS:,} characters, but it has {len(value):,}: shorten it"
        )
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(f"{name} must be Unicode text, but it has half of a surrogate pair: correct it")
    return value


def _positions(value: dict[str, Any], name: str) -> dict[int, Any]:
    """A field that maps positions, whose numbers JSON writes as texts."""
    found = value.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise DataError(f'{name} must map positions, as in {{"2": ...}}, but it is {_kind(found)}: correct it')
    if len(found) > MOST_POSITIONS:
        raise LimitError(
            f"{name} must change at most {MOST_POSITIONS:,} positions, but it has {len(found):,}: leave some out"
        )
    for position in found:
        if not (position.isascii() and position.isdecimal() and len(position) <= 6):
            raise DataError(
                f"a position in {name} must be a whole number from 0, but it is {position[:40]!r}: correct it"
            )
    return {int(position): one for position, one in found.items()}


def _item(position: int, value: Any) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str) or (isinstance(value, int) and abs(value) > 1e9):
        raise DataError(
            f"a forced item must be an id or a name, but at position {position} it is {_kind(value)}: correct it"
        )
    return value if isinstance(value, int) else _text(value, "a forced item")


def _weights(position: int, value: Any) -> list[float]:
    numbers = isinstance(value, list) and all(
        isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < 1e9 for one in value
    )
    if not numbers:
        raise DataError(
            f"a row of attention must be a list of weights, but at position {position} it is not: correct it"
        )
    return [float(one) for one in value]


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
