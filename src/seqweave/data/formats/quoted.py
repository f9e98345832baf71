"""Records with cells in double quotes (RFC 4180): over several lines, with `""` for a quote.

On good records it gives the cells that the module `csv` gives. Where a quote is never closed, `csv` would read on to
the end of the file and swallow every record on the way; here such a record is dropped alone, and reading goes on with
the line after the one that it begins on.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from seqweave.data.formats.records import Refused

MOST_LINES = 1000
"""A record of more is one whose quote is never closed."""
State = Literal["whole", "open", "malformed"]
Line = tuple[int, str | Refused]
# Blanks around the quotes are none of the cell.
_QUOTED = re.compile(r' *"([^"]*(?:""[^"]*)*)"(?!") *')
_OPEN = re.compile(r' *"')
_REST = re.compile(r'[^"]*(?:""[^"]*)*"(?!") *')


class Record(NamedTuple):
    """A record: the 1-based line that it begins on, its text with newlines inside, and its cells or why not."""

    line: int
    text: str
    cells: list[str] | Refused


def quoted_records(lines: Iterator[Line], delimiter: str, longest: int) -> Iterator[Record]:
    """Put the lines of quoted records together.

    Args:
        lines: their numbers and texts; a line that cannot be read ends a record that it stands in.
        delimiter: one character.
        longest: characters of a record; a longer one counts as never closed.
    """
    waiting: deque[Line] = deque()

    def next_line() -> Line | None:
        return waiting.popleft() if waiting else next(lines, None)

    while (first := next_line()) is not None:
        number, text = first
        if isinstance(text, Refused):
            yield Record(number, text.text, text)
        elif '"' not in text:
            yield Record(number, text, text.split(delimiter))
        else:
            taken: list[Line] = []
            state, whole = _completed(text, delimiter, longest, next_line, taken)
            if state == "whole":
                yield Record(number, whole, _cells(whole, delimiter))
            else:
                yield Record(number, text, Refused("unclosed_quote" if state == "open" else "malformed_quotes", text))
                waiting.extendleft(reversed(taken))


def _completed(
    text: str, delimiter: str, longest: int, next_line: Callable[[], Line | None], taken: list[Line]
) -> tuple[State, str]:
    """Read on until the quotes are closed; what was read stands in `taken`."""
    state, parts, size = followed(text, delimiter, False), [text], len(text)
    while state == "open" and len(parts) < MOST_LINES and size <= longest and (found := next_line()) is not None:
        taken.append(found)
        if isinstance(found[1], Refused):
            return "open", text
        parts.append(found[1])
        size += len(found[1])
        state = followed(found[1], delimiter, True)
    return state, "\n".join(parts)


def followed(line: str, delimiter: str, inside: bool) -> State:
    """Where the quotes stand at the end of a line that begins inside of a quoted cell or not."""
    position, end = 0, len(line)
    quoted = _REST.match(line) if inside else None
    if inside and quoted is None:
        return "open"
    while True:
        if quoted is None and _OPEN.match(line, position):
            quoted = _QUOTED.match(line, position)
            if quoted is None:
                return "open"
        if quoted is not None:
            position = quoted.end()
            if position < end and line[position] != delimiter:
                return "malformed"
        else:
            position = line.find(delimiter, position)
        if position < 0 or position >= end:
            return "whole"
        position, quoted = position + 1, None


def _cells(text: str, delimiter: str) -> list[str]:
    """The cells of a whole record."""
    cells, position = [], 0
    while True:
        if quoted := _QUOTED.match(text, position):
            cells.append(quoted[1].replace('""', '"'))
            position = quoted.end()
        else:
            found = text.find(delimiter, position)
            end = len(text) if found < 0 else found
            cells.append(text[position:end])
            position = end
        if position >= len(text):
            return cells
        position += 1
