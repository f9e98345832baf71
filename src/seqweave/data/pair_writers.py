"""Pairs into files: TSV, CSV, JSON lines or two parallel files, UTF-8, as the readers read them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO

from seqweave.config import DataConfig
from seqweave.data.readers import Pair, PairReader

_PACKED = (".gz", ".bz2", ".xz", ".zst")
_WORDS = {
    "tsv": "TSV",
    "quoted_tsv": "TSV with cells in quotes",
    "csv": "CSV",
    "jsonl": "JSON lines",
    "lines": "parallel files",
}


@dataclass(frozen=True)
class Written:
    """What is written.

    Attributes:
        source, target: of JSON, the fields, dots leading into objects.
        features: of JSON, the fields of source tags; of tables there are as many columns.
        suffixes: of parallel files, how the names of the two end.
    """

    format: Literal["tsv", "quoted_tsv", "csv", "jsonl", "lines"]
    source: str = "source"
    target: str = "target"
    features: tuple[str, ...] = ()
    suffixes: tuple[str, str] = (".source", ".target")

    @property
    def words(self) -> str:
        """What it is called."""
        return f"{_WORDS[self.format]} in UTF-8"

    def names(self, part: str) -> tuple[str, ...]:
        """The names of the files of a part."""
        if self.format == "lines":
            return f"{part}{self.suffixes[0]}", f"{part}{self.suffixes[1]}"
        return (f"{part}.{self.format.removeprefix('quoted_')}",)

    def config(self, base: DataConfig) -> DataConfig:
        """The settings that read the files, where `base` read those they come from."""
        settings: dict[str, Any] = {
            "max_line_bytes": base.max_line_bytes,
            "feature_separator": base.feature_separator if self.features else DataConfig().feature_separator,
            "feature_columns": self.features,
        }
        if self.format == "jsonl":
            usual = (self.source, self.target) == ("source", "target")
            settings |= {} if usual else {"source_column": self.source, "target_column": self.target}
        elif self.features:
            settings["feature_columns"] = tuple(str(3 + place) for place in range(len(self.features)))
        return DataConfig(**settings)


def written_as(reader: PairReader) -> Written:
    """In which format the pairs of a reader are written: its own, as far as it can be written."""
    features = reader.config.feature_columns
    dialect = reader.dialect
    if reader.target_path is not None:
        return Written("lines", suffixes=_suffixes(reader.path, reader.target_path))
    if dialect.format in ("jsonl", "json"):
        return Written("jsonl", dialect.source, dialect.target, features)
    if dialect.format == "csv" and dialect.quoting:
        return Written("csv", features=features)
    return Written("quoted_tsv" if dialect.quoting else "tsv", features=features)


def _suffixes(source: Path, target: Path) -> tuple[str, str]:
    """How the names of two parallel files differ at the end: `.de` and `.en`, or `.source` and `.target`."""
    found = [[part for part in path.suffixes if part not in _PACKED] for path in (source, target)]
    if found[0] and found[1] and found[0][-1] != found[1][-1]:
        return found[0][-1], found[1][-1]
    return ".source", ".target"


class PairWriter:
    """Writes the pairs of one part; flushed to the disk when it is left."""

    def __init__(self, written: Written, folder: Path, part: str):
        self._written = written
        self._paths = [folder / name for name in written.names(part)]
        self._files: list[TextIO] = []

    def __enter__(self) -> PairWriter:
        self._files = [path.open("w", encoding="utf-8", newline="") for path in self._paths]
        if self._written.format == "csv":
            self._row(["source", "target", *self._written.features])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in self._files:
            with file:
                if kind is None:
                    file.flush()
                    os.fsync(file.fileno())

    def write(self, pair: Pair) -> None:
        """Write a pair."""
        cells = [pair.source, pair.target, *pair.features]
        if self._written.format == "lines":
            for file, text in zip(self._files, cells, strict=True):
                file.write(f"{text}\n")
        elif self._written.format == "jsonl":
            self._files[0].write(json.dumps(self._record(pair), ensure_ascii=False) + "\n")
        elif self._written.format == "tsv":
            self._files[0].write("\t".join(cells) + "\n")
        else:
            self._row(cells)

    def _row(self, cells: list[str]) -> None:
        """All cells in quotes (RFC 4180), so that nobody must guess whether they are."""
        delimiter = "," if self._written.format == "csv" else "\t"
        self._files[0].write(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\n")

    def _record(self, pair: Pair) -> dict[str, Any]:
        record: dict[str, Any] = {}
        names = self._written.source, self._written.target, *self._written.features
        for name, text in zip(names, (pair.source, pair.target, *pair.features), strict=True):
            *above, last = name.split(".")
            inside = record
            for part in above:
                inside = inside.setdefault(part, {})
            inside[last] = text
        return record
