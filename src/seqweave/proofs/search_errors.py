"""Search errors: how often a wider beam finds a better output or a worse one, and how often the best is missed.

Beam search is not monotone: a wider beam can keep a prefix that pushes out the one which would have won.
Outputs that end come before outputs cut at their maximum length, as in the search itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seqweave.errors import LimitError
from seqweave.proofs.exact import MOST_PREFIXES, exact_search
from seqweave.proofs.sources import Sources
from seqweave.search.contract import Searchable


@dataclass(frozen=True)
class BeamCount:
    """One beam size.

    Attributes:
        beam: its size.
        score: mean score of its outputs that end; None when none does.
        better, worse: sources whose score is higher or lower than that of the next narrower beam, by more
            than the tolerance.
        cut: outputs cut at their maximum length.
        missed: sources whose best output is known by exact search, and is not what this beam found.
    """

    beam: int
    score: float | None
    better: int
    worse: int
    cut: int
    missed: int


@dataclass(frozen=True)
class SearchErrors:
    """All beam sizes on the same sources.

    Attributes:
        beams: narrow to wide.
        sources: how many there are.
        exact: sources whose best output is known: exact search could try all that may win.
        most_prefixes: what exact search could follow at once, on the others not enough.
    """

    beams: list[BeamCount]
    sources: int
    exact: int
    most_prefixes: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def count_search_errors(
    network: Searchable,
    sources: Sources,
    beams: Sequence[int],
    tolerance: float,
    most_prefixes: int = MOST_PREFIXES,
) -> SearchErrors:
    """Search with every beam size, and exactly where the space is small enough.

    Args:
        network: what search drives.
        sources: what to search.
        beams: beam sizes, ascending.
        tolerance: scores closer than this are equal.
        most_prefixes: see `exact_search`.
    """
    # A cut output is below every one that ends.
    found = [[group[0] for group in sources.search_all(network, beam)] for beam in beams]
    scores = [[one.score if one.finished else -math.inf for one in each] for each in found]
    exact = [
        _best(network, sources, row, max(each[row] for each in scores), most_prefixes)
        for row in range(len(sources.all))
    ]
    counts = []
    for place, (beam, each) in enumerate(zip(beams, scores, strict=True)):
        narrower = scores[place - 1] if place else each
        ended = [score for score in each if score > -math.inf]
        counts.append(
            BeamCount(
                beam,
                math.fsum(ended) / len(ended) if ended else None,
                sum(now > before + tolerance for now, before in zip(each, narrower, strict=True)),
                sum(now < before - tolerance for now, before in zip(each, narrower, strict=True)),
                len(each) - len(ended),
                sum(best is not None and now < best - tolerance for now, best in zip(each, exact, strict=True)),
            )
        )
    known = sum(best is not None for best in exact)
    return SearchErrors(counts, len(sources.all), known, most_prefixes)


def _best(network: Searchable, sources: Sources, row: int, known: float, most_prefixes: int) -> float | None:
    """The best score there is; None when the space is too large, or nothing ends."""
    try:
        found = exact_search(
            network,
            sources.padded([row]),
            sources.limits[row],
            sources.options,
            beat=known,
            most_prefixes=most_prefixes,
        )
    except LimitError:
        return None
    best = known if found is None else found.score
    return best if best > -math.inf else None
