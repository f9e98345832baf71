"""How right alignments are: alignment error rate, precision, recall (Och & Ney 2003, section 5).

A link of the gold is sure (S) or possible (P, which holds S). For an alignment A:

    precision = |A & P| / |A|    recall = |A & S| / |S|    AER = 1 - (|A & S| + |A & P|) / (|A| + |S|)

All over the whole set, in percent. Links are (source, target), from 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqweave.errors import DataError

Link = tuple[int, int]
_LINK = re.compile(r"(\d+)([-p])(\d+)", re.ASCII)


@dataclass(frozen=True)
class Gold:
    """The right links of one pair; `possible` holds the sure ones too."""

    sure: frozenset[Link]
    possible: frozenset[Link]


@dataclass(frozen=True)
class AlignmentError:
    """Figures in percent; `interval` is the 95% bootstrap interval of `aer` over pairs, None when not asked for."""

    pairs: int
    links: int
    sure: int
    possible: int
    aer: float
    precision: float
    recall: float
    interval: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def read_gold(line: str, *, first: int = 1, lengths: tuple[int, int] | None = None) -> Gold:
    """Links of a line: `3-1` is sure, `6p6` possible.

    Args:
        line: links divided by blanks.
        first: the number of the first word.
        lengths: words of source and target; links past them are ignored.

    Raises:
        DataError: when a link has another form, or a number below `first`.
    """
    sure, possible = set(), set()
    for part in line.split():
        found = _LINK.fullmatch(part)
        link = (int(found[1]) - first, int(found[3]) - first) if found else (-1, -1)
        if found is None or min(link) < 0:
            raise DataError(
                f"a gold link must be i-j (sure) or ipj (possible) with numbers from {first}, but it is {part}: "
                "correct the line, or say where the numbers start"
            )
        if lengths is not None and (link[0] >= lengths[0] or link[1] >= lengths[1]):
            continue
        possible.add(link)
        if found[2] == "-":
            sure.add(link)
    return Gold(frozenset(sure), frozenset(possible))


def alignment_error(
    links: Sequence[AbstractSet[Link]], gold: Sequence[Gold], *, samples: int = 0, seed: int = 1
) -> AlignmentError:
    """Compare the links of pairs with their gold.

    Args:
        links, gold: one a pair, in the same order.
        samples: bootstrap resamples for the interval; 0: none.
        seed: of the resamples.

    Raises:
        DataError: when there is no pair, or not one gold a pair.
    """
    if len(links) != len(gold) or not gold:
        raise DataError(
            f"alignments and gold must be of the same pairs, at least one, but there are {len(links)} and {len(gold)}: "
            "give files of the same lines"
        )
    rows = np.array(
        [
            (len(found), len(right.sure), len(right.possible), len(found & right.sure), len(found & right.possible))
            for found, right in zip(links, gold, strict=True)
        ],
        dtype=np.float64,
    )  # (N, 5)
    sums = rows.sum(0)
    interval = None
    if samples:
        drawn = np.random.default_rng(seed).integers(0, len(rows), (samples, len(rows)))
        low, high = np.percentile([_aer(rows[draw].sum(0)) for draw in drawn], [2.5, 97.5])
        interval = (float(low), float(high))
    return AlignmentError(
        pairs=len(gold),
        links=int(sums[0]),
        sure=int(sums[1]),
        possible=int(sums[2]),
        aer=_aer(sums),
        precision=_share(sums[4], sums[0]),
        recall=_share(sums[3], sums[1]),
        interval=interval,
    )


def _aer(sums: NDArray[np.float64]) -> float:
    """100 (1 - (|A & S| + |A & P|) / (|A| + |S|)); 0 when there is neither a link nor a sure one."""
    return 100 - _share(sums[3] + sums[4], sums[0] + sums[1])


def _share(part: float, whole: float) -> float:
    return float(100 * part / whole) if whole else 100.0
