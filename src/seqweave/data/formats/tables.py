"""TSV and CSV: cells between separators, with quotes or without, and a header row or none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from seqweave.config import DataConfig
from seqweave.data.dialect import BLANKS, Dialect
from seqweave.data.formats.quoted import Line, quoted_records
from seqweave.data.formats.records import Found, Refused, Texts, checked, decoded
from seqweave.data.formats.report import ReadReport
from seqweave.data.lines import read_lines

_BLANKS = re.compile(r"(?<=\S)[ \u3000]{2,}(?=\S)")


def table_records(path: Path, dialect: Dialect, config: DataConfig, report: ReadReport) -> Iterator[tuple[int, Found]]:
    """The records of TSV or CSV.

    Raises:
        DataError: when the file cannot be read.
    """
    parse = _parser(dialect, trim=config.trim_ends)
    header = bool(dialect.header)
    rows = table_rows(_numbered(path, dialect, config, report), dialect, config.max_line_bytes)
    for number, text, cells in rows:
        if header:
            header = False
        elif isinstance(cells, Refused):
            yield number, cells
        elif not dialect.former and (not text or text.isspace()):
            yield number, Refused("empty_line")
        else:
            found = parse(cells)
            yield number, Refused(found.reason, text) if isinstance(found, Refused) else found


def table_rows(lines: Iterator[Line], dialect: Dialect, longest: int) -> Iterator[tuple[int, str, list[str] | Refused]]:
    """Each row's number, its text and its cells, or why it has none."""
    if dialect.quoting:
        yield from quoted_records(lines, dialect.delimiter, longest)
        return
    split = splitter(dialect.delimiter)
    for number, line in lines:
        if isinstance(line, Refused):
            yield number, line.text, line
        else:
            yield number, line, split(line)


def splitter(delimiter: str) -> Callable[[str], list[str]]:
    """What takes a line without quotes apart."""
    if delimiter == BLANKS:
        return lambda text: _BLANKS.split(text.strip())
    return lambda text: text.split(delimiter)


def _numbered(path: Path, dialect: Dialect, config: DataConfig, report: ReadReport) -> Iterator[Line]:
    for line in read_lines(path, config.max_line_bytes, dialect):
        report.lines += 1
        yield report.lines, decoded(line, dialect.former)


def _parser(dialect: Dialect, *, trim: bool) -> Callable[[list[str]], Found]:
    source, target = int(dialect.source), int(dialect.target)
    features = tuple(map(int, dialect.features))
    fewest, most = 1 + max(source, target, *features), dialect.columns

    def parse(cells: list[str]) -> Found:
        if len(cells) < fewest:
            return Refused("missing_column")
        if most is not None and len(cells) > most:
            return Refused("too_many_columns")
        found = checked(cells[source], cells[target], tuple(cells[index] for index in features), trim=trim)
        if features and isinstance(found, Texts) and "\t" in found.source + "".join(found.features):
            return Refused("tab_in_field")  # it would look like one more column of tags
        return found

    return parse
