"""`location_aware`: additive scores that know where the step before looked (Chorowski et al. 2015)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqweave.model.attention.additive import AdditiveScorer
from seqweave.model.attention.base import NOTHING, AttentionState
from seqweave.model.attention.coverage import Coverage


class LocationAwareScorer(nn.Module):
    """`score = v . tanh(W q + U k + F f)`, of a query, a key and the weights of the step before.

    f: these weights, convolved with `filters` learned filters of an odd `width` around each position (Chorowski et
    al. 2015, section 2.2). Before the first step, and beyond both ends of the source, the weights are zeros. With
    `coverage`, `w c` is added inside the tanh (see `Coverage`).

    The scores of a step depend on the weights of the steps before, so this attention runs position by position, also
    with teacher forcing.

    Args:
        additive: W, U and v.
        size: its width (A).
        filters, width: of the convolution.
        coverage: whether c enters.
    """

    def __init__(self, additive: AdditiveScorer, size: int, filters: int, width: int, coverage: bool = False):
        super().__init__()
        self.additive = additive
        self.convolution = nn.Conv1d(1, filters, width, padding=width // 2, bias=False)
        self.features = nn.Linear(filters, size, bias=False)
        self.coverage = Coverage(size) if coverage else None

    def keys(self, values: Tensor) -> Tensor:
        """Shape: (G, S, E) -> (G, S, A)."""
        return self.additive.keys(values)

    def form(self) -> None:
        """The fast paths do not know earlier weights."""

    def initial_state(self, mask: Tensor, dtype: torch.dtype) -> AttentionState:
        """Zeros. Shape: mask (B, S) -> `weights` (B, S), and that of the coverage."""
        more = NOTHING if self.coverage is None else self.coverage.initial_state(mask, dtype)
        return {"weights": torch.zeros(mask.shape, dtype=dtype, device=mask.device), **more}

    def next_state(self, state: AttentionState, weights: Tensor) -> AttentionState:
        """The new weights. Shape: (R, S) -> `weights` (R, S), and that of the coverage."""
        more = NOTHING if self.coverage is None else self.coverage.next_state(state, weights)
        return {"weights": weights, **more}

    def states_ahead(self, state: AttentionState, positions: int) -> None:
        """They depend on the weights."""

    def forward(self, query: Tensor, keys: Tensor, state: AttentionState) -> Tensor:
        """Shape: query (G, Q, H), keys (G, S, A), `weights` (G, Q, S) -> (G, Q, S)."""
        earlier = state["weights"].to(query.dtype).flatten(0, 1)[:, None]  # (G * Q, 1, S)
        convolved = self.convolution(earlier).transpose(1, 2)  # (G * Q, S, filters)
        sums = self.additive.sums(query, keys) + self.features(convolved).unflatten(0, query.shape[:2])  # (G, Q, S, A)
        if self.coverage is not None:
            sums = sums + self.coverage.term(state, query.dtype)  # (G, Q, S, A)
        return self.additive.score(sums)
