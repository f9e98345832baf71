"""How a Transformer knows positions: sinusoids, learned vectors, or rotations.

Each has the same two methods: calling it adds positions to embedded items, and `rotation` gives what
self-attention turns queries and keys by (nothing, but for `RotaryPositions`). Positions count from 0,
unless `places` (B, T), each at most T, say where the items of each row stand.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from seqweave.config import PositionKind
from seqweave.errors import LimitError

Rotation = tuple[Tensor, Tensor]  # cosines and sines, each (T, D / 2), or (B, 1, T, D / 2) with places
_BASE = 10000.0


class Positions(Protocol):
    """The role of positions."""

    def __call__(self, embedded: Tensor, first: int = 0, places: Tensor | None = None) -> Tensor:
        """Add positions from `first` on. Shape: (B, T, M) -> (B, T, M)."""
        ...

    def rotation(self, first: int, count: int, like: Tensor, places: Tensor | None = None) -> Rotation | None:
        """What `rotate` turns queries and keys at `count` positions by, on the device of `like`."""
        ...


def angles(first: int, count: int, size: int, like: Tensor) -> Tensor:
    """`position / 10000^(2 i / size)` (Vaswani et al. 2017, section 3.5; Su et al. 2021, eq. 15).

    Shape: (count, ceil(size / 2)), in float32 or wider.
    """
    wide = torch.promote_types(like.dtype, torch.float32)
    position = torch.arange(first, first + count, device=like.device, dtype=wide)  # (T,)
    pair = torch.arange(0, size, 2, device=like.device, dtype=wide)  # (ceil(size / 2),)
    return position[:, None] / _BASE ** (pair / size)  # (T, ceil(size / 2))


def rotate(values: Tensor, rotation: Rotation) -> Tensor:
    """Turn each pair of neighbouring numbers by its position's angle (Su et al. 2021, eq. 34).

    Shape: values (..., T, D), rotation (T, D / 2) each -> (..., T, D).
    """
    cosine, sine = rotation
    first, second = values.unflatten(-1, (-1, 2)).unbind(-1)  # (..., T, D / 2)
    turned = torch.stack([first * cosine - second * sine, second * cosine + first * sine], -1)  # (..., T, D / 2, 2)
    return turned.flatten(-2).to(values.dtype)  # (..., T, D)


class SinusoidalPositions(nn.Module):
    """Adds sines at even and cosines at odd numbers (Vaswani et al. 2017, section 3.5); any length."""

    def forward(self, embedded: Tensor, first: int = 0, places: Tensor | None = None) -> Tensor:
        """Shape: (B, T, M) -> (B, T, M)."""
        size = embedded.shape[2]
        count = embedded.shape[1] + (places is not None)
        turns = angles(first, count, size, embedded)  # (T, ceil(M / 2))
        waves = torch.stack([turns.sin(), turns.cos()], -1).flatten(1)[:, :size]  # (T, M)
        if places is not None:
            waves = waves[places]  # (B, T, M)
        return embedded + waves.to(embedded.dtype)

    def rotation(self, first: int, count: int, like: Tensor, places: Tensor | None = None) -> Rotation | None:
        """Nothing is turned."""
        return None


class LearnedPositions(nn.Module):
    """Adds a learned vector for each of `count` positions (Gehring et al. 2017, section 3.1).

    Args:
        count: positions it can tell apart.
        size: their width (M).
        side: `source` or `target`, for the error.
    """

    def __init__(self, count: int, size: int, side: str):
        super().__init__()
        # As large as sinusoids are, on average.
        self.weight = nn.Parameter(torch.randn(count, size) * 0.5**0.5)
        self.side = side

    def forward(self, embedded: Tensor, first: int = 0, places: Tensor | None = None) -> Tensor:
        """Shape: (B, T, M) -> (B, T, M).

        Raises:
            LimitError: beyond the last learned position.
        """
        known, needed = self.weight.shape[0], first + embedded.shape[1] + (places is not None)
        if needed > known:
            raise LimitError(
                f"a {self.side} must have no more than {known} positions, which is what this model has learned "
                f"(model.max_positions), but it has {needed}: shorten it, or train a model with a larger "
                "model.max_positions or with model.positions=sinusoidal"
            )
        return embedded + (self.weight[first:needed] if places is None else self.weight[places])

    def rotation(self, first: int, count: int, like: Tensor, places: Tensor | None = None) -> Rotation | None:
        """Nothing is turned."""
        return None


class RotaryPositions(nn.Module):
    """Adds nothing; queries and keys are turned, so that scores depend on distances (Su et al. 2021, section 3.2).

    Args:
        head_size: width of a head (D), even.
    """

    def __init__(self, head_size: int):
        super().__init__()
        self.head_size = head_size

    def forward(self, embedded: Tensor, first: int = 0, places: Tensor | None = None) -> Tensor:
        """The embedded items as they are. Shape: (B, T, M) -> (B, T, M)."""
        return embedded

    def rotation(self, first: int, count: int, like: Tensor, places: Tensor | None = None) -> Rotation:
        """Cosines and sines. Shape: each (T, D / 2)."""
        turns = angles(first, count + (places is not None), self.head_size, like)  # (T, D / 2)
        if places is not None:
            turns = turns[places][:, None]  # (B, 1, T, D / 2)
        return turns.cos(), turns.sin()


def build_positions(kind: PositionKind, size: int, heads: int, count: int, side: str) -> Positions:
    """The positions of a name; `count` is how many `learned` knows."""
    match kind:
        case "sinusoidal":
            return SinusoidalPositions()
        case "learned":
            return LearnedPositions(count, size, side)
        case "rotary":
            return RotaryPositions(size // heads)
