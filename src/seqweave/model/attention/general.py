"""`general`: a matrix between query and value."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqweave.model.attention.base import AttentionState, Memoryless, ScoreForm


class GeneralScorer(Memoryless):
    """`score = q . W k` (Luong et al. 2015, section 3.1, general); W is applied to the keys, once for each sentence."""

    def __init__(self, query_size: int, value_size: int):
        super().__init__()
        self.project = nn.Linear(value_size, query_size, bias=False)
        nn.init.xavier_uniform_(self.project.weight)

    def keys(self, values: Tensor) -> Tensor:
        """Shape: (G, S, E) -> (G, S, H)."""
        keys: Tensor = self.project(values)  # (G, S, H)
        return keys

    def form(self) -> ScoreForm:
        """A product."""
        return ScoreForm(key=self.project.weight)

    def forward(self, query: Tensor, keys: Tensor, state: AttentionState) -> Tensor:
        """Shape: (G, Q, H), (G, S, H) -> (G, Q, S)."""
        return torch.bmm(query, keys.transpose(1, 2))  # (G, Q, S)
