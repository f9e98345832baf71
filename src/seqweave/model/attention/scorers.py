"""The scorers by name: `SCORERS`, one function each that builds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from seqweave.config import AttentionKind
from seqweave.model.attention.additive import AdditiveScorer
from seqweave.model.attention.base import Scorer
from seqweave.model.attention.cosine import CosineScorer
from seqweave.model.attention.coverage import CoverageScorer
from seqweave.model.attention.dot import DotScorer
from seqweave.model.attention.general import GeneralScorer
from seqweave.model.attention.location import LocationScorer
from seqweave.model.attention.location_aware import LocationAwareScorer


@dataclass(frozen=True)
class ScorerSettings:
    """What a scorer may be built of; each reads what it needs.

    Attributes:
        query_size, value_size: widths of queries and values (H, E).
        size: width of additive scores (A).
        normalized: additive scores with weight normalisation.
        coverage: whether the sum of earlier weights enters additive scores.
        positions: source positions that `location` knows.
        filters, width: of the convolution of `location_aware`.
    """

    query_size: int
    value_size: int
    size: int
    normalized: bool = False
    coverage: bool = False
    positions: int = 1
    filters: int = 1
    width: int = 1

    def additive(self, *, bias: bool) -> AdditiveScorer:
        """The sum of query and key."""
        return AdditiveScorer(self.query_size, self.value_size, self.size, bias, self.normalized)


def build_scorer(kind: AttentionKind, settings: ScorerSettings) -> Scorer:
    """The scorer of a name.

    Raises:
        ValueError: where there is none of this name.
    """
    if kind not in SCORERS:
        raise ValueError(f"no scorer is called {kind}; there are {', '.join(SCORERS)}")
    return SCORERS[kind](settings)


def _additive(settings: ScorerSettings, *, bias: bool) -> Scorer:
    additive = settings.additive(bias=bias)
    return CoverageScorer(additive, settings.size) if settings.coverage else additive


def _location_aware(settings: ScorerSettings) -> Scorer:
    additive = settings.additive(bias=True)
    return LocationAwareScorer(additive, settings.size, settings.filters, settings.width, settings.coverage)


SCORERS: Mapping[AttentionKind, Callable[[ScorerSettings], Scorer]] = {
    "additive": lambda settings: _additive(settings, bias=True),
    "dot": lambda settings: DotScorer(),
    "scaled_dot": lambda settings: DotScorer(scaled=True),
    "general": lambda settings: GeneralScorer(settings.query_size, settings.value_size),
    "concat": lambda settings: _additive(settings, bias=False),
    "cosine": lambda settings: CosineScorer(settings.query_size, settings.value_size),
    "location": lambda settings: LocationScorer(settings.query_size, settings.positions),
    "location_aware": _location_aware,
}
