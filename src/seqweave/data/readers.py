"""Pairs from files: TSV, JSON lines, or two parallel text files; each plain or gzip (`.gz`).

The file name says the format: `.jsonl` and `.json` are JSON lines, everything else is TSV, and a
second file makes both parallel text. There is no quoting and no header. A line is used or it is
dropped with one of `DROP_REASONS`; kept + dropped = lines, always. Nothing is held but the line
at hand and the numbers of dropped lines.
"""

from __future__ import annotations

import json
import logging
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from seqweave.config import DataConfig
from seqweave.data.lines import check_file, count_lines, read_lines, split_lines
from seqweave.errors import DataError
from seqweave.wording import count

DropReason = Literal[
    "line_too_long",
    "nul_character",
    "invalid_utf8",
    "missing_tab",
    "too_many_columns",
    "invalid_json",
    "missing_field",
    "tab_in_field",
    "empty_source",
    "empty_target",
]
DROP_REASONS: tuple[str, ...] = get_args(DropReason)
MAX_PREDICT_LINE_BYTES = 10_000_000
COLUMN_SETTINGS = ("source_column", "target_column", "column_names", "feature_columns", "feature_separator")

DEFAULT_CONFIG = DataConfig()

logger = logging.getLogger("seqweave")


@dataclass(frozen=True, slots=True)
class Pair:
    """A source text and its target text, the 1-based line they come from, and the source's cells of tags."""

    source: str
    target: str
    line: int
    features: tuple[str, ...] = ()

    @property
    def whole(self) -> str:
        """The source with its tags, separated by tabs: what a model reads (`seqweave.text.features`)."""
        return "\t".join((self.source, *self.features))


@dataclass
class ReadReport:
    """What one pass over a file found: kept + all dropped lines = lines."""

    lines: int = 0
    kept: int = 0
    dropped: dict[str, list[int]] = field(default_factory=dict)  # reason -> 1-based line numbers

    @property
    def dropped_lines(self) -> int:
        """How many lines were dropped, for any reason."""
        return sum(map(len, self.dropped.values()))

    @property
    def reasons(self) -> str:
        """Why lines were dropped, with counts: `missing_tab (3), empty_source (1)`."""
        return ", ".join(f"{reason} ({len(lines):,})" for reason, lines in self.dropped.items())


class _Texts(NamedTuple):
    source: str
    target: str
    features: tuple[str, ...] = ()


class PairReader:
    """Streams `Pair` objects; iterate it as often as needed.

    `report` is the `ReadReport` of the pass begun last, and grows while that pass runs.

    Args:
        path: a TSV or JSON lines file, or the source side when `target_path` is given.
        target_path: the target side of two parallel text files.
        config: columns and the longest line.

    Raises:
        DataError: when a file is missing, unreadable or damaged, when parallel files have
            different line counts (before anything is used), or when a column is unknown.
    """

    def __init__(self, path: Path | str, target_path: Path | str | None = None, config: DataConfig = DEFAULT_CONFIG):
        self.path = Path(path)
        self.target_path = None if target_path is None else Path(target_path)
        self.config = config
        self.report = ReadReport()
        check_file(self.path)
        if self.target_path is not None:
            if config.feature_columns:
                raise DataError(
                    "data.feature_columns need one file with a column for each, but two parallel files were given; "
                    "put source, target and tags into one TSV or JSONL file",
                    self.path,
                )
            check_file(self.target_path)
            _check_aligned(self.path, self.target_path)
            self._parse = None
        else:
            self._parse = _parser(self.path, config)

    def __iter__(self) -> Iterator[Pair]:
        self.report = ReadReport()
        return self._pairs(self.report)

    def nothing_usable(self) -> DataError:
        """What to raise when a whole pass gave no pair."""
        lines = self.report.lines
        found = f"none of {count(lines, 'line')} is usable: {self.report.reasons}" if lines else "it is empty"
        if self.config.feature_columns and lines:
            found += f", with source tags from column {', '.join(self.config.feature_columns)}"
        options = "" if self.target_path else column_options(self.config)  # parallel files have no columns
        command = f"seqweave check {shlex.quote(str(self.path))}{options}" if options else "seqweave check"
        return DataError(f"there must be a usable pair, but {found}; see `{command}`", self.path)

    def _pairs(self, report: ReadReport) -> Iterator[Pair]:
        for found in self._parsed_lines():
            report.lines += 1
            if isinstance(found, _Texts):
                report.kept += 1
                yield Pair(found.source, found.target, report.lines, found.features)
            else:
                report.dropped.setdefault(found, []).append(report.lines)

    def _parsed_lines(self) -> Iterator[_Texts | DropReason]:
        limit = self.config.max_line_bytes
        if self._parse is None:
            assert self.target_path is not None
            sources, targets = read_lines(self.path, limit), read_lines(self.target_path, limit)
            try:
                for source, target in zip(sources, targets, strict=True):
                    yield _parallel(source, target)
            except ValueError:  # by zip: a file has changed since its lines were counted
                _check_aligned(self.path, self.target_path)
                raise DataError("has changed while it was read; start again", self.path) from None
        else:
            for line in read_lines(self.path, limit):
                text = _text(line)
                yield self._parse(text[0]) if isinstance(text, tuple) else text


