"""`cosine`: by direction alone, and how sharply is learned."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqweave.model.attention.base import AttentionState, Memoryless

SHORTEST = (
    1e-4  # shorter vectors are not made as long as 1: so zeros score 0, and no gradient grows beyond 1 / SHORTEST
)


class CosineScorer(Memoryless):
    """`score = t cos(W q, k)`, as a Neural Turing Machine addresses by content (Graves, Wayne & Danihelka 2014).

    cos is their eq. 6, the strength t their beta of eq. 5, and W q the key that their controller gives out. Theirs
    gives out a strength at each step; here it is one learned number, kept positive as `t = log(1 + exp(strength))`.
    It begins at sqrt(E): cosines of random directions have a variance of 1 / E, so scores begin with about 1.
    """

    def __init__(self, query_size: int, value_size: int):
        super().__init__()
        self.project = nn.Linear(query_size, value_size, bias=False)
        nn.init.xavier_uniform_(self.project.weight)
        self.strength = nn.Parameter(torch.tensor(math.log(math.expm1(math.sqrt(value_size)))))

    def keys(self, values: Tensor) -> Tensor:
        """The directions of the values. Shape: (G, S, E) -> (G, S, E)."""
        return functional.normalize(values, dim=-1, eps=SHORTEST)

    def forward(self, query: Tensor, keys: Tensor, state: AttentionState) -> Tensor:
        """Shape: (G, Q, H), (G, S, E) -> (G, Q, S)."""
        asked = functional.normalize(self.project(query), dim=-1, eps=SHORTEST)  # (G, Q, E)
        return functional.softplus(self.strength) * torch.bmm(asked, keys.transpose(1, 2))  # (G, Q, S)
