"""`additive` and `concat`: one hidden layer over query and value."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqweave.model.attention.base import AttentionState, Memoryless, ScoreForm


class AdditiveScorer(Memoryless):
    """`score = v . tanh(W q + U k)`, or with a bias `v . tanh(W q + U k + b)`.

    Without the bias this is the alignment model of Bahdanau et al. 2014 as appendix A.1.2 prints it, and Luong's
    `concat` (2015, section 3.1: W [q; k] is W q + U k). The bias b, which `additive` has, is in neither paper: it is
    from the code that Bahdanau et al. published.

    `normalized`: `g v / |v|` stands for v (weight normalisation: Salimans & Kingma 2016, eq. 2), with a learned
    number g that begins at 1 / sqrt(A).
    """

    def __init__(self, query_size: int, value_size: int, size: int, bias: bool, normalized: bool = False):
        super().__init__()
        self.query = nn.Linear(query_size, size, bias=False)
        self.key = nn.Linear(value_size, size, bias=bias)
        self.direction = nn.Linear(size, 1, bias=False)
        for part in (self.query, self.key, self.direction):
            nn.init.xavier_uniform_(part.weight)
        self.gain = nn.Parameter(torch.tensor(1 / math.sqrt(size))) if normalized else None

    def keys(self, values: Tensor) -> Tensor:
        """Shape: (G, S, E) -> (G, S, A)."""
        keys: Tensor = self.key(values)  # (G, S, A)
        return keys

    def vector(self) -> Tensor:
        """The v of the scores, normalised where it is to be. Shape: (A,)."""
        vector: Tensor = self.direction.weight[0]
        return vector if self.gain is None else self.gain * vector / vector.norm()

    def form(self) -> ScoreForm:
        """With a tanh."""
        return ScoreForm(self.key.weight, self.key.bias, query=self.query.weight, direction=self.vector())

    def forward(self, query: Tensor, keys: Tensor, state: AttentionState) -> Tensor:
        """Shape: (G, Q, H), (G, S, A) -> (G, Q, S)."""
        return self.score(self.sums(query, keys))

    def sums(self, query: Tensor, keys: Tensor) -> Tensor:
        """What stands inside the tanh. Shape: (G, Q, H), (G, S, A) -> (G, Q, S, A)."""
        asked: Tensor = self.query(query)  # (G, Q, A)
        return asked[:, :, None] + keys[:, None]  # (G, Q, S, A)

    def score(self, sums: Tensor) -> Tensor:
        """`v . tanh(sums)`. Shape: (..., A) -> (...)."""
        return functional.linear(torch.tanh(sums), self.vector()[None])[..., 0]
