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

from seqweave.data.containers import container_of, foreign
from seqweave.data.dialect import Container
from seqweave.data.encodings import MARKS
from seqweave.data.formats.quoted import quoted_records

HEAD_BYTES = 4096
HEAD_LINES = 10
MOST_CHARACTERS = 10_000_000  # of a record in quotes
_LEAST_BYTES = 16  # fewer are too few to call binary
_MOST_CONTROLS = 0.3  # of the bytes; random ones have 0.11, and those of text nearly none
_UNPACKERS: dict[Container, str] = {
    "gzip": "gunzip -c",
    "bzip2": "bunzip2 -c",
    "xz": "unxz -c",
    "zstd": "zstdcat",
}
# fmt: off
HEADER_WORDS = frozenset((
    "source", "target", "src", "tgt", "trg", "input", "output", "text", "label", "question", "answer",
    "sentence1", "sentence2", "sentence", "translation", "word", "pronunciation", "en", "de", "fr", "es", "it",
    "pt", "nl", "ru", "zh", "ja", "ko", "ar", "hi", "vi", "th", "tr", "pl", "id", "english", "german", "french",
    "spanish", "korean", "japanese", "chinese", "russian", "number",
))
# fmt: on
"""A row of these alone is a header, not a text."""
_LEAST_ROWS = 3  # below a header of names that are not among those words
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9.-]{0,30}")
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
    if wide := _wide_without_mark(head):
        return f"it is UTF-16 without a byte order mark: read it with {asked.with_option(f'--encoding {wide}')}"
    packed = container_of(head)
    if packed in _UNPACKERS:
        return f"it is compressed with {packed}: unpack it, as in {asked.through(_UNPACKERS[packed])}"
    if found := foreign(head):
        return f"it is {found[0]}: {found[1]}"
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    if len(head) >= _LEAST_BYTES and controls > _MOST_CONTROLS * len(head):
        return "it is binary: save its texts as lines of UTF-8 first"
    return None


def _wide_without_mark(head: bytes) -> str | None:
    """UTF-16 that mostly has letters of Latin scripts, by its zero bytes: every other one."""
    pairs = len(head) // 2
    if pairs < 2:
        return None
    for name, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        zeros, others = head[first : 2 * pairs : 2].count(0), head[1 - first : 2 * pairs : 2].count(0)
        if zeros > pairs / 2 and not others:
            return name
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
        keys = list(json.loads(head[0]))
        column = next((key for key in keys if key.lower() in HEADER_WORDS), keys[0] if keys else "source")
        return f"it is JSON: {_take(asked, column)}; {plain}"
    if separator := csv_separator(head, asked.file):
        first = rows_of(head, separator)[0][0].strip()
        return f"it is CSV: {_take(asked, first if first.lower() in HEADER_WORDS else '1')}; {plain}"
    return None


def _take(asked: Asked, column: str) -> str:
    command = asked.with_option(f"--column {shlex.quote(column)}")
    return f"take one of its columns, as in {command}, or compare with the answers in it, {asked.evaluate}"


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
        if begins_with_header(rows) or (named and all(len(row) == len(rows[0]) for row in rows)):
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


def begins_with_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: with words that say so, or with names over rows that mostly are none.

    Columns are separated without blanks, and all rows have as many.
    """
    header, others = rows[0], rows[1:]
    if len(header) < 2:
        return False
    if HEADER_WORDS.issuperset(cell.lower() for cell in header):
        return True
    if len(others) < _LEAST_ROWS or any(len(row) != len(header) for row in others):
        return False
    if any(cell[:1].isspace() for row in others for cell in row):
        return False
    texts = sum(not all(map(_NAME.fullmatch, row)) for row in others)
    return all(map(_NAME.fullmatch, header)) and 2 * texts > len(others)
