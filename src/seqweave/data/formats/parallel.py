"""Two files of which line n of one belongs to line n of the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seqweave.config import DataConfig
from seqweave.data.dialect import Dialect
from seqweave.data.formats.records import Found, Refused, checked, decoded
from seqweave.data.formats.report import ReadReport
from seqweave.data.lines import count_lines, read_lines
from seqweave.errors import DataError

Side = tuple[Path, Dialect]


def parallel_records(source: Side, target: Side, config: DataConfig, report: ReadReport) -> Iterator[tuple[int, Found]]:
    """The records of two files.

    Raises:
        DataError: when one cannot be read, or they have not as many lines any more.
    """
    sources = read_lines(source[0], config.max_line_bytes, source[1])
    targets = read_lines(target[0], config.max_line_bytes, target[1])
    former = source[1].former
    try:
        for source_line, target_line in zip(sources, targets, strict=True):
            report.lines += 1
            source_text, target_text = decoded(source_line, former), decoded(target_line, former)
            if isinstance(source_text, Refused):
                yield report.lines, source_text
            elif isinstance(target_text, Refused):
                yield report.lines, target_text
            else:
                yield report.lines, checked(source_text, target_text, trim=config.trim_ends)
    except ValueError:  # by zip: a file has changed since its lines were counted
        check_aligned(source, target)
        raise DataError("has changed while it was read; start again", source[0]) from None


def check_aligned(source: Side, target: Side) -> None:
    """Raise a `DataError` with both counts unless two files have as many lines."""
    source_lines, target_lines = count_lines(*source), count_lines(*target)
    if source_lines != target_lines:
        raise DataError(
            f"parallel files must have the same number of lines, but it has {source_lines} and {target[0]} has "
            f"{target_lines}; align them first",
            source[0],
        )
