"""A softmax over the vocabulary, and its loss: cross-entropy with label smoothing."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from seqweave.model.kernels.cross_entropy import summed_cross_entropy
from seqweave.model.output.base import Output
from seqweave.text.vocabulary import PAD


class SoftmaxOutput(Output):
    """Logits whose softmax are the probabilities."""

    def loss(self, logits: Tensor, target_out: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """As `summed_loss`."""
        return summed_loss(logits, target_out, label_smoothing)


def summed_loss(logits: Tensor, target_out: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Negative log-likelihood in nats, summed over real positions.

    Smoothing spreads a share of the probability evenly over the vocabulary (Szegedy et al. 2016, section 7).

    Shape: logits (B, T, V), target_out (B, T) -> ().
    """
    flat, wanted = logits.flatten(0, 1), target_out.flatten()  # (B * T, V), (B * T,)
    if logits.device.type == "cpu":
        return summed_cross_entropy(flat, wanted, PAD, label_smoothing)
    return functional.cross_entropy(
        flat.float(), wanted, ignore_index=PAD, reduction="sum", label_smoothing=label_smoothing
    )
