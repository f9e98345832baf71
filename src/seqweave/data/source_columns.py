"""Columns of a table as sources for `predict`: TSV, CSV or JSON lines, record by record as lines come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from seqweave.data.foreign import (
    HEAD_LINES,
    MOST_CHARACTERS,
    begins_with_header,
    csv_separator,
    is_json_lines,
    rows_of,
)
from seqweave.data.formats.quoted import followed
from seqweave.errors import DataError


class Columns:
    """Takes the chosen columns out of each record; the first lines say whether it is TSV, CSV or JSON.

    Args:
        columns: numbers from 1, or names; several become cells with tabs between, as a source with tags is written.
        head: the first lines.
        place: the file, for errors and for what its name says.

    Attributes:
        header: whether line 1 names the columns; it is no record then.
    """

    def __init__(self, columns: Sequence[str], head: Sequence[str], place: Path):
        self._columns, self._place = list(columns), place
        head = [line for line in head if line.strip()][:HEAD_LINES]
        self._json = is_json_lines(head)
        self._separator = None if self._json else csv_separator(head, place.name)
        rows = [line.split("\t") for line in head]
        if self._separator is not None:
            rows = rows_of(head, self._separator)
        self._named = bool(rows) and begins_with_header(rows, usual=self._separator is not None)
        self._characters = 0
        self._begun: list[str] = []  # lines of a record whose quotes are still open
        self._places: list[int] | None = None
        self.header = False

    def source(self, line: str, number: int) -> str | None:
        """The source in line `number`; None where the line is a header, or its record goes on in the next line.

        Raises:
            DataError: when the record lacks a column, or is no record.
        """
        if not line.strip() and not self._begun:
            return ""
        if self._json:
            return "\t".join(self._field(line, column, number) for column in self._columns)
        cells = self._cells(line, number)
        if cells is None:
            return None
        if self._places is None:
            self._places = self._places_in(cells, number)
            if self.header:
                return None
        missing = [place for place in self._places if place >= len(cells)]
        if missing:
            raise DataError(
                f"a line must have a column {missing[0] + 1} (--column), but it has {len(cells)}: correct the line, or "
                "name another column",
                self._place,
                number,
            )
        return "\t".join(cells[place] for place in self._places)

    def check_end(self, number: int) -> None:
        """Raise a `DataError` where the last record is not complete."""
        if self._begun:
            raise DataError(
                f"a quoted cell must end, but one that begins {len(self._begun)} lines before the end does not: "
                "close its quotes",
                self._place,
                number,
            )

    def _cells(self, line: str, number: int) -> list[str] | None:
        """The cells of a record; None while its quotes are open."""
        if self._separator is None:
            return line.split("\t")
        state = followed(line, self._separator, bool(self._begun))
        self._begun.append(line)
        self._characters += len(line)
        if state == "open" and self._characters <= MOST_CHARACTERS:
            return None
        rows = rows_of(self._begun, self._separator)
        self._begun, self._characters = [], 0
        if len(rows) != 1:
            raise DataError("cells in quotes must be separated as others are: correct the line", self._place, number)
        return rows[0]

    def _places_in(self, cells: list[str], number: int) -> list[int]:
        """Where the columns are, by the first record."""
        numbers = [
            int(one) - 1 if one.isascii() and one.isdecimal() and 0 < int(one) < 10**6 else None
            for one in self._columns
        ]
        names = [cell.strip() for cell in cells]
        self.header = self._named or None in numbers
        places = []
        for name, place in zip(self._columns, numbers, strict=True):
            if place is None and name not in names:
                raise DataError(
                    f"--column must be a number from 1, or one of the names in line {number} "
                    f"({', '.join(names)}), but it is {name!r}: name another",
                    self._place,
                    number,
                )
            places.append(names.index(name) if place is None else place)
        return places

    def _field(self, line: str, column: str, number: int) -> str:
        """A field of a JSON object; a dot in its name leads into an object inside."""
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            raise DataError("every line must be a JSON object, but this one is not: correct it", self._place, number)
        names = list(record)
        value = record.get(column)
        for name in [] if column in record else column.split("."):
            record = value = record.get(name) if isinstance(record, dict) else None
        if isinstance(value, bool | int | float):
            return json.dumps(value)
        if not isinstance(value, str):
            raise DataError(
                f"a record must have a text {column!r} (--column), but this one has {', '.join(names) or 'nothing'}: "
                "name another",
                self._place,
                number,
            )
        return value
