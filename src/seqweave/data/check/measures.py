"""Lengths, repeats, and what files share: figures over all kept pairs, from a few numbers of each."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqweave.config import DataConfig
from seqweave.data.check.result import Conflict, FeatureColumn, Leakage, Lengths
from seqweave.data.readers import Pair
from seqweave.data.split import source_key
from seqweave.text.features import tags_of

EXAMPLES = 10
RATIO_FACTOR = 4.0
HISTOGRAM_BINS = 12
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


@dataclass(frozen=True)
class Sources:
    """The source hashes of one file and their lines, in the order of the file."""

    hashes: NDArray[np.uint64]
    lines: NDArray[np.int64]


class SourceList:
    """Makes `Sources`; sources with the same text (`source_key`) and tags are the same."""

    def __init__(self) -> None:
        self._hashes, self._lines = array("Q"), array("q")

    def add(self, pair: Pair) -> None:
        """Add the source of a pair."""
        self.add_text("\t".join((source_key(pair.source), *pair.features)), pair.line)

    def add_text(self, text: str, line: int) -> None:
        """Add a source by its key."""
        self._hashes.append(text_number(text))
        self._lines.append(line)

    def found(self) -> Sources:
        """Those added so far."""
        return Sources(numbers(self._hashes), numbers(self._lines))


class Columns:
    """What is remembered of each kept pair."""

    def __init__(self) -> None:
        self.sources = SourceList()
        self.target = array("Q")
        self.source_characters = array("i")
        self.source_items = array("i")
        self.target_characters = array("i")
        self.target_items = array("i")

    def add(self, pair: Pair) -> None:
        """Remember a pair."""
        self.sources.add(pair)
        self.target.append(text_number(source_key(pair.target)))
        self.source_characters.append(len(pair.source))
        self.source_items.append(len(pair.source.split()))
        self.target_characters.append(len(pair.target))
        self.target_items.append(len(pair.target.split()))

    def lengths(self) -> dict[str, dict[str, Lengths]]:
        """The lengths of both sides in both measures."""
        return {
            "source": {
                "characters": lengths_of(numbers(self.source_characters)),
                "items": lengths_of(numbers(self.source_items)),
            },
            "target": {
                "characters": lengths_of(numbers(self.target_characters)),
                "items": lengths_of(numbers(self.target_items)),
            },
        }


class Features:
    """How often each source tag stands in each column, and how many pairs have none there."""

    def __init__(self, config: DataConfig):
        self.names, self.separator = config.feature_columns, config.feature_separator
        self.counts = [Counter[str]() for _ in self.names]
        self.without = [0] * len(self.names)

    def add(self, pair: Pair) -> None:
        """Count the tags of a pair."""
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


def text_number(text: str) -> int:
    """64 bits that stand for a text."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def numbers(values: array[int]) -> NDArray[Any]:
    """An array of Python as one of NumPy, over the same memory."""
    kinds = {"q": np.int64, "Q": np.uint64, "i": np.int32}
    return np.frombuffer(values, dtype=kinds[values.typecode]) if values else np.zeros(0, dtype=kinds[values.typecode])


def repeats(
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


def first_conflicts(
    first_indices: NDArray[np.int64],
    sources: NDArray[np.uint64],
    targets: NDArray[np.uint64],
    lines: NDArray[np.int64],
) -> Iterator[Conflict]:
    """The first sources with several targets, of the indices that `repeats` gave."""
    for index in first_indices[:EXAMPLES]:
        rows = np.flatnonzero(sources == sources[index])
        yield Conflict(targets=len(np.unique(targets[rows])), lines=lines[rows[:EXAMPLES]].tolist())


def ratio_outliers(columns: Columns) -> tuple[float, NDArray[np.int64]]:
    """The median of target over source characters, and the indices of pairs far from it."""
    sources, targets = numbers(columns.source_characters), numbers(columns.target_characters)
    if not len(sources):
        return 0.0, np.zeros(0, dtype=np.int64)
    ratios = targets / sources
    median = float(np.median(ratios))
    return median, np.flatnonzero((ratios > median * RATIO_FACTOR) | (ratios < median / RATIO_FACTOR))


def lengths_of(values: NDArray[np.int32]) -> Lengths:
    """Mean, quantiles and histogram of some lengths."""
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


def leakage(first_name: str, second_name: str, first: Sources, second: Sources) -> Leakage:
    """What two files share."""
    unique, first_index = np.unique(first.hashes, return_index=True)
    places = np.searchsorted(unique, second.hashes)
    places[places == len(unique)] = 0
    found = np.flatnonzero(unique[places] == second.hashes) if len(unique) else np.zeros(0, dtype=np.int64)
    examples = [
        (int(first.lines[first_index[places[index]]]), int(second.lines[index])) for index in found[:EXAMPLES].tolist()
    ]
    share = len(found) / len(second.hashes) if len(second.hashes) else 0.0
    return Leakage(first=first_name, second=second_name, pairs=len(found), share=share, lines=examples)


def _most(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:EXAMPLES])
