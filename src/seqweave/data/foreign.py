"""What cannot be lines of sources: how it begins, and what to run instead.

Only the beginning is looked at (what is there of it), and only what is beyond doubt is refused, because a line may
hold anything. Each function gives what it recognised, in words with a remedy, or None.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from seqweave.data.columns import source_field
from seqweave.data.containers import container_of, foreign
from seqweave.data.dialect import Container
from seqweave.data.encodings import MARKS, is_binary, wide_without_mark
from seqweave.data.formats.quoted import quoted_records
from seqweave.data.headers import first_of_each, is_header, names_both_sides, source_and_target

HEAD_BYTES = 4096
HEAD_LINES = 10
MOST_CHARACTERS = 10_000_000  # of a record in quotes
_UNPACKERS: dict[Container, str] = {
    "gzip": "gunzip -c",
    "bzip2": "bunzip2 -c",
    "xz": "unxz -c",
    "zstd": "zstdcat",
}
_QUOTED_ROW = re.compile(r'\s*"(?:[^"]|"")*"(?:\s*[,;]\s*"(?:[^"]|"")*")+\s*')


@dataclass(frozen=True)
class Asked:
    """How `predict` was called, for the commands that were meant.

    Attributes:
        model: the model folder, as the command line has it.
        file: the file, as the command line has it; "" for stdin.
    """

    model: str
    file: str = ""

    def with_option(self, option: str) -> str:
        """The same command with one option more."""
        return " ".join(part for part in ("`seqweave predict", self.model, self.file, option) if part) + "`"

    @property
    def evaluate(self) -> str:
        """The command that compares with answers."""
        return f"`seqweave evaluate {self.model} {self.file or 'FILE'}`"

    def through(self, program: str) -> str:
        """The same, reading what another program makes of the input."""
        return f"`{program} {self.file or 'FILE'} | seqweave predict {self.model}`"


def binary(head: bytes, asked: Asked) -> str | None:
    """Compressed or other binary content, or text of wide characters, by how it begins."""
    for begin, encoding in MARKS.items():
        if head.startswith(begin):
            return f"it is {encoding.upper()}: read it with {asked.with_option(f'--encoding {encoding}')}"
    if wide := wide_without_mark(head, whole=False):
        option = asked.with_option(f"--encoding {wide}")
        return f"it is {wide.upper()} without a byte order mark: read it with {option}"
    packed = container_of(head)
    if packed in _UNPACKERS:
        return f"it is compressed with {packed}: unpack it, as in {asked.through(_UNPACKERS[packed])}"
    if found := foreign(head):
        return f"it is {found[0]}: {found[1]}"
    if is_binary(head):
        return "it is binary: save its texts as lines of UTF-8 first"
    return None


def structured(lines: Sequence[str], asked: Asked) -> str | None:
    """JSON or CSV, where all of the first lines are."""
    head = [line for line in lines if line.strip()][:HEAD_LINES]
    if not head:
        return None
    plain = "--plain takes lines as they are"
    if _is_json_document(head):
        return f"it is a JSON document: save its sources as lines, or pairs as TSV for {asked.evaluate}; {plain}"
    if is_json_lines(head):
        column = source_field([json.loads(line) for line in head]) or "source"
        return f"it is JSON: {_take(asked, column)}; {plain}"
    if separator := csv_separator(head, asked.file):
        return f"it is CSV: {_take(asked, _source_column(rows_of(head, separator)))}; {plain}"
    return None


def _take(asked: Asked, column: str) -> str:
    command = asked.with_option(f"--column {shlex.quote(column)}")
    return f"take one of its columns, as in {command}, or compare with the answers in it, {asked.evaluate}"


def _source_column(rows: Sequence[Sequence[str]]) -> str:
    """The name of the column with the sources, where a header says it, else the number of the first."""
    names = [cell.strip() for cell in rows[0]]
    found = source_and_target(names) or first_of_each(names)
    return names[found[0]] if begins_with_header(rows, usual=True) and found and names[found[0]] else "1"


def is_json_lines(lines: Sequence[str]) -> bool:
    """Whether every line is a JSON object."""
    return bool(lines) and all(line.lstrip().startswith("{") and isinstance(_json(line), dict) for line in lines)


def _is_json_document(lines: Sequence[str]) -> bool:
    """Whether the lines are the first of one JSON value: an array of objects, or an object over several lines."""
    first = lines[0].strip()
    if first.startswith('[{"'):
        return True
    if first in ("[", "{", "[{") and len(lines) > 1:
        return lines[1].lstrip().startswith(("{", '"'))
    value = _json(first) if first.startswith(("[", "{")) and len(lines) == 1 else None
    if isinstance(value, list) and len(value) > 1 and all(isinstance(part, str) for part in value):
        return True
    inside = list(value.values()) if isinstance(value, dict) else [value]
    return any(isinstance(one, list) and any(isinstance(part, dict) for part in one) for one in inside)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def csv_separator(lines: Sequence[str], name: str) -> str | None:
    """The separator of CSV, where the first lines are beyond doubt, or the name says so; else None."""
    if lines and all(map(_QUOTED_ROW.fullmatch, lines)):
        return ";" if all('";"' in line for line in lines) else ","
    named = re.sub(r"\.(gz|bz2|xz|zst)$", "", name.lower().strip("'")).endswith(".csv")
    for separator in ",;":
        rows = rows_of(lines, separator)
        if not rows or len(rows[0]) < 2:
            continue
        even = all(len(row) == len(rows[0]) for row in rows)
        loose = [any(cell[:1].isspace() for cell in row) for row in rows]  # as sentences with commas are
        if (even and named) or (names_both_sides(rows[0]) and not loose[0]):
            return separator
        if even and not any(loose) and begins_with_header(rows):
            return separator
    return None


def rows_of(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The cells of the records that some lines hold, as far as their quotes are closed."""
    rows: list[list[str]] = []
    for record in quoted_records(iter(enumerate(lines, 1)), separator, MOST_CHARACTERS):
        if not isinstance(record.cells, list):
            break
        rows.append(record.cells)
    return rows


def begins_with_header(rows: Sequence[Sequence[str]], usual: bool = False) -> bool:
    """Whether the first row names the columns, also where nothing stands below it yet (`headers.is_header`)."""
    return names_both_sides(rows[0]) if len(rows) == 1 else is_header(rows[0], rows[1:], usual)
