"""entmax-1.5: probabilities some of which are exactly 0, in the place of softmax, and the loss that trains them.

Peters, Niculae & Martins (2019), section 3. With z = logits / 2:

    p_i = max(z_i - tau, 0)^2, with the tau that makes them sum to 1
    L   = sum_i p_i logits_i - logits_y + (1 - sum_i p_i^1.5) / 0.75

L is 0 where p_y = 1, and its derivative by the logits is p - e_y, as that of cross-entropy with softmax. The
library `entmax` finds tau exactly, by sorting.

Deviation: `<pad>` and `<bos>`, which are no items of an output, are left out before the rest is normalised. So
something else is always possible, whatever a model thinks of them.

What this leaves out: other alphas, and sparse attention.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from seqweave.errors import ConfigError
from seqweave.model.input.one_hot import OneHotInput
from seqweave.model.output.base import Output
from seqweave.model.state import Decoded, DecoderState, Memory
from seqweave.text.vocabulary import BOS, PAD

_SORTED = 128  # logits that are sorted first; where more have a probability, the library goes on
_NEVER = -1e9  # far below every logit, but finite: 0 times it is 0


class EntmaxOutput(Output):
    """Logits in training mode; in evaluation mode the logarithms of the probabilities, -inf where one is 0."""

    sparse = True

    def forward(self, decoded: Decoded, embedded: Tensor | OneHotInput, memory: Memory) -> Tensor:
        """Shape: as `Output.forward`."""
        return self._normalized(super().forward(decoded, embedded, memory))

    def step(self, decoded: Decoded, embedded: Tensor, state: DecoderState) -> Tensor:
        """Shape: as `Output.step`."""
        return self._normalized(super().step(decoded, embedded, state))

    def loss(self, logits: Tensor, target_out: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """As `summed_entmax15_loss`; smoothing has no part in it, and `seqweave.config.checks` refuses it."""
        return summed_entmax15_loss(logits, target_out)

    def _normalized(self, logits: Tensor) -> Tensor:
        return logits if self.training else log_entmax15(logits)


def summed_entmax15_loss(logits: Tensor, target_out: Tensor) -> Tensor:
    """The loss of entmax-1.5, summed over real positions.

    Not a log-likelihood: it is finite, also where the target's probability is 0.

    Shape: logits (B, T, V), target_out (B, T) -> ().
    """
    flat, wanted = logits.flatten(0, 1), target_out.flatten()  # (B * T, V), (B * T,)
    return entmax15_losses(flat, wanted).masked_fill(wanted == PAD, 0).sum()


def entmax_library() -> Any:
    """The module `entmax`, an optional dependency.

    Raises:
        ConfigError: when it is not installed.
    """
    try:
        import entmax
    except ImportError:
        raise ConfigError(
            "model.output=entmax15 needs the library entmax, which is not installed: "
            'install it with pip install "seqweave[entmax]", or leave model.output at softmax'
        ) from None
    return entmax


def log_entmax15(logits: Tensor) -> Tensor:
    """Logarithms of the probabilities, -inf where one is 0; a softmax of them leaves them as they are.

    A row with NaN or infinity gives NaN. Shape: (..., V) -> (..., V), float32 or wider.
    """
    possible, broken = _possible(logits)
    probabilities: Tensor = entmax_library().entmax15(possible, dim=-1, k=_SORTED)  # (..., V)
    # The derivative of log(0) must not meet the zeros that come back: infinity times 0 is NaN.
    positive = probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny)
    log_probs = torch.where(probabilities > 0, positive.log(), -math.inf)
    return log_probs.masked_fill(broken, math.nan)


def entmax15_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each row; NaN where the logits are not finite. Shape: (N, V), (N,) -> (N,), float32 or wider."""
    possible, broken = _possible(logits)
    losses: Tensor = entmax_library().entmax15_loss(possible, targets, k=_SORTED)  # (N,)
    # Times NaN, and not filled with it: the gradient is to be NaN as well, so that the update is skipped.
    return losses * torch.where(broken[:, 0], math.nan, 1.0).to(losses.dtype)


def _possible(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Logits without `<pad>` and `<bos>`, and which rows are not finite; those are zeros. Shape: (..., V), (..., 1).

    The library has no answer to NaN but an index out of bounds.
    """
    wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
    broken = ~logits.isfinite().all(-1, keepdim=True)
    possible = logits.to(wide, copy=True)
    with torch.no_grad():  # the gradient passes: it is 0 for the two, and that of a broken row must not be lost
        possible.masked_fill_(broken, 0.0)
        possible[..., PAD : BOS + 1 : BOS - PAD] = _NEVER  # both at once
    return possible, broken
