"""What one pass over a file found: how many records were kept, and for each reason how many were dropped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

DropReason = Literal[
    "line_too_long",
    "nul_character",
    "invalid_encoding",
    "empty_line",
    "missing_column",
    "too_many_columns",
    "unclosed_quote",
    "malformed_quotes",
    "invalid_json",
    "repeated_field",
    "missing_field",
    "tab_in_field",
    "empty_source",
    "empty_target",
]
DROP_REASONS: tuple[str, ...] = get_args(DropReason)
EXAMPLE_LINES = 10
EXAMPLE_CHARACTERS = 120


@dataclass
class Dropped:
    """The records dropped for one reason, in memory that does not grow with their number.

    Attributes:
        count: how many there are.
        lines: the numbers of the first few (`Dialect.counts` says of what).
        text: how the first one begins, as it is in the file; make it visible before it is shown.
    """

    count: int = 0
    lines: list[int] = field(default_factory=list)
    text: str = ""

    def add(self, line: int, text: str) -> None:
        """Count one more."""
        if not self.count:
            self.text = text[:EXAMPLE_CHARACTERS]
        self.count += 1
        if len(self.lines) < EXAMPLE_LINES:
            self.lines.append(line)


@dataclass
class ReadReport:
    """What one pass over a file found: kept + dropped = records, always.

    Attributes:
        lines: the number of the last line of the file, its header and the lines inside of cells counted; of one JSON
            document, the number of records.
        records: records read.
        dropped: in the order in which the reasons occurred first.
    """

    lines: int = 0
    records: int = 0
    kept: int = 0
    dropped: dict[DropReason, Dropped] = field(default_factory=dict)

    def drop(self, reason: DropReason, line: int, text: str) -> None:
        """Count a record that cannot be used."""
        self.dropped.setdefault(reason, Dropped()).add(line, text)

    @property
    def dropped_records(self) -> int:
        """How many records were dropped, for any reason."""
        return sum(found.count for found in self.dropped.values())

    @property
    def counts(self) -> dict[str, int]:
        """Records dropped for each reason."""
        return {reason: found.count for reason, found in self.dropped.items()}

    @property
    def reasons(self) -> str:
        """Why records were dropped, with counts: `missing_column (3), empty_source (1)`."""
        return ", ".join(f"{reason} ({number:,})" for reason, number in self.counts.items())
