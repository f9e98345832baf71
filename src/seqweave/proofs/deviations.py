"""How far the numbers of two searches of one source are apart, for `verify.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from seqweave.search.found import Found
from seqweave.search.penalties import Number

Array = np.ndarray[Any, Any]


def comparable(log_prob: Number, sparse: bool) -> Number:
    """What rounding changes little: log p; of a sparse distribution (entmax-1.5) 2 sqrt(p).

    Towards probability 0 log p falls without end, and takes the rounding of the logits with it. 2 sqrt(p) is the
    logit less a threshold, or 0, and as exact as the logits. It never differs by more than log p does.
    """
    if not sparse:
        return log_prob
    root: Number = math.e ** (log_prob / 2)
    return 2 * root


def gap(one: float, other: float, sparse: bool) -> float:
    """Between two log-probabilities or scores."""
    return abs(comparable(one, sparse) - comparable(other, sparse))


def item_gaps(ones: Sequence[float], others: Sequence[float], sparse: bool) -> Array:
    """Between the log-probabilities of the items of two outputs. Shape: (T,), (T,) -> (T,)."""
    gaps: Array = np.abs(comparable(np.array(ones), sparse) - comparable(np.array(others), sparse))
    return gaps


def furthest(one: Found, other: Found, sparse: bool) -> float:
    """The largest gap between two outputs of the same items; their scores count as one more item."""
    items = item_gaps(one.token_log_probs, other.token_log_probs, sparse)
    value = float(max(items.max(initial=0.0), gap(one.score, other.score, sparse) / max(1, len(items))))
    return math.inf if math.isnan(value) else value


def rows_apart(one: Tensor, other: Tensor) -> Tensor:
    """The largest difference of each row, (B, N) -> (B,); NaN is infinitely far, what is -inf in both equal."""
    return (
        (one - other)
        .abs()
        .masked_fill(one.isneginf() & other.isneginf(), 0.0)
        .nan_to_num(nan=math.inf, posinf=math.inf)
        .amax(1)
    )
