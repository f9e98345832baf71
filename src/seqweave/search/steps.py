"""What greedy and beam search share: log-probabilities of a step, and the batch as sentences leave it."""

from __future__ import annotations

import torch
from torch import Tensor

from seqweave.errors import ConfigError
from seqweave.text.vocabulary import BOS, PAD

_GPU_STEPS_BETWEEN_CHECKS = 4


def working_dtype(device: torch.device) -> torch.dtype:
    """The type in which log-probabilities are summed: float64, where the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


def next_log_probs(logits: Tensor) -> Tensor:
    """Normalise logits over the whole vocabulary, then make `<pad>` and `<bos>` impossible.

    The order matters: a searched log-probability must equal that of forced decoding.

    Shape: (R, V) -> (R, V), a new tensor, float32 or wider.
    """
    wide = logits.dtype if logits.dtype == torch.float64 else torch.float32
    log_probs = torch.log_softmax(logits, 1, dtype=wide)
    log_probs[:, PAD : BOS + 1 : BOS - PAD] = float("-inf")  # both at once
    return log_probs


def checked_limits(max_lengths: Tensor) -> list[int]:
    """Maximum lengths (B,) as numbers of the host.

    Raises:
        ConfigError: when one is below 1.
    """
    limits = [int(limit) for limit in max_lengths.tolist()]
    if limits and min(limits) < 1:
        raise ConfigError(f"a maximum length must be 1 or more, but it is {min(limits)}: raise search.max_length")
    return limits


def checks_after(step: int, limits: list[int], device: torch.device) -> bool:
    """Whether the host looks after this step at what is done.

    Sentences which are done change no more, so looking late costs time only; a GPU is made to
    wait by each look.
    """
    return device.type == "cpu" or step % _GPU_STEPS_BETWEEN_CHECKS == 0 or step + 1 == max(limits)


class BatchMap:
    """Which sentences of the call are still in the batch."""

    def __init__(self, count: int, device: torch.device):
        self.sentences = torch.arange(count, device=device)  # (sentences in the batch,)

    def should_shrink(self, gone: int, one_in: int = 4) -> bool:
        """Whether enough sentences are done for a smaller batch to pay for the copy: one in so many."""
        return 0 < len(self.sentences) <= gone * one_in

    def shrink(self, done: Tensor) -> Tensor:
        """Let the sentences that are done leave; gives the indices of those that stay."""
        stay = torch.nonzero(~done)[:, 0]
        self.sentences = self.sentences[stay]
        return stay
