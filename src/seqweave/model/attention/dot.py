"""`dot` and `scaled_dot`: query and value themselves."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from seqweave.model.attention.base import AttentionState, Memoryless, ScoreForm


class DotScorer(Memoryless):
    """`score = q . k` (Luong et al. 2015, section 3.1).

    `scaled`: divided by sqrt(width) (Vaswani et al. 2017, eq. 1).
    """

    def __init__(self, scaled: bool = False):
        super().__init__()
        self.scaled = scaled

    def keys(self, values: Tensor) -> Tensor:
        """The values themselves. Shape: (G, S, E) -> (G, S, E)."""
        return values

    def form(self) -> ScoreForm:
        """A product."""
        return ScoreForm(scaled=self.scaled)

    def forward(self, query: Tensor, keys: Tensor, state: AttentionState) -> Tensor:
        """Shape: (G, Q, E), (G, S, E) -> (G, Q, S)."""
        if self.scaled:
            query = query / math.sqrt(query.shape[-1])
        return torch.bmm(query, keys.transpose(1, 2))  # (G, Q, S)
