"""Random factors of dropout, fast on processors.

torch draws one random number for each factor on one thread: 10 ms for a million. Here one 64-bit number gives four
factors by comparing 16-bit integers with a threshold: 1 ms. The probability is thus a multiple of 2^-16,
and the scale is that of the probability actually used, so the expectation stays exact. All numbers come from
torch's generator: its seed and state decide them. Other devices use torch's own.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_LEVELS = 1 << 16  # values of a 16-bit integer
_PER_DRAW = 4  # 16-bit integers in a 64-bit one


def dropout_factors(probability: float, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Factors of `shape`: 0 with the probability, else 1 / (1 - probability); dtype and device are those of `like`."""
    if like.device.type != "cpu":
        return functional.dropout(like.new_ones(shape), probability)
    dropped = round(probability * _LEVELS)
    if dropped == _LEVELS:
        return like.new_zeros(shape)
    total = torch.Size(shape).numel()
    draws = torch.empty(-(-total // _PER_DRAW), dtype=torch.int64).random_(-(1 << 63), None)
    kept = draws.view(torch.int16)[:total].ge_(dropped - _LEVELS // 2)  # 1 where kept
    return kept.view(shape).to(like.dtype).mul_(_LEVELS / (_LEVELS - dropped))
