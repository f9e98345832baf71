"""Each kind of dropped record in words, with the command that mends it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable

from seqweave.config.group import MOST
from seqweave.data.check.place import Place
from seqweave.data.check.result import LeftOut
from seqweave.data.formats.report import Dropped, DropReason

Remedy = Callable[[Place, Dropped], str]

SEPARATORS = (" ||| ", "\\t", "||", "|", ";", " = ", "=", ",", "  ")
"""What may stand between columns where no tab does; the first that a line has is the likeliest."""
_NAMES = {"\\t": "backslash-t", "  ": "blanks"}


def left_out(place: Place, reason: DropReason, dropped: Dropped) -> LeftOut:
    """All about the records that were dropped for a reason."""
    words, remedy = _REASONS[reason]
    return LeftOut(
        count=dropped.count,
        lines=list(dropped.lines),
        example=dropped.text,
        words=words(place) if callable(words) else words,
        remedy=remedy(place, dropped),
    )


def separator_setting(text: str) -> str | None:
    """The setting that reads a line without tabs, if one of the usual separators is in it."""
    found = next((separator for separator in SEPARATORS if separator in text.strip()), None)
    if found is None:
        return None
    name = _NAMES.get(found, found)
    return f'data.delimiter="{name}"' if " " in name else f"data.delimiter={name}"


def the_other_side(place: Place) -> str | None:
    """What to do with a file of a single column; None where some records have more."""
    report, dialect = place.reader.report, place.reader.dialect
    short = report.dropped.get("missing_column")
    if dialect.format not in ("tsv", "csv") or short is None or short.count < report.records:
        return None
    path = shlex.quote(str(place.reader.path))
    return (
        "add the targets as a second column, or, if they are the lines of another file, give both: "
        f"`seqweave check {path} TARGETS`"
    )


def _by_hand(place: Place, dropped: Dropped) -> str:
    return place.leave_out(dropped.count)


def _longer_lines(place: Place, dropped: Dropped) -> str:
    more = min(MOST, 10 * place.config.max_line_bytes)
    return f"allow longer ones: {place.again(f'data.max_line_bytes={more}')}, or leave them out: {place.clean()}"


def _without_nul(place: Place, dropped: Dropped) -> str:
    command = place.piped("tr -d '\\000'")
    return _by_hand(place, dropped) if place.reader.target_path else f"take them away: {command}"


def _encoding(place: Place, dropped: Dropped) -> str:
    return (
        f"if the whole file is in another encoding, name it, as in {place.again('data.encoding=cp949')}; else "
        + _by_hand(place, dropped)
    )


def _columns(place: Place, dropped: Dropped) -> str:
    setting = None if place.reader.dialect.format == "json" else separator_setting(dropped.text)
    if setting is None:
        return the_other_side(place) or _by_hand(place, dropped)
    separator = setting.partition("=")[2]
    return f"if {separator!r} separates the columns: {place.again(setting)}; else {_by_hand(place, dropped)}"


def _more_columns(place: Place, dropped: Dropped) -> str:
    source, target = place.config.source_column or "1", place.config.target_column or "2"
    chosen = place.again(f"data.source_column={source}", f"data.target_column={target}")
    return f"name the columns, and others are left out: {chosen}"


def _no_quotes(place: Place, dropped: Dropped) -> str:
    return f"if quotes are text like any other: {place.again('data.quoting=no')}; else {_by_hand(place, dropped)}"


def _fields(place: Place, dropped: Dropped) -> str:
    names = text_fields(dropped.text)
    if len(names) < 2:
        return _by_hand(place, dropped)
    chosen = place.again(f"data.source_column={names[0]}", f"data.target_column={names[1]}")
    return f"its fields are {', '.join(names)}; name two of them, as in {chosen}"


def text_fields(text: str) -> list[str]:
    """The fields of a JSON object that hold texts or numbers, dots leading into objects; of a cut one those before."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return list(_leaves(record))[:8] if isinstance(record, dict) else []


def _leaves(record: dict[str, object], before: str = "") -> list[str]:
    found = []
    for name, value in record.items():
        if isinstance(value, dict) and before.count(".") < 3:
            found += _leaves(value, f"{before}{name}.")
        elif isinstance(value, str | int | float):
            found.append(f"{before}{name}")
    return found


def _no_tabs(place: Place, dropped: Dropped) -> str:
    return "put blanks in their place: " + place.piped(r"sed 's/\\t/ /g'")


def _longest_line(place: Place) -> str:
    return f"longer than data.max_line_bytes={place.config.max_line_bytes:,} bytes"


def _not_encoded(place: Place) -> str:
    return f"not text in {place.reader.dialect.encoding.upper()}"


_REASONS: dict[DropReason, tuple[str | Callable[[Place], str], Remedy]] = {
    "line_too_long": (_longest_line, _longer_lines),
    "nul_character": ("a NUL character in it", _without_nul),
    "invalid_encoding": (_not_encoded, _encoding),
    "empty_line": ("nothing, or nothing that can be seen, on the line", _by_hand),
    "missing_column": ("fewer columns than source and target need", _columns),
    "too_many_columns": ("more columns than are known", _more_columns),
    "unclosed_quote": ("a double quote that is never closed", _no_quotes),
    "malformed_quotes": ("text behind a closing double quote", _no_quotes),
    "invalid_json": ("not a JSON object, or one with NaN or infinity, which JSON has not", _by_hand),
    "repeated_field": ("a JSON object with a field twice", _by_hand),
    "missing_field": ("a JSON object without the fields of source and target as texts", _fields),
    "tab_in_field": ("a tab inside of a JSON text, which would look like one more column of source tags", _no_tabs),
    "empty_source": ("no source, or nothing in it that can be seen", _by_hand),
    "empty_target": ("no target, or nothing in it that can be seen", _by_hand),
}
