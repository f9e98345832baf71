"""`location`: from the query alone."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional

from seqweave.model.attention.base import AttentionState, Memoryless


class LocationScorer(Memoryless):
    """`scores = W q`, one for each source position, from the query alone (Luong et al. 2015, section 3.1, eq. 8).

    W has a row for each of the first `positions` source positions. Later ones have none: their score is
    -infinity, so their weight is 0.
    """

    def __init__(self, query_size: int, positions: int):
        super().__init__()
        self.project = nn.Linear(query_size, positions, bias=False)
        nn.init.xavier_uniform_(self.project.weight)

    def keys(self, values: Tensor) -> Tensor:
        """The values, of which only the number of positions is read. Shape: (G, S, E) -> (G, S, E)."""
        return values

    def forward(self, query: Tensor, keys: Tensor, state: AttentionState) -> Tensor:
        """Shape: (G, Q, H), (G, S, E) -> (G, Q, S)."""
        length = keys.shape[1]
        scores = functional.linear(query, self.project.weight[:length])  # (G, Q, at most S)
        return functional.pad(scores, (0, length - scores.shape[-1]), value=-math.inf)
