"""Windows: which source positions attention may look at (Luong et al. 2015, section 3.2).

A window is 2D + 1 positions around a centre, whatever the scorer says of them. Positions count from 1, as
in the paper. Where the window crosses an end of the source, what is outside is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from seqweave.config import AttentionWindow
from seqweave.model.attention.base import AttentionState, Inside, Memoryless, Window


class MonotonicWindow(nn.Module):
    """`local-m`: the centre of step t is t itself.

    Steps beyond the source's end keep its last position as their centre (the paper says nothing of them).
    """

    def __init__(self, reach: int):
        super().__init__()
        self.reach = reach

    def initial_state(self, mask: Tensor, dtype: torch.dtype) -> AttentionState:
        """The target positions so far: none. Shape: mask (B, S) -> `position` (B,)."""
        return {"position": mask.new_zeros(mask.shape[0], dtype=torch.long)}

    def next_state(self, state: AttentionState, weights: Tensor) -> AttentionState:
        """One more. Shape: -> `position` (R,)."""
        return {"position": state["position"] + 1}

    def states_ahead(self, state: AttentionState, positions: int) -> AttentionState:
        """They count on. Shape: `position` (B,) -> (B, T)."""
        first = state["position"]
        return {"position": first[:, None] + torch.arange(positions, device=first.device)}

    def forward(self, query: Tensor, mask: Tensor, state: AttentionState) -> Inside:
        """Shape: see `Window`."""
        centre = torch.minimum(state["position"] + 1, mask.sum(1)[:, None])  # (G, Q)
        return _around(centre, mask, self.reach), None


class PredictiveWindow(Memoryless):
    """`local-p`: the centre is predicted, `p = S sigmoid(v . tanh(W q))` (eq. 9), from 0 to S.

    The weights inside are multiplied by a Gaussian of deviation D / 2 around p (eq. 10), so they sum to 1
    or less. The window is 2D + 1 whole positions around p rounded to the nearest one (halves to the even one), while
    the Gaussian stands at p itself. The paper's window, [p - D, p + D], may begin and end between two positions.
    """

    def __init__(self, query_size: int, reach: int):
        super().__init__()
        self.reach = reach
        self.project = nn.Linear(query_size, query_size, bias=False)
        self.direction = nn.Linear(query_size, 1, bias=False)
        for part in (self.project, self.direction):
            nn.init.xavier_uniform_(part.weight)

    def centre(self, query: Tensor, mask: Tensor) -> Tensor:
        """The predicted positions p. Shape: (G, Q, H), (G, S) -> (G, Q), float32 or wider."""
        hidden = torch.tanh(self.project(query))  # (G, Q, H)
        weight = self.direction.weight[0]
        share = (hidden.to(weight.dtype) * weight).sum(-1).sigmoid()  # (G, Q): bf16 could not tell positions apart
        return share * mask.sum(1)[:, None]

    def forward(self, query: Tensor, mask: Tensor, state: AttentionState) -> Inside:
        """Shape: see `Window`."""
        centre = self.centre(query, mask)  # (G, Q)
        distance = _positions(mask) - centre[..., None]  # (G, Q, S)
        factor = torch.exp(-2 * (distance / self.reach).square())  # (G, Q, S): sigma is D / 2
        return _around(centre.round(), mask, self.reach), factor


def build_window(kind: AttentionWindow, query_size: int, reach: int) -> Window | None:
    """The window of a name, `reach` positions (D) to each side; None for `global`.

    Raises:
        ValueError: where there is none of this name.
    """
    if kind not in WINDOWS:
        raise ValueError(f"no window is called {kind}; there are {', '.join(WINDOWS)}")
    return WINDOWS[kind](query_size, reach)


def _around(centre: Tensor, mask: Tensor, reach: int) -> Tensor:
    """Shape: centre (G, Q), mask (G, S) -> (G, Q, S) bool."""
    near = (_positions(mask) - centre[..., None]).abs() <= reach  # (G, Q, S)
    return near & mask[:, None]


def _positions(mask: Tensor) -> Tensor:
    """1 to S. Shape: (S,)."""
    return torch.arange(1, mask.shape[1] + 1, device=mask.device)


WINDOWS: Mapping[AttentionWindow, Callable[[int, int], Window | None]] = {
    "global": lambda query_size, reach: None,
    "local_m": lambda query_size, reach: MonotonicWindow(reach),
    "local_p": PredictiveWindow,
}
