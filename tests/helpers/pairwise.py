"""Pairwise subsets: few combinations of settings in which every two values that can meet do meet.

Most faults show with one setting, or with two that do not fit together (Kuhn, Wallace & Gallo 2004), so the full
product of many settings tells little more than these few combinations.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

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
        idle: the axes that do nothing in a combination; their values there meet nobody.
        moves: to make room for a pair, at most so many other axes leave the first of their values. Unset: all may,
            so that a pair is left out only where no valid combination has it; too slow for many axes.
    """
    rules, missing = _Rules(axes, valid, idle), _Missing(axes)
    rows: list[Choice] = []
    for pair in _all_pairs(axes):
        if not missing.count(pair):
            continue
        found = next((choice for choice in _with_pair(axes, pair, rows, moves) if rules.meet(choice, pair)), None)
        if found is None:
            missing.remove(pair)
            continue
        rows.append(_enriched(axes, found, pair, missing, rules))
        missing.remove(rules.awake(rows[-1]))
    return [rules.combination(row) for row in rows]


def _all_pairs(axes: Axes[Value]) -> Iterator[Pair]:
    for (one, values), (other, others) in itertools.combinations(enumerate(axes.values()), 2):
        for i, j in itertools.product(range(len(values)), range(len(others))):
            yield (one, i), (other, j)


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


def _enriched(axes: Axes[Value], row: Choice, pair: Pair, missing: _Missing, rules: _Rules[Value]) -> Choice:
    """The row with other axes moved, one at a time, as long as it has more of the missing pairs."""
    best, before = missing.count(rules.awake(row)), -1
    while best > before:
        before = best
        for axis, values in enumerate(axes.values()):
            for index in range(len(values)):
                other = _put(row, [(axis, index)])
                count = missing.count(rules.awake(other))
                if count > best and rules.meet(other, pair):
                    row, best = other, count
    return row


class _Rules(Generic[Value]):
    """What may be, and what meets; kept, since choices come again."""

    def __init__(
        self,
        axes: Axes[Value],
        valid: Callable[[Combination[Value]], bool],
        idle: Callable[[Combination[Value]], Collection[str]],
    ) -> None:
        self._items = [[(name, value) for value in values] for name, values in axes.items()]
        self._valid, self._idle = valid, idle
        self._kept: dict[Choice, bool] = {}
        self._awake: dict[Choice, list[Place]] = {}

    def combination(self, choice: Choice) -> Combination[Value]:
        """The values of a choice, by the names of their axes."""
        return dict([items[index] for items, index in zip(self._items, choice, strict=True)])

    def awake(self, choice: Choice) -> list[Place]:
        """The places of a choice that meet each other."""
        if choice not in self._awake:
            combination = self.combination(choice)
            still = self._idle(combination)
            self._awake[choice] = [
                place for name, place in zip(combination, enumerate(choice), strict=True) if name not in still
            ]
        return self._awake[choice]

    def meet(self, choice: Choice, pair: Pair) -> bool:
        """Whether a choice is valid and has a pair that meets in it."""
        awake = self.awake(choice)
        if pair[0] not in awake or pair[1] not in awake:
            return False
        if choice not in self._kept:
            self._kept[choice] = self._valid(self.combination(choice))
        return self._kept[choice]


class _Missing:
    """The pairs that are in no combination yet: of each place, a number with a bit for each place that it must meet."""

    def __init__(self, axes: Axes[Value]) -> None:
        places = [(axis, index) for axis, values in enumerate(axes.values()) for index in range(len(values))]
        self._bit = {place: 1 << number for number, place in enumerate(places)}
        self._of = {place: sum(bit for other, bit in self._bit.items() if other[0] != place[0]) for place in places}

    def count(self, places: Collection[Place]) -> int:
        """How many of the pairs of these places are missing."""
        bits = sum([self._bit[place] for place in places])
        return sum([(self._of[place] & bits).bit_count() for place in places]) // 2

    def remove(self, places: Collection[Place]) -> None:
        """These places have met, or never will."""
        bits = sum([self._bit[place] for place in places])
        for place in places:
            self._of[place] &= ~bits
