"""What separates the columns of a table, and whether its cells stand in double quotes, by its first lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from seqweave.data.dialect import BLANKS
from seqweave.data.formats.quoted import Record, quoted_records
from seqweave.data.formats.records import Refused
from seqweave.data.formats.tables import splitter

NAMED = {"tab": "\t", "comma": ",", "semicolon": ";", "bar": "|", "blanks": BLANKS, "backslash-t": "\\t"}
"""Separators that `data.delimiter` takes by name."""
_OTHERS = ("\\t", " ||| ", "|||", BLANKS, ";", "|", " => ", " -> ", " = ", " : ", " / ", "=", ":", ",")
_MOST_LINES = 0.9
_SAME_COUNT = 0.8
_QUARTER = 0.25
_FEW = 0.1


@dataclass(frozen=True)
class Quoting:
    """How quotes are used in some lines: records that need them, that have them everywhere, and that speak against.

    `either` are records over several lines of which each would be a whole record without quotes.
    """

    records: int
    quoted: int
    needed: int
    all_quoted: int
    against: int
    either: int
    widths: Counter[int]

    @property
    def is_meant(self) -> bool:
        """Whether a reader must take the quotes away."""
        if self._against > _FEW * (self.needed + self.all_quoted):
            return False
        return self.needed > 0 or self.all_quoted > _MOST_LINES * self.records

    @property
    def is_possible(self) -> bool:
        """Whether quotes that cannot be taken away are few, or fewer than others."""
        return self._against <= max(self.quoted, _FEW * self.records)

    @property
    def _against(self) -> int:
        """Those that speak against quotes; what may be either does where no other record needs them."""
        return self.against + (0 if self.needed > self.against else self.either)


def quoting_of(lines: Sequence[str], delimiter: str) -> Quoting:
    """How quotes are used in lines."""
    found = list(quoted_records(((n, line) for n, line in enumerate(lines, 1)), delimiter, len("".join(lines))))
    widths = Counter(len(record.cells) for record in found if not isinstance(record.cells, Refused) and record.text)
    usual = widths.most_common(1)[0][0] if widths else 0
    quoted = needed = whole = against = either = 0
    for record in found:
        if isinstance(record.cells, Refused):
            against += 1
        elif '"' in record.text:
            kind = _quotes_in(record, record.cells, delimiter, usual)
            needed, against = needed + (kind == "needed"), against + (kind == "against")
            either += kind == "either"
            quoted += kind in ("needed", "possible")
        whole += not isinstance(record.cells, Refused) and _is_all_quoted(record.text, delimiter, len(record.cells))
    return Quoting(sum(bool(record.text) for record in found), quoted, needed, whole, against, either, widths)


def _quotes_in(record: Record, cells: list[str], delimiter: str, usual: int) -> str:
    """`needed`, `possible`, `against`, or `either`."""
    split = record.text.split("\n")
    if len(split) > 1 and sum(line.count(delimiter) == usual - 1 for line in split) > len(split) / 2:
        # Each line is a whole record without quotes. Texts have no tabs; but commas, and then with a blank behind.
        if delimiter == "\t":
            return "either"
        return "needed" if _are_inside_with_blanks(cells, delimiter) else "possible"
    plain = record.text.split(delimiter)
    if any('"' in cell and not cell.lstrip(" ").startswith('"') for cell in plain) and len(plain) == len(cells):
        return "against"  # a sign inside of a cell, which a writer that quotes would have put in quotes
    needs = len(split) > 1 or len(plain) != len(cells) or any('"' in cell for cell in cells)
    return "needed" if needs and len(cells) == usual and usual > 1 else "possible"


def _are_inside_with_blanks(cells: list[str], delimiter: str) -> bool:
    """Whether each delimiter inside of cells has a blank behind it, as in a sentence."""
    inside = "\n".join(cells)
    return inside.count(delimiter) == inside.count(f"{delimiter} ") + inside.count(f"{delimiter}\n") > 0


def _is_all_quoted(text: str, delimiter: str, columns: int) -> bool:
    return text.startswith('"') and text.count(f'{delimiter}"') >= columns - 1 and text.rstrip().endswith('"')


def usual_columns(widths: Sequence[int]) -> int:
    """The most columns that at least a quarter of the rows have; of none, 2."""
    counts = Counter(width for width in widths if width > 1)
    return max((width for width, count in counts.items() if count >= _QUARTER * counts.total()), default=2)


def has_tabs(lines: Sequence[str]) -> bool:
    """Whether tabs separate columns: half of the lines have one."""
    return sum("\t" in line for line in lines) * 2 >= len(lines)


def csv_delimiter(lines: Sequence[str], named_csv: bool, header: Callable[[list[list[str]], bool], bool]) -> str | None:
    """The separator of CSV, where it is beyond doubt; None: these lines are no CSV.

    Args:
        lines: the first lines of the file, blank ones left out.
        named_csv: whether the file's name says CSV.
        header: tells whether the first of some rows is a header.
    """
    for delimiter in (",", ";", "|"):
        quoting = quoting_of(lines, delimiter)
        total = sum(quoting.widths.values())
        if not total:
            continue
        width, count = quoting.widths.most_common(1)[0]
        if width < 2 or count < _SAME_COUNT * total or not quoting.is_possible:
            continue
        rows = [cells for cells in quoted_rows(lines, delimiter) if len(cells) > 1]
        if named_csv or quoting.is_meant or (count >= _MOST_LINES * total and header(rows, True)):
            return delimiter
    return None


def likely_delimiter(lines: Sequence[str]) -> tuple[str, int] | None:
    """What may separate the columns of lines without tabs, and how many lines have it; None: nothing does."""
    for delimiter in _OTHERS:
        counts = Counter(len(splitter(delimiter)(line)) for line in lines)
        with_it = counts.total() - counts[1]
        same = max((count for width, count in counts.items() if width > 1), default=0)
        if with_it and with_it >= _MOST_LINES * len(lines) and same >= _SAME_COUNT * len(lines):
            return delimiter, with_it
    return None


def quoted_rows(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    """The cells of each record of some lines, read with quotes; what cannot be read is left out."""
    for record in quoted_records(((n, line) for n, line in enumerate(lines, 1)), delimiter, len("".join(lines))):
        if not isinstance(record.cells, Refused):
            yield record.cells
