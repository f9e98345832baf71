"""95% intervals of metrics: Wilson's for shares, the bootstrap over sources for all others.

A share (exact match, accuracy) is a number of sources in percent of all, so Wilson's score interval fits (Wilson 1927;
Brown, Cai & DasGupta 2001 recommend it for few examples): it is an interval also where all are right, or none.

All others are percentile bootstrap intervals over distinct sources. Where every resample gives the same figure, as
when all outputs are right, there is nothing that a bootstrap could say, and no interval is given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seqweave.evaluation.statistics import MetricStatistics, bootstrap_scores

_Z = 1.959963984540054  # of the normal distribution, 2.5% lie above it
FEW_SOURCES = 20
"""With fewer distinct sources intervals hold less often than they say."""
_SAME = 1e-9  # percent: figures that are as near as that differ by rounding alone


def too_few(sources: int) -> bool:
    """Whether intervals over so many distinct sources call for a caution."""
    return sources < FEW_SOURCES


def wilson(right: float, total: float) -> tuple[float, float]:
    """Wilson's 95% score interval of `right` of `total`, in percent."""
    share, extra = right / total, _Z**2 / total
    middle = (share + extra / 2) / (1 + extra)
    half = _Z * math.sqrt((share * (1 - share) + extra / 4) / total) / (1 + extra)
    # At the edges the limit is the share itself, which rounding must not leave out.
    low = 0.0 if right == 0 else middle - half
    high = 1.0 if right == total else middle + half
    return 100 * low, 100 * high


def intervals(statistics: Mapping[str, MetricStatistics], samples: int, seed: int) -> dict[str, tuple[float, float]]:
    """The interval of each metric that has one, by name; none at all without samples."""
    if samples <= 0 or not statistics:
        return {}
    scores = bootstrap_scores(list(statistics.values()), samples, seed)  # (samples, metrics)
    found = {}
    for name, item, column in zip(statistics, statistics.values(), scores.T, strict=True):
        interval = interval_of(item, column)
        if interval is not None:
            found[name] = interval
    return found


def interval_of(statistics: MetricStatistics, scores: NDArray[np.float64]) -> tuple[float, float] | None:
    """The interval of one metric, whose resamples have these scores (samples,); None where they are all the same."""
    if statistics.share:
        right, total = statistics.rows.sum(axis=0).tolist()
        return wilson(right, total)
    low, high = (float(limit) for limit in np.percentile(scores, [2.5, 97.5]))
    return None if high - low <= _SAME else (low, high)
