"""Lengths in search: how long a hypothesis may become, and how its length enters its score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

DEFAULT_RATIO = 3.0
"""Most target items for a source item, where the config says nothing."""
DEFAULT_LONGEST = 512
"""Most target items, where the config says nothing."""
SLACK = 10
"""Items allowed beyond the ratio, so that short sources are not cut."""

Number = TypeVar("Number", float, Tensor, np.ndarray[Any, Any])


def length_normalised(log_prob: Number, length: Number | int, alpha: float) -> Number:
    """Divide a log-probability by the length penalty of Wu et al. (2016), eq. 14.

    lp(Y) = (5 + |Y|)^alpha / (5 + 1)^alpha, where |Y| counts `<eos>`. `alpha` 0 leaves it as it is.
    """
    penalty: Number | float = ((5 + length) / 6) ** alpha
    return log_prob / penalty


def max_lengths(source_lengths: Sequence[int], ratio: float | None, longest: int | None) -> list[int]:
    """The most positions, `<eos>` counted, of the outputs of sources of the given lengths.

    min(ceil(ratio * S) + 10, longest); None takes the defaults of this module.
    """
    ratio = DEFAULT_RATIO if ratio is None else ratio
    longest = DEFAULT_LONGEST if longest is None else longest
    return [min(math.ceil(ratio * length) + SLACK, longest) for length in source_lengths]
