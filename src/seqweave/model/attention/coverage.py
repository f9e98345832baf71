"""Coverage: additive scores that know how much was looked at each position (See et al. 2017; Tu et al. 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqweave.model.attention.additive import AdditiveScorer
from seqweave.model.attention.base import AttentionState


class Coverage(nn.Linear):
    """`w c`, to be added inside the tanh; c is the sum of all earlier weights of a position (See et al. 2017, eq. 10).

    Tu et al. 2016 have more general forms.
    """

    def __init__(self, size: int):
        super().__init__(1, size, bias=False)

    def initial_state(self, mask: Tensor, dtype: torch.dtype) -> AttentionState:
        """Zeros. Shape: mask (B, S) -> `coverage` (B, S)."""
        return {"coverage": torch.zeros(mask.shape, dtype=dtype, device=mask.device)}

    def next_state(self, state: AttentionState, weights: Tensor) -> AttentionState:
        """The weights are added. Shape: (R, S) -> `coverage` (R, S)."""
        return {"coverage": state["coverage"] + weights}

    def term(self, state: AttentionState, dtype: torch.dtype) -> Tensor:
        """`w c` in a type. Shape: `coverage` (G, Q, S) -> (G, Q, S, A)."""
        term: Tensor = self(state["coverage"].to(dtype)[..., None])  # (G, Q, S, A)
        return term


class CoverageScorer(nn.Module):
    """`score = v . tanh(W q + U k + w c)` (See et al. 2017, eq. 11), of a query, a key and the `Coverage`.

    The scores of a step depend on the weights of the steps before, so this attention runs position by position, also
    with teacher forcing.

    Args:
        additive: W, U and v.
        size: its width (A).
    """

    def __init__(self, additive: AdditiveScorer, size: int):
        super().__init__()
        self.additive = additive
        self.coverage = Coverage(size)

    def keys(self, values: Tensor) -> Tensor:
        """Shape: (G, S, E) -> (G, S, A)."""
        return self.additive.keys(values)

    def form(self) -> None:
        """The fast paths do not know earlier weights."""

    def initial_state(self, mask: Tensor, dtype: torch.dtype) -> AttentionState:
        """Of the coverage."""
        return self.coverage.initial_state(mask, dtype)

    def next_state(self, state: AttentionState, weights: Tensor) -> AttentionState:
        """Of the coverage."""
        return self.coverage.next_state(state, weights)

    def states_ahead(self, state: AttentionState, positions: int) -> None:
        """They depend on the weights."""

    def forward(self, query: Tensor, keys: Tensor, state: AttentionState) -> Tensor:
        """Shape: query (G, Q, H), keys (G, S, A), `coverage` (G, Q, S) -> (G, Q, S)."""
        return self.additive.score(self.additive.sums(query, keys) + self.coverage.term(state, query.dtype))
