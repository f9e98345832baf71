"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from seqweave.config import DataConfig
from seqweave.data.dialect import Dialect
from seqweave.data.formats.json_fields import STRICT, RepeatedFieldError, record_parser
from seqweave.data.formats.records import Found, Refused, decoded
from seqweave.data.formats.report import ReadReport
from seqweave.data.lines import read_lines


def json_line_records(
    path: Path, dialect: Dialect, config: DataConfig, report: ReadReport
) -> Iterator[tuple[int, Found]]:
    """The records of JSON lines.

    Raises:
        DataError: when the file cannot be read.
    """
    parse = record_parser(dialect, config)
    load = json.loads if dialect.former else STRICT.decode
    for line in read_lines(path, config.max_line_bytes, dialect):
        report.lines += 1
        text = decoded(line, dialect.former)
        if isinstance(text, Refused):
            yield report.lines, text
        elif not dialect.former and not text.strip():
            yield report.lines, Refused("empty_line")
        else:
            try:
                found = parse(load(text))
            except RepeatedFieldError:
                found = Refused("repeated_field")
            except (ValueError, RecursionError):  # ValueError also for a number of too many digits
                found = Refused("invalid_json")
            yield report.lines, Refused(found.reason, text) if isinstance(found, Refused) else found
