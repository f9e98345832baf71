"""Pairwise subsets: few combinations of settings in which every two values that can meet do meet.

Most faults show with one setting, or with two that do not fit together (Kuhn, Wallace & Gallo 2004), so the full
product of many settings tells little more than these few combinations.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from functools import cache, partial
from typing import TypeVar

Value = TypeVar("Value")
Combination = dict[str, Value]
Axes = Mapping[str, Sequence[Value]]
# Inside, axes and their values are numbers.
Choice = tuple[int, ...]  # of each axis, which of its values
Place = tuple[int, int]  # an axis, and which of its values
Pair = tuple[Place, Place]


def pairwise(
    axes: Axes[Value],
    valid: Callable[[Combination[Value]], bool] = lambda _: True,
    idle: Callable[[Combination[Value]], Collection[str]] = lambda _: (),
    moves: int | None = None,
) -> list[Combination[Value]]:
    """Combinations in which every value of each axis meets every value of each other axis, wherever that is valid.

    Always the same for the same axes. The first values should go together: they are where a search begins.

    Args:
        axes: name -> its values; at least two axes.
        valid: whether a combination may be.
        idle: the axes that do nothing in a valid combination; their values there meet nobody.
        moves: to make room for a pair, at most so many other axes leave the first of their values. Unset: all may,
            so that a pair is left out only where no valid combination has it; too slow for many axes.
    """
    pairs_of = cache(partial(_pairs_met, axes, valid, idle))
    rows: list[Choice] = []
    missing = dict.fromkeys(_all_pairs(axes))  # ordered
    while missing:
        pair = next(iter(missing))
        found = next((choice for choice in _with_pair(axes, pair, rows, moves) if pair in pairs_of(choice)), None)
        if found is None:
            del missing[pair]
            continue
        rows.append(_enriched(axes, found, pair, missing.keys(), pairs_of))
        for met in pairs_of(rows[-1]):
            missing.pop(met, None)
    return [_combination(axes, row) for row in rows]


def _combination(axes: Axes[Value], choice: Choice) -> Combination[Value]:
    return {name: values[index] for (name, values), index in zip(axes.items(), choice, strict=True)}


def _all_pairs(axes: Axes[Value]) -> Iterator[Pair]:
    for (one, values), (other, others) in itertools.combinations(enumerate(axes.values()), 2):
        for i, j in itertools.product(range(len(values)), range(len(others))):
            yield (one, i), (other, j)


def _pairs_met(
    axes: Axes[Value],
    valid: Callable[[Combination[Value]], bool],
    idle: Callable[[Combination[Value]], Collection[str]],
    choice: Choice,
) -> frozenset[Pair]:
    """None where the combination is not valid."""
    combination = _combination(axes, choice)
    if not valid(combination):
        return frozenset()
    still = idle(combination)
    places = [place for name, place in zip(axes, enumerate(choice), strict=True) if name not in still]
    return frozenset(itertools.combinations(places, 2))


def _put(choice: Choice, places: Iterable[Place]) -> Choice:
    """The choice with other values of some axes."""
    changed = list(choice)
    for axis, index in places:
        changed[axis] = index
    return tuple(changed)


def _with_pair(axes: Axes[Value], pair: Pair, rows: Sequence[Choice], moves: int | None) -> Iterator[Choice]:
    """Candidates that have a pair, the likely ones first: rows with it put in, then first values with some moved."""
    sizes = [len(values) for values in axes.values()]
    yield from (_put(row, pair) for row in rows)
    free = [axis for axis in range(len(sizes)) if axis not in dict(pair)]
    for count in range((len(free) if moves is None else min(moves, len(free))) + 1):
        for moved in itertools.combinations(free, count):
            for indices in itertools.product(*(range(1, sizes[axis]) for axis in moved)):
                yield _put((0,) * len(sizes), (*pair, *zip(moved, indices, strict=True)))


def _enriched(
    axes: Axes[Value],
    row: Choice,
    pair: Pair,
    missing: Set[Pair],
    pairs_of: Callable[[Choice], frozenset[Pair]],
) -> Choice:
    """The row with other axes moved, one at a time, as long as it meets more of the missing pairs."""
    best, before = len(pairs_of(row) & missing), -1
    while best > before:
        before = best
        for axis, values in enumerate(axes.values()):
            for index in range(len(values)):
                other = _put(row, [(axis, index)])
                met = pairs_of(other)
                if pair in met and len(met & missing) > best:
                    row, best = other, len(met & missing)
    return row
