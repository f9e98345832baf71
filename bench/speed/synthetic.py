"""Pairs made up for timing: texts of random items, with lengths given or drawn."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence


def texts(lengths: Sequence[int], vocabulary: int, seed: int) -> Iterator[str]:
    """One text of blank-separated items for each length; items are drawn evenly."""
    chance = random.Random(seed)
    names = [f"i{number}" for number in range(vocabulary)]
    for length in lengths:
        yield " ".join(chance.choices(names, k=length))


def drawn_lengths(count: int, mean: float, spread: float, batch: int, seed: int) -> list[int]:
    """Lengths with a mean and a standard deviation, in buckets: each run of `batch` is of similar lengths."""
    chance = random.Random(seed)
    lengths = sorted(max(1, round(chance.gauss(mean, spread))) for _ in range(count))
    runs = [lengths[start : start + batch] for start in range(0, count, batch)]
    chance.shuffle(runs)
    return [length for run in runs for length in run]


def all_items(vocabulary: int) -> Iterator[str]:
    """Texts that hold every item once, so that a learned vocabulary has the size asked for."""
    names = [f"i{number}" for number in range(vocabulary)]
    return (" ".join(names[start : start + 100]) for start in range(0, vocabulary, 100))
