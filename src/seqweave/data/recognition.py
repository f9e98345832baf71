"""What a file of pairs is, from its first lines: how `Dialect` is found.

`data.format`, `data.delimiter`, `data.quoting`, `data.header`, `data.encoding` and the columns say what is not to be
recognised. What cannot be read, or only by a guess that may be wrong, is refused with the option that reads it.
"""

from __future__ import annotations

import codecs
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqweave.config import DataConfig
from seqweave.data.columns import column_place, json_columns, table_columns
from seqweave.data.containers import check_file, container_of, opened
from seqweave.data.delimiters import (
    NAMED,
    csv_delimiter,
    has_tabs,
    likely_delimiter,
    quoted_rows,
    quoting_of,
)
from seqweave.data.dialect import BLANKS, Container, Dialect, Format, delimiter_in_words
from seqweave.data.encodings import recognized_encoding, recognized_line_ends
from seqweave.data.formats.json_documents import first_records
from seqweave.data.formats.json_fields import STRICT
from seqweave.data.formats.quoted import Line
from seqweave.data.formats.records import Refused
from seqweave.data.formats.tables import table_rows
from seqweave.data.headers import is_header
from seqweave.errors import DataError
from seqweave.wording import count

SAMPLE_BYTES = 1 << 18
_SAMPLE_RECORDS = 1000
_PACKED_NAME = re.compile(r"\.(gz|bz2|xz|zst)$")
_DOCUMENT = re.compile(r"\s*(\[\s*(\{|$)|\{\s*($|\"))")


@dataclass(frozen=True)
class _Sample:
    """The beginning of a file: its lines that are not blank, and how the file is packed and written."""

    path: Path
    lines: list[str]
    whole: bool
    container: Container
    encoding: str
    base: Dialect

    @property
    def name(self) -> str:
        """The file's name, in lower case, without what says how it is packed."""
        return _PACKED_NAME.sub("", self.path.name.lower())


def recognize(path: Path, config: DataConfig) -> Dialect:
    """How to read a file of pairs.

    Raises:
        DataError: when it is missing or unreadable, no text, in another encoding, or a table whose separator or a
            JSON file whose fields only a person can tell; says the option that reads it.
    """
    check_file(path)
    if not config.recognize:
        return _former(path, config)
    sample = _sample(path, config)
    found = _format(sample, config)
    if found in ("jsonl", "json"):
        return _json(sample, found, config)
    return _table(sample, found, config)


def recognize_lines(path: Path, config: DataConfig) -> Dialect:
    """How to read one side of two parallel files.

    Raises:
        DataError: when it is missing or unreadable, no text, or in another encoding.
    """
    check_file(path)
    if not config.recognize:
        return Dialect("lines", container=_container(path), former=True)
    return _sample(path, config).base


def is_json_name(path: Path) -> bool:
    """Whether the file name says JSON."""
    return _PACKED_NAME.sub("", path.name.lower()).endswith((".jsonl", ".json", ".ndjson"))


def _container(path: Path) -> Container:
    with opened(path, "plain") as file:
        return container_of(file.read(8))


def _former(path: Path, config: DataConfig) -> Dialect:
    """As folders of format 0 read: TSV or JSON lines by the name, no quotes, no header, two columns unless chosen."""
    container = _container(path)
    if is_json_name(path):
        source, target = (
            _json_default(config.source_column, "1", "source"),
            _json_default(config.target_column, "2", "target"),
        )
        return Dialect("jsonl", container, source=source, target=target, features=config.feature_columns, former=True)
    source_place = column_place("source_column", config.source_column or "1", config.column_names, path)
    target_place = column_place("target_column", config.target_column or "2", config.column_names, path)
    features = tuple(
        column_place("feature_columns", name, config.column_names, path) for name in config.feature_columns
    )
    most: int | None = len(config.column_names) or None
    if most is None and (source_place, target_place) == (0, 1) and not features:
        most = 2  # columns named by number are a choice; only with the defaults may an extra tab be an accident
    return Dialect(
        "tsv",
        container,
        columns=most,
        source=str(source_place),
        target=str(target_place),
        features=tuple(map(str, features)),
        former=True,
    )


