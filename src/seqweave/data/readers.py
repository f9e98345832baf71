"""Pairs from files of any dialect (`seqweave.data.dialect`), as a stream that can be read again.

A record is used, or it is dropped with one of `DROP_REASONS`; kept + dropped = records, always. Nothing is held but
the record at hand, and a few examples of each reason. `seqweave.data.formats` has a file for each format.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seqweave.config import DataConfig
from seqweave.data.columns import column_options
from seqweave.data.dialect import Dialect
from seqweave.data.formats.json_documents import json_document_records
from seqweave.data.formats.json_lines import json_line_records
from seqweave.data.formats.parallel import check_aligned, parallel_records
from seqweave.data.formats.records import Found, Reader, Texts
from seqweave.data.formats.report import DROP_REASONS, Dropped, DropReason, ReadReport
from seqweave.data.formats.tables import table_records
from seqweave.data.recognition import recognize, recognize_lines
from seqweave.data.sources import read_sources
from seqweave.errors import DataError
from seqweave.wording import count

__all__ = [
    "DEFAULT_CONFIG",
    "DROP_REASONS",
    "DropReason",
    "Dropped",
    "Pair",
    "PairReader",
    "ReadReport",
    "read_sources",
]

DEFAULT_CONFIG = DataConfig()
_READERS: dict[str, Reader] = {
    "tsv": table_records,
    "csv": table_records,
    "jsonl": json_line_records,
    "json": json_document_records,
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A source text and its target text, the 1-based line they come from, and the source's cells of tags.

    A record of several lines has the number of its first; of one JSON document, records are numbered.
    """

    source: str
    target: str
    line: int
    features: tuple[str, ...] = ()

    @property
    def whole(self) -> str:
        """The source with its tags, separated by tabs: what a model reads (`seqweave.text.features`)."""
        return "\t".join((self.source, *self.features))


class PairReader:
    """Streams `Pair` objects; iterate it as often as needed.

    `report` is the `ReadReport` of the pass begun last, and grows while that pass runs.

    Args:
        path: a file of pairs, or the source side when `target_path` is given.
        target_path: the target side of two parallel text files.
        config: columns, the longest line, and what of the dialect is not to be recognised.

    Attributes:
        dialect: how `path` is read.
        target_dialect: how `target_path` is read.

    Raises:
        DataError: when a file is missing, unreadable, damaged or of a kind that is not read, when parallel files have
            different line counts (before anything is used), or when a column is unknown.
    """

    def __init__(self, path: Path | str, target_path: Path | str | None = None, config: DataConfig = DEFAULT_CONFIG):
        self.path = Path(path)
        self.target_path = None if target_path is None else Path(target_path)
        self.config = config
        self.report = ReadReport()
        self.target_dialect: Dialect | None = None
        if self.target_path is None:
            self.dialect = recognize(self.path, config)
            return
        if config.feature_columns:
            raise DataError(
                "data.feature_columns need one file with a column for each, but two parallel files were given; "
                "put source, target and tags into one TSV or JSONL file",
                self.path,
            )
        self.dialect = recognize_lines(self.path, config)
        self.target_dialect = recognize_lines(self.target_path, config)
        check_aligned((self.path, self.dialect), (self.target_path, self.target_dialect))

    def __iter__(self) -> Iterator[Pair]:
        return (pair for _, pair in self.all_records() if pair is not None)

    def all_records(self) -> Iterator[tuple[int, Pair | None]]:
        """The line of each record, as in `Pair`, with its pair; None where it is dropped. A pass like any other."""
        self.report = ReadReport()
        return self._pairs(self.report)

    @property
    def dialects(self) -> str:
        """How the files are read, in words: `a.csv: CSV, header Q, A; source from Q, target from A`."""
        said = [f"{self.path}: {self.dialect.words}"]
        if self.target_dialect is not None:
            said.append(f"{self.target_path}: {self.target_dialect.words}")
        return "; ".join(said)

    def nothing_usable(self) -> DataError:
        """What to raise when a whole pass gave no pair."""
        report, noun = self.report, self.dialect.counts
        found = (
            f"none of {count(report.records, noun)} is usable: {report.reasons}" if report.records else "it is empty"
        )
        if self.config.feature_columns and report.records:
            found += f", with source tags from column {', '.join(self.config.feature_columns)}"
        options = "" if self.target_path else column_options(self.config)  # parallel files have no columns
        command = f"seqweave check {shlex.quote(str(self.path))}{options}" if options else "seqweave check"
        return DataError(f"there must be a usable pair, but {found}; see `{command}`", self.path)

    def _pairs(self, report: ReadReport) -> Iterator[tuple[int, Pair | None]]:
        for line, found in self._records(report):
            report.records += 1
            if isinstance(found, Texts):
                report.kept += 1
                yield line, Pair(found.source, found.target, line, found.features)
            else:
                report.drop(found.reason, line, found.text)
                yield line, None

    def _records(self, report: ReadReport) -> Iterator[tuple[int, Found]]:
        if self.target_path is None:
            return _READERS[self.dialect.format](self.path, self.dialect, self.config, report)
        assert self.target_dialect is not None
        sides = (self.path, self.dialect), (self.target_path, self.target_dialect)
        return parallel_records(*sides, self.config, report)
