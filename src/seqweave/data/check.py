"""What is in a file of pairs, and what is wrong with it, before a model is trained on it.

One pass over each file. Texts are not kept: a text is its 64-bit BLAKE2b hash, so with n pairs
the chance that two different texts are taken for the same is about n^2 / 2^65 (one in a million
for 5 million pairs), and memory is about 50 bytes per pair.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqweave.config import DataConfig
from seqweave.data.lines import check_file, read_lines
from seqweave.data.readers import DEFAULT_CONFIG, Pair, PairReader
from seqweave.text.features import tags_of

EXAMPLES = 10
SAMPLES = 5
RATIO_FACTOR = 4.0
HISTOGRAM_BINS = 12
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class Lengths:
    """How long the texts of one side are, in one measure."""

    mean: float
    quantiles: dict[str, int]  # "0.5" -> length; "0" is the shortest and "1" the longest
    edges: list[int]  # bin i counts lengths from edges[i] up to, not including, edges[i + 1]
    counts: list[int]


@dataclass(frozen=True)
class Conflict:
    """One source which has several targets."""

    targets: int  # distinct
    lines: list[int]  # the first few


@dataclass(frozen=True)
class Leakage:
    """Sources which two files share; `share` is of the pairs of `second`."""

    first: str
    second: str
    pairs: int  # pairs of `second` whose source is in `first`
    share: float
    lines: list[tuple[int, int]]  # the first few: line in `first`, line in `second`


@dataclass(frozen=True)
class FeatureColumn:
    """The source tags in one column of the kept pairs."""

    name: str
    distinct: int
    mean: float  # a pair
    without: int  # pairs with none
    frequent: dict[str, int]  # the most frequent, and the pairs that have them


@dataclass(frozen=True)
class DataCheck:
    """What `check_data` found. `dropped` maps each reason to 1-based line numbers."""

    path: str
    target_path: str | None
    lines: int
    kept: int
    dropped: dict[str, list[int]]
    lengths: dict[str, dict[str, Lengths]]  # side -> "characters" and "items" (separated by blanks)
    duplicates: int  # pairs equal to an earlier pair
    duplicate_lines: list[int]  # the first few
    conflicting_sources: int  # distinct sources with several targets
    conflicts: list[Conflict]  # the first few
    leakage: list[Leakage]
    median_ratio: float  # target characters for a source character
    ratio_outliers: int  # pairs whose ratio is more than RATIO_FACTOR times above or below the median
    ratio_outlier_lines: list[int]  # the first few
    samples: list[Pair]
    features: list[FeatureColumn]  # of each of data.feature_columns

    @property
    def ok(self) -> bool:
        """Whether every line can be used."""
        return not self.dropped

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`."""
        found = {**asdict(self), "ok": self.ok}
        if not self.features:
            del found["features"]
            for sample in found["samples"]:
                del sample["features"]
        return found


class _Columns:
    """What is remembered of each kept pair."""

    def __init__(self) -> None:
        self.line = array("q")
        self.source = array("Q")
        self.target = array("Q")
        self.source_characters = array("i")
        self.source_items = array("i")
        self.target_characters = array("i")
        self.target_items = array("i")

    def add(self, pair: Pair) -> None:
        self.line.append(pair.line)
        self.source.append(_hash(pair.whole))
        self.target.append(_hash(pair.target))
        self.source_characters.append(len(pair.source))
        self.source_items.append(len(pair.source.split()))
        self.target_characters.append(len(pair.target))
        self.target_items.append(len(pair.target.split()))


class _Features:
    """How often each source tag stands in each column, and how many pairs have none there."""

    def __init__(self, config: DataConfig):
        self.names, self.separator = config.feature_columns, config.feature_separator
        self.counts = [Counter[str]() for _ in self.names]
        self.without = [0] * len(self.names)

    def add(self, pair: Pair) -> None:
        for place, cell in enumerate(pair.features):
            tags = set(tags_of(cell, self.separator))
            self.counts[place].update(tags)
            self.without[place] += not tags

    def columns(self, pairs: int) -> list[FeatureColumn]:
        """The columns of a file of so many pairs."""
        return [
            FeatureColumn(name, len(counts), counts.total() / max(1, pairs), none, _most(counts))
            for name, counts, none in zip(self.names, self.counts, self.without, strict=True)
        ]