def _json_default(column: str | None, number: str, name: str) -> str:
    return name if column in (None, number) else str(column)


def _sample(path: Path, config: DataConfig) -> _Sample:
    container = _container(path)
    with opened(path, container) as file:
        head = file.read(SAMPLE_BYTES)
        whole = not file.read(1)
    encoding = recognized_encoding(head, whole, config.encoding, path)
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(head, whole).removeprefix("\ufeff")
    ends = recognized_line_ends(text.encode("utf-8", errors="replace"))
    lines = [line.rstrip("\r").removeprefix("\ufeff") for line in re.split("\r" if ends == "cr" else "\n", text)]
    if not whole and len(lines) > 1:
        lines.pop()  # cut
    lines = [line for line in lines if line.strip()]
    base = Dialect("lines", container, encoding, ends)
    return _Sample(path, lines, whole, container, encoding, base)


def _format(sample: _Sample, config: DataConfig) -> Format:
    """What the file is, as it says or as it looks."""
    if config.format != "auto":
        return config.format
    if config.delimiter is None and (found := _json_format(sample)):
        return found
    if config.delimiter is not None:
        return "tsv" if NAMED.get(config.delimiter, config.delimiter) == "\t" else "csv"
    if is_json_name(sample.path):
        return "jsonl"
    if not sample.lines or has_tabs(sample.lines):
        return "tsv"
    if _csv_delimiter(sample, config) is not None:
        return "csv"
    return "tsv"


def _json_format(sample: _Sample) -> Format | None:
    lines = sample.lines[:50]
    if not lines or lines[0].lstrip()[:1] not in ("{", "["):
        return None
    values = [_parsed(line) for line in lines]
    objects = sum(isinstance(value, dict) for value in values)
    if objects * 2 >= len(lines) and not (len(lines) == 1 and _holds_records(values[0])):
        return "jsonl"
    if _DOCUMENT.match("\n".join(lines)):
        name, records = first_records(sample.path, sample.base, SAMPLE_BYTES, 3)
        if name is not None and (records or name):
            return "json"
    return None


