"""The losses, summed over real target positions: cross-entropy with label smoothing, entmax-1.5; coverage."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from seqweave.model.kernels.cross_entropy import summed_cross_entropy
from seqweave.model.output.entmax import entmax15_losses
from seqweave.text.vocabulary import PAD


def summed_loss(
    logits: Tensor, target_out: Tensor, label_smoothing: float = 0.0, vocabulary_size: int | None = None
) -> Tensor:
    """Negative log-likelihood in nats, summed over real positions.

    The caller divides by the count of real positions of the whole step, over all its batches and
    processes, so that accumulation and more processes change nothing.

    Smoothing spreads a share of the probability evenly over the vocabulary (Szegedy et al. 2016,
    section 7): over the first `vocabulary_size` columns where a model that copies has more.

    Shape: logits (B, T, V), target_out (B, T) -> ().
    """
    if label_smoothing and vocabulary_size is not None:
        return _partly_smoothed(logits, target_out, label_smoothing, vocabulary_size)
    flat, wanted = logits.flatten(0, 1), target_out.flatten()  # (B * T, V), (B * T,)
    if logits.device.type == "cpu":
        return summed_cross_entropy(flat, wanted, PAD, label_smoothing)
    return functional.cross_entropy(
        flat.float(), wanted, ignore_index=PAD, reduction="sum", label_smoothing=label_smoothing
    )


def summed_entmax15_loss(logits: Tensor, target_out: Tensor) -> Tensor:
    """The loss of entmax-1.5 (`seqweave.model.output.entmax`), summed over real positions as `summed_loss` is.

    Not a log-likelihood: it is finite, also where the target's probability is 0.

    Shape: logits (B, T, V), target_out (B, T) -> ().
    """
    flat, wanted = logits.flatten(0, 1), target_out.flatten()  # (B * T, V), (B * T,)
    return entmax15_losses(flat, wanted).masked_fill(wanted == PAD, 0).sum()


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


def _partly_smoothed(logits: Tensor, target_out: Tensor, label_smoothing: float, size: int) -> Tensor:
    """As `summed_loss`: columns from `size` on may be impossible (-inf), and get no share of the smoothing.

    Shape: logits (B, T, V + S), target_out (B, T) -> ().
    """
    wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
    log_probs = logits.log_softmax(-1, dtype=wide).flatten(0, 1)  # (B * T, V + S)
    taken = functional.nll_loss(log_probs, target_out.flatten(), ignore_index=PAD, reduction="sum")
    spread = -log_probs[:, :size].mean(1).masked_fill(target_out.flatten() == PAD, 0).sum()
    return (1 - label_smoothing) * taken + label_smoothing * spread