@dataclass(frozen=True)
class _Sources:
    """The source hashes of one file and their lines, in the order of the file."""

    hashes: NDArray[np.uint64]
    lines: NDArray[np.int64]


def check_data(
    path: Path | str,
    target_path: Path | str | None = None,
    config: DataConfig = DEFAULT_CONFIG,
    splits: Mapping[str, Path] | None = None,
) -> DataCheck:
    """Look at every line of a file of pairs, and at what it shares with other splits.

    Args:
        path: the pairs, or the source side when `target_path` is given.
        target_path: the target side of two parallel files.
        config: columns and the longest line.
        splits: name -> file in the same format; with parallel files, its source side. Each is
            compared by source (with its features) with `path` (named `data`) and with the splits before it.

    Raises:
        DataError: when a file cannot be read at all.
    """
    reader = PairReader(path, target_path, config)
    columns, features = _Columns(), _Features(config)
    samples: list[Pair] = []
    for pair in reader:
        columns.add(pair)
        features.add(pair)
        if len(samples) < SAMPLES:
            samples.append(pair)
    lines, sources, targets = _numbers(columns.line), _numbers(columns.source), _numbers(columns.target)
    duplicates, conflicts = _repeats(sources, targets, lines)
    median, outliers = _ratio_outliers(_numbers(columns.source_characters), _numbers(columns.target_characters))
    shared = {"data": _Sources(sources, lines)}
    for name, split in (splits or {}).items():
        shared[name] = _sources_of(Path(split), target_path is not None, config)
    return DataCheck(
        path=str(path),
        target_path=None if target_path is None else str(target_path),
        lines=reader.report.records,
        kept=reader.report.kept,
        dropped={reason: found.lines for reason, found in reader.report.dropped.items()},
        lengths=_lengths_of_sides(columns),
        duplicates=len(duplicates),
        duplicate_lines=duplicates[:EXAMPLES].tolist(),
        conflicting_sources=len(conflicts),
        conflicts=list(_first_conflicts(conflicts, sources, targets, lines)),
        leakage=[_leakage(a, b, shared[a], shared[b]) for a, b in combinations(shared, 2)],
        median_ratio=median,
        ratio_outliers=len(outliers),
        ratio_outlier_lines=lines[outliers[:EXAMPLES]].tolist(),
        samples=samples,
        features=features.columns(len(lines)),
    )


def _most(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:EXAMPLES])


def _lengths_of_sides(columns: _Columns) -> dict[str, dict[str, Lengths]]:
    return {
        "source": {
            "characters": _lengths(_numbers(columns.source_characters)),
            "items": _lengths(_numbers(columns.source_items)),
        },
        "target": {
            "characters": _lengths(_numbers(columns.target_characters)),
            "items": _lengths(_numbers(columns.target_items)),
        },
    }


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8"), digest_size=8).digest(), "little")


def _numbers(values: array[int]) -> NDArray[Any]:
    kinds = {"q": np.int64, "Q": np.uint64, "i": np.int32}
    return np.frombuffer(values, dtype=kinds[values.typecode]) if values else np.zeros(0, dtype=kinds[values.typecode])


