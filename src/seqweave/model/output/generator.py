"""From a readout to logits: the last linear map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Generator(nn.Module):
    """Readout to logits; `tied` gives the weights when they are the target embedding's (Press & Wolf 2017)."""

    def __init__(self, size: int, vocabulary_size: int, tied: bool = False):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))
        self.weight = None if tied else nn.Parameter(torch.empty(vocabulary_size, size))
        if self.weight is not None:
            nn.init.xavier_uniform_(self.weight)

    def forward(self, readout: Tensor, tied: Tensor | None = None) -> Tensor:
        """Shape: (..., size), tied (V, size) -> (..., V)."""
        weight = self.weight if self.weight is not None else tied
        assert weight is not None
        return functional.linear(readout, weight, self.bias)  # (..., V)