def column_options(config: DataConfig) -> str:
    """The options with which another command reads the same columns, each after a blank; "" for the usual ones."""
    chosen = {name: getattr(config, name) for name in COLUMN_SETTINGS}
    return "".join(
        " --set " + shlex.quote(f"data.{name}={json.dumps(value, ensure_ascii=False)}")
        for name, value in chosen.items()
        if value != getattr(DEFAULT_CONFIG, name)
    )


def is_json_lines(path: Path) -> bool:
    """Whether the file name says JSON lines; anything else is TSV."""
    return path.name.lower().removesuffix(".gz").endswith((".jsonl", ".json"))


def read_sources(path: Path | None) -> Iterator[str]:
    """Stream prediction input, one item for every line, empty ones too; `None` reads stdin.

    A byte that is not UTF-8 becomes U+FFFD, with a warning at the first such line, so that
    output lines stay aligned with input lines.

    Raises:
        DataError: when the file cannot be read, or a line has more than `MAX_PREDICT_LINE_BYTES` bytes.
    """
    if path is None:
        if sys.stdin is None:  # closed by whoever started this process
            raise DataError("there must be text on stdin, but it is closed: name a file, or pipe text in")
        place, lines = Path("<stdin>"), split_lines(sys.stdin.buffer, MAX_PREDICT_LINE_BYTES)
    else:
        check_file(path)
        place, lines = path, read_lines(path, MAX_PREDICT_LINE_BYTES)
    return _decoded(lines, place)


def _decoded(lines: Iterator[bytes | None], place: Path) -> Iterator[str]:
    warned = False
    for number, line in enumerate(lines, start=1):
        if line is None:
            limit = MAX_PREDICT_LINE_BYTES
            raise DataError(f"a line must have at most {limit} bytes, but this one has more; cut it", place, number)
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            if not warned:
                logger.warning("%s:%d: not valid UTF-8; such bytes are read as U+FFFD, here and below", place, number)
            warned = True
            yield line.decode("utf-8", errors="replace")


def _check_aligned(source_path: Path, target_path: Path) -> None:
    source_lines, target_lines = count_lines(source_path), count_lines(target_path)
    if source_lines != target_lines:
        raise DataError(
            f"parallel files must have the same number of lines, but it has {source_lines} and {target_path} has "
            f"{target_lines}; align them first",
            source_path,
        )


def _text(line: bytes | None) -> tuple[str] | DropReason:
    """The decoded line (in a tuple, to tell it from a reason), or why it cannot be used."""
    if line is None:
        return "line_too_long"
    if 0 in line:
        return "nul_character"
    try:
        return (line.decode("utf-8"),)
    except UnicodeDecodeError:
        return "invalid_utf8"