def _repeats(
    sources: NDArray[np.uint64], targets: NDArray[np.uint64], lines: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lines of pairs equal to an earlier one; and, for each source with several targets, its first index."""
    order = np.lexsort((lines, targets, sources))
    same_source = np.zeros(len(order), dtype=bool)
    same_pair = np.zeros(len(order), dtype=bool)
    same_source[1:] = sources[order[1:]] == sources[order[:-1]]
    same_pair[1:] = same_source[1:] & (targets[order[1:]] == targets[order[:-1]])
    duplicates = np.sort(lines[order[same_pair]])
    group = np.cumsum(~same_source) - 1  # the number of each pair's source
    changes = np.bincount(group[same_source & ~same_pair], minlength=int(group[-1]) + 1 if len(group) else 0)
    first = np.full(len(changes), np.iinfo(np.int64).max)
    np.minimum.at(first, group, order)
    return duplicates, np.sort(first[changes > 0])


def _first_conflicts(
    first_indices: NDArray[np.int64],
    sources: NDArray[np.uint64],
    targets: NDArray[np.uint64],
    lines: NDArray[np.int64],
) -> Iterator[Conflict]:
    for index in first_indices[:EXAMPLES]:
        rows = np.flatnonzero(sources == sources[index])
        yield Conflict(targets=len(np.unique(targets[rows])), lines=lines[rows[:EXAMPLES]].tolist())


def _ratio_outliers(sources: NDArray[np.int32], targets: NDArray[np.int32]) -> tuple[float, NDArray[np.int64]]:
    """The median of target over source characters, and the indices of pairs far from it."""
    if not len(sources):
        return 0.0, np.zeros(0, dtype=np.int64)
    ratios = targets / sources
    median = float(np.median(ratios))
    return median, np.flatnonzero((ratios > median * RATIO_FACTOR) | (ratios < median / RATIO_FACTOR))


def _lengths(values: NDArray[np.int32]) -> Lengths:
    if not len(values):
        return Lengths(mean=0.0, quantiles={}, edges=[], counts=[])
    found = np.quantile(values, QUANTILES, method="nearest").tolist()
    quantiles = {f"{share:g}": int(value) for share, value in zip(QUANTILES, found, strict=True)}
    # The longest hundredth shares the last bin: one long line would otherwise squeeze all others into the first.
    low, high, longest = quantiles["0"], quantiles["0.99"], quantiles["1"]
    width = max(1, -(-(high + 1 - low) // HISTOGRAM_BINS))
    edges = list(range(low, high + 1, width))
    edges.append(max(edges[-1] + width, longest + 1))
    # np.histogram closes its last bin; one more at the end keeps every bin half-open.
    counts, _ = np.histogram(values, bins=[*edges, edges[-1] + 1])
    return Lengths(mean=float(values.mean()), quantiles=quantiles, edges=edges, counts=counts[:-1].tolist())


def _sources_of(path: Path, plain: bool, config: DataConfig) -> _Sources:
    hashes, lines = array("Q"), array("q")
    for number, source in _plain_sources(path, config) if plain else _pair_sources(path, config):
        hashes.append(_hash(source))
        lines.append(number)
    return _Sources(_numbers(hashes), _numbers(lines))


def _pair_sources(path: Path, config: DataConfig) -> Iterable[tuple[int, str]]:
    return ((pair.line, pair.whole) for pair in PairReader(path, None, config))


def _plain_sources(path: Path, config: DataConfig) -> Iterator[tuple[int, str]]:
    check_file(path)
    for number, line in enumerate(read_lines(path, config.max_line_bytes), start=1):
        if line is None:
            continue
        text = line.decode("utf-8", errors="replace")
        if text.strip():
            yield number, text


def _leakage(first_name: str, second_name: str, first: _Sources, second: _Sources) -> Leakage:
    unique, first_index = np.unique(first.hashes, return_index=True)
    places = np.searchsorted(unique, second.hashes)
    places[places == len(unique)] = 0
    found = np.flatnonzero(unique[places] == second.hashes) if len(unique) else np.zeros(0, dtype=np.int64)
    examples = [
        (int(first.lines[first_index[places[index]]]), int(second.lines[index])) for index in found[:EXAMPLES].tolist()
    ]
    share = len(found) / len(second.hashes) if len(second.hashes) else 0.0
    return Leakage(first=first_name, second=second_name, pairs=len(found), share=share, lines=examples)
