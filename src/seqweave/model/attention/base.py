"""Attention as one function of query, keys and values: scores -> masked softmax -> weights -> context.

A scorer says what a key is (`keys`, computed once for each sentence) and how well a query fits it (called with both).
It has a file of its own, and its name stands in `scorers.py`; windows around a position are in `windows.py`.

What a scorer or a window remembers of earlier steps is its own: it makes the state before the first step and each
next one, as named tensors (`AttentionState`). Whoever carries the states from step to step need not know what is in
them: it may take, repeat and reorder their rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

# What attention remembers, by name: rows first (R, ...) in a decoder's state, grouped by sentence (G, Q, ...) where
# a scorer or window reads it. The names are the same at every step; one without a memory has none.
AttentionState = Mapping[str, Tensor]
Inside = tuple[Tensor, Tensor | None]  # real and in the window (G, Q, S) bool, factors of the weights (G, Q, S) or None
NOTHING: AttentionState = {}


@dataclass(frozen=True)
class ScoreForm:
    """A score in one of the two forms that the fast paths know by heart, of a query q and a value v.

    `q . k`, or with a `direction` `direction . tanh(query q + k)`; in both k = key v + key_bias.

    Attributes:
        key: None where k is the value itself. Shape: (A, E).
        key_bias: Shape: (A,).
        scaled: whether `q . k` is divided by the square root of its width; without `direction` alone.
        query: with `direction`, else None. Shape: (A, H).
        direction: Shape: (A,).
    """

    key: Tensor | None = None
    key_bias: Tensor | None = None
    scaled: bool = False
    query: Tensor | None = None
    direction: Tensor | None = None


class Remembers(Protocol):
    """What scorers and windows have in common: a state from step to step."""

    def initial_state(self, mask: Tensor, dtype: torch.dtype) -> AttentionState:
        """What is remembered before the first step. Shape: mask (B, S) -> each (B, ...).

        `dtype` is that of weights and sums, fp32 or fp64.
        """
        ...

    def next_state(self, state: AttentionState, weights: Tensor) -> AttentionState:
        """What is remembered after a step with these weights. Shape: each (R, ...), weights (R, S) -> each (R, ...)."""
        ...

    def states_ahead(self, state: AttentionState, positions: int) -> AttentionState | None:
        """The states of this step and the next ones, `positions` together; None where they depend on the weights.

        Shape: each (B, ...) -> each (B, T, ...).
        """
        ...


class Scorer(Remembers, Protocol):
    """The role of a scorer."""

    def keys(self, values: Tensor) -> Tensor:
        """What queries are compared with. Shape: values (G, S, E) -> (G, S, A)."""
        ...

    def form(self) -> ScoreForm | None:
        """The score as the fast paths know it; None: they leave this scorer to the readable one."""
        ...

    def __call__(self, query: Tensor, keys: Tensor, state: AttentionState) -> Tensor:
        """Scores before the softmax. Shape: query (G, Q, H), keys (G, S, A), state (G, Q, ...) -> (G, Q, S)."""
        ...


class Window(Remembers, Protocol):
    """The role of a window: which positions may be looked at."""

    def __call__(self, query: Tensor, mask: Tensor, state: AttentionState) -> Inside:
        """Shape: query (G, Q, H), mask (G, S), state (G, Q, ...) -> each (G, Q, S)."""
        ...


class Memoryless(nn.Module):
    """A scorer or window that remembers nothing; a scorer without a fast form."""

    def initial_state(self, mask: Tensor, dtype: torch.dtype) -> AttentionState:
        """Nothing."""
        return NOTHING

    def next_state(self, state: AttentionState, weights: Tensor) -> AttentionState:
        """Nothing."""
        return NOTHING

    def states_ahead(self, state: AttentionState, positions: int) -> AttentionState | None:
        """Nothing, which is known ahead."""
        return NOTHING

    def form(self) -> ScoreForm | None:
        """None."""
        return None


def each(state: AttentionState, change: Callable[[Tensor], Tensor]) -> AttentionState:
    """The same change to all that is remembered."""
    return {name: change(part) for name, part in state.items()}


def state_of(part: str, state: AttentionState) -> AttentionState:
    """What one part remembers, under the names that it knows."""
    start = f"{part}."
    return {name.removeprefix(start): tensor for name, tensor in state.items() if name.startswith(start)}


def joined(states: Mapping[str, AttentionState]) -> AttentionState:
    """What several parts remember together, each under its own name and a dot: no two names meet."""
    return {f"{part}.{name}": tensor for part, state in states.items() for name, tensor in state.items()}


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over real positions; a row without any gives zeros, not NaN.

    Shape: scores (G, Q, S), mask (G, S) or (G, Q, S) True at real positions -> weights (G, Q, S).
    """
    real = mask[:, None] if mask.dim() == 2 else mask  # (G, 1, S) or (G, Q, S)
    lowest = torch.finfo(scores.dtype).min
    weights = scores.masked_fill(~real, lowest).softmax(-1)  # (G, Q, S)
    return weights.masked_fill(~real, 0)


def attend(
    scorer: Scorer,
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor,
    window: Window | None = None,
    state: AttentionState = NOTHING,
) -> tuple[Tensor, Tensor]:
    """Look values up with a query, inside a window where there is one.

    Shape: query (G, Q, H), keys (G, S, A), values (G, S, E), mask (G, S), state (G, Q, ...), of the parts `scorer`
    and `window` (see `joined`) -> context (G, Q, E), weights (G, Q, S).
    """
    scores = scorer(query, keys, state_of("scorer", state))  # (G, Q, S)
    if window is None:
        weights = masked_softmax(scores, mask)  # (G, Q, S)
    else:
        inside, factor = window(query, mask, state_of("window", state))  # (G, Q, S)
        weights = masked_softmax(scores, inside)
        weights = weights if factor is None else weights * factor
    return torch.bmm(weights.to(values.dtype), values), weights  # (G, Q, E)