def _checked(source: str, target: str, features: tuple[str, ...] = ()) -> _Texts | DropReason:
    if not source or source.isspace():
        return "empty_source"
    if not target or target.isspace():
        return "empty_target"
    return _Texts(source, target, features)


def _parallel(source_line: bytes | None, target_line: bytes | None) -> _Texts | DropReason:
    source, target = _text(source_line), _text(target_line)
    if not isinstance(source, tuple):
        return source
    if not isinstance(target, tuple):
        return target
    return _checked(source[0], target[0])


def _parser(path: Path, config: DataConfig) -> Callable[[str], _Texts | DropReason]:
    if is_json_lines(path):
        source = "source" if config.source_column == "1" else config.source_column
        target = "target" if config.target_column == "2" else config.target_column
        return _json_parser(source, target, config.feature_columns, config.feature_separator)
    source_index = _column_index("source_column", config.source_column, config.column_names, path)
    target_index = _column_index("target_column", config.target_column, config.column_names, path)
    features = tuple(
        _column_index("feature_columns", name, config.column_names, path) for name in config.feature_columns
    )
    if config.column_names:
        most: int | None = len(config.column_names)
    else:
        # Columns named by number are a choice; only with the defaults may an extra tab be an accident.
        most = 2 if (source_index, target_index) == (0, 1) and not features else None
    return _tsv_parser((source_index, target_index), features, most)


def _column_index(key: str, column: str, names: tuple[str, ...], path: Path) -> int:
    """The 0-based index of a column given by name (when there are names) or 1-based number."""
    if column in names:
        return names.index(column)
    number = int(column) if column.isascii() and column.isdecimal() and len(column) < 10 else 0
    if number >= 1 and (not names or number <= len(names)):
        return number - 1
    if names:
        choices = f"one of {', '.join(names)} or a number from 1 to {len(names)}"
        raise DataError(f"data.{key} must be {choices}, but it is {column!r}; change data.{key}", path)
    raise DataError(
        f"data.{key} must be a column number from 1, but it is {column!r}; give a number, or name all columns in "
        "data.column_names",
        path,
    )


def _tsv_parser(
    indices: tuple[int, int], features: tuple[int, ...], most: int | None
) -> Callable[[str], _Texts | DropReason]:
    source_index, target_index = indices
    fewest = 1 + max(*indices, *features)

    def parse(text: str) -> _Texts | DropReason:
        columns = text.split("\t")
        if len(columns) < fewest:
            return "missing_tab"
        if most is not None and len(columns) > most:
            return "too_many_columns"
        return _checked(columns[source_index], columns[target_index], tuple(columns[index] for index in features))

    return parse


def _json_parser(
    source_field: str, target_field: str, feature_fields: tuple[str, ...], separator: str
) -> Callable[[str], _Texts | DropReason]:
    def parse(text: str) -> _Texts | DropReason:
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):  # ValueError also for a number of too many digits
            return "invalid_json"
        if not isinstance(record, dict):
            return "invalid_json"
        source, target = record.get(source_field), record.get(target_field)
        if not isinstance(source, str) or not isinstance(target, str):
            return "missing_field"
        cells = [_json_cell(record.get(name), separator) for name in feature_fields]
        features = tuple(cell for cell in cells if cell is not None)
        if len(features) < len(cells):
            return "missing_field"
        if features and "\t" in "".join((source, *features)):  # it would look like one more column
            return "tab_in_field"
        return _escaped_problem("".join((source, target, *features))) or _checked(source, target, features)

    return parse


def _json_cell(value: object, separator: str) -> str | None:
    """Features in JSON: one text, as in a TSV column, or a list of texts; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(tag, str) for tag in value):
        return separator.join(value)
    return None


def _escaped_problem(text: str) -> DropReason | None:
    """What JSON escapes can bring in and a plain line cannot: NUL, and half a surrogate pair."""
    if "\0" in text:
        return "nul_character"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "invalid_utf8"
    return None
