"""The loss that comes beside the output's own (`seqweave.model.output`): coverage."""

from __future__ import annotations

from torch import Tensor

from seqweave.text.vocabulary import PAD


def coverage_loss(weights: Tensor, target_out: Tensor) -> Tensor:
    """What attention looks at again, summed over real target positions (See et al. 2017, eq. 12).

    At each position the sum over the source of the smaller of its weight and the sum of its earlier weights,
    from 0 to 1.

    Shape: weights (B, T, S), target_out (B, T) -> ().
    """
    weights = weights.float()
    before = weights.cumsum(1) - weights  # (B, T, S)
    again = weights.minimum(before).sum(2)  # (B, T)
    return again.masked_fill(target_out == PAD, 0).sum()
