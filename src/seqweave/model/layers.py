"""What encoders and decoders of every kind share: masks from lengths, turning round, dropout over sequences."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqweave.model.kernels.dropout import dropout_factors


def mask_of(lengths: Tensor, size: int) -> Tensor:
    """True at real positions. Shape: lengths (B,) -> (B, size)."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]  # (B, size)


def reverse_by_length(values: Tensor, lengths: Tensor) -> Tensor:
    """Turn each sequence round within its own length; padding stays behind. Shape: (B, S, ...) -> same."""
    positions = torch.arange(values.shape[1], device=values.device)  # (S,)
    mirrored = lengths[:, None] - 1 - positions  # (B, S)
    index = torch.where(mirrored >= 0, mirrored, positions)  # (B, S)
    if values.dim() == 2:
        return values.gather(1, index)
    return values.gather(1, index[..., None].expand_as(values))


class SequenceDropout(nn.Module):
    """Dropout on (..., T, X); with `variational`, one mask for all T positions, after Gal & Ghahramani (2016).

    They also mask the recurrent states; here only inputs and outputs of layers are masked.
    """

    def __init__(self, probability: float, variational: bool = False):
        super().__init__()
        self.probability = probability
        self.variational = variational

    def forward(self, values: Tensor) -> Tensor:
        """Shape: (B, T, X) -> (B, T, X)."""
        factors = self.factors(values.shape[0], values.shape[1], values.shape[2], values)
        return values if factors is None else values * factors

    def factors(self, rows: int, positions: int, size: int, like: Tensor) -> Tensor | None:
        """What to multiply with, in the type of `like`: (B, T, X), (B, 1, X) if variational, None for all ones."""
        if not self.training or self.probability == 0:
            return None
        return dropout_factors(self.probability, (rows, 1 if self.variational else positions, size), like)
