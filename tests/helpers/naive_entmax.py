"""entmax-1.5 by bisection: the slow, readable twin, which needs no library; and a toy model with its zeros."""

from __future__ import annotations

import torch
from torch import Tensor

from seqweave.text.vocabulary import BOS, PAD
from toy_search import ToyModel


def naive_entmax15(logits: Tensor) -> Tensor:
    """max(z - tau, 0)^2 with z = logits / 2 and the tau that makes the sum 1. Shape: (..., V) -> (..., V), float64."""
    z = logits.double() / 2
    z[..., [PAD, BOS]] = float("-inf")
    high = z.amax(-1, keepdim=True)  # the sum is 0 there, and 1 or more at `low`
    low = high - 1
    for _ in range(60):
        middle = (low + high) / 2
        too_much = (z - middle).clamp(min=0).square().sum(-1, keepdim=True) > 1
        low, high = torch.where(too_much, middle, low), torch.where(too_much, high, middle)
    return (z - high).clamp(min=0).square()


class SparseToy(ToyModel):
    """The toy model with entmax-1.5 in the place of the softmax: most items are impossible."""

    def __init__(self, seed: int = 0, size: int = 7, *, spread: float = 2.0, eos_bias: float = 0.0) -> None:
        super().__init__(seed, size, spread=spread, eos_bias=eos_bias)
        self.table = naive_entmax15(self.table).log().float()
