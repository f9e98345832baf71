"""The smallest of many distinct numbers, in bounded memory (a bottom-k sketch: Cohen and Kaplan 2007)."""

from __future__ import annotations

from collections.abc import Iterable


class Smallest:
    """A set of numbers that keeps the `most` smallest distinct ones.

    Args:
        most: how many are kept.
        numbers: those to begin with.
    """

    def __init__(self, most: int, numbers: Iterable[int] = ()):
        self._most = most
        self._kept = set(numbers)
        self._limit: int | None = None  # numbers from here on are not kept
        self._shrink()

    def add(self, number: int) -> None:
        """Add a number, unless it is too large to be kept."""
        if self._limit is None or number < self._limit:
            self._kept.add(number)
            if len(self._kept) >= 2 * self._most:  # not at each one: sorting takes its time
                self._shrink()

    def knows(self, number: int) -> bool | None:
        """Whether a number was added; None when it is too large to have been kept."""
        self._shrink()
        return number in self._kept if self._limit is None or number < self._limit else None

    def sorted(self) -> list[int]:
        """The numbers kept, ascending."""
        self._shrink()
        return sorted(self._kept)

    @property
    def complete(self) -> bool:
        """Whether every number that was added is kept, as far as is known: there are fewer than `most`."""
        self._shrink()
        return self._limit is None

    def _shrink(self) -> None:
        """Forget all but the smallest; at once where nothing was added since."""
        if len(self._kept) < self._most or (len(self._kept) == self._most and self._limit is not None):
            return
        smallest = sorted(self._kept)[: self._most]
        self._kept = set(smallest)
        self._limit = smallest[-1] + 1