def _parsed(line: str) -> Any:
    """The value in a line; an object also where it could not be used as a record."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _holds_records(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict)
    return isinstance(value, dict) and any(map(_holds_records, value.values()))


def _json(sample: _Sample, found: Format, config: DataConfig) -> Dialect:
    dialect = replace(sample.base, format=found)
    if found == "json":
        name, records = first_records(sample.path, dialect, config.max_line_bytes, _SAMPLE_RECORDS)
        if name is None:
            raise DataError(
                "must hold an array of objects, one for each pair, but it has none: write one object a line, as in "
                "`jq -c '.[]' FILE > pairs.jsonl`",
                sample.path,
            )
        dialect = replace(dialect, records=name)
    else:
        records = [value for line in sample.lines[:_SAMPLE_RECORDS] if isinstance(value := _strict(line), dict)]
    source, target, left_out = json_columns(records, config, sample.path)
    return replace(dialect, source=source, target=target, features=config.feature_columns, left_out=left_out)


def _strict(line: str) -> Any:
    try:
        return STRICT.decode(line)
    except (ValueError, RecursionError):
        return None


def _table(sample: _Sample, found: Format, config: DataConfig) -> Dialect:
    delimiter = _delimiter(sample, found, config)
    quoting = _quoting(sample, found, delimiter, config)
    dialect = replace(sample.base, format=found, delimiter=delimiter, quoting=quoting)
    rows = _rows(sample, dialect)
    header = _header(rows, found, config)
    widths = [len(row) for row in rows[bool(header) :]]
    return table_columns(dialect, header, widths, config, sample.path)


def _rows(sample: _Sample, dialect: Dialect) -> list[list[str]]:
    numbered: list[Line] = list(enumerate(sample.lines, 1))
    rows = table_rows(iter(numbered), dialect, SAMPLE_BYTES)
    return [cells for _, _, cells in rows if not isinstance(cells, Refused)][:_SAMPLE_RECORDS]


def _header(rows: Sequence[Sequence[str]], found: Format, config: DataConfig) -> tuple[str, ...]:
    if not rows or config.header == "no" or (config.header == "auto" and config.column_names):
        return ()
    names = tuple(cell.strip(" \t\ufeff\u00a0") for cell in rows[0])
    asked = {config.source_column, config.target_column, *config.feature_columns} - {None}
    named = bool(asked) and {name for name in asked if not str(name).isdecimal()}
    if config.header == "yes" or (named and named <= set(names)):
        return names
    return names if is_header(rows[0], rows[1:200], usual=found == "csv") else ()


def _quoting(sample: _Sample, found: Format, delimiter: str, config: DataConfig) -> bool:
    single = len(delimiter) == 1 and delimiter != " "
    if config.quoting == "yes" and not single:
        raise DataError(
            f"data.quoting=yes needs a separator of one character, but it is {delimiter_in_words(delimiter)}: "
            "set data.delimiter, or data.quoting=no",
            sample.path,
        )
    if config.quoting != "auto" or not single:
        return config.quoting == "yes"
    found_quotes = quoting_of(sample.lines, delimiter)
    return found_quotes.is_meant or (found == "csv" and found_quotes.is_possible)


def _csv_delimiter(sample: _Sample, config: DataConfig) -> str | None:
    named = sample.name.endswith(".csv") or config.format == "csv"
    return csv_delimiter(sample.lines, named, lambda rows, usual: is_header(rows[0], rows[1:200], usual))


def _delimiter(sample: _Sample, found: Format, config: DataConfig) -> str:
    """What separates columns.

    Raises:
        DataError: when it is likely to be something else than a tab, with the option that reads it.
    """
    if config.delimiter is not None:
        asked = NAMED.get(config.delimiter, config.delimiter)
        _check_delimiter(sample, asked, config)
        return asked
    if found == "csv":
        return _csv_delimiter(sample, config) or ","
    if not has_tabs(sample.lines) and (likely := likely_delimiter(sample.lines)):
        raise _other_delimiter(sample, "a tab", likely)
    return "\t"


def _check_delimiter(sample: _Sample, asked: str, config: DataConfig) -> None:
    """Refuse a separator that most lines lack, when they have another one; with quotes a record may have many lines."""
    if config.quoting == "yes" and any(len(row) > 1 for row in quoted_rows(sample.lines, asked)):
        return
    if asked == BLANKS or sum(asked in line for line in sample.lines) * 2 >= len(sample.lines):
        return
    likely = (
        ("\t", sum("\t" in line for line in sample.lines)) if has_tabs(sample.lines) else likely_delimiter(sample.lines)
    )
    if likely:
        raise _other_delimiter(sample, delimiter_in_words(asked, one=True), likely)


def _other_delimiter(sample: _Sample, wanted: str, likely: tuple[str, int]) -> DataError:
    delimiter, lines = likely
    name = next((name for name, value in NAMED.items() if value == delimiter), delimiter)
    option = shlex.quote(f'data.delimiter="{name}"' if " " in name else f"data.delimiter={name}")
    of = "all" if lines == len(sample.lines) else f"{lines:,} of the first"
    return DataError(
        f"must have {wanted} between source and target, but {of} {count(len(sample.lines), 'line')} "
        f"{'has' if len(sample.lines) == 1 else 'have'} {delimiter_in_words(delimiter, one=True)}: read it with "
        f"--set {option}, or write TSV",
        sample.path,
    )
