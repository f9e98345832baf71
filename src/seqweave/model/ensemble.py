"""Several networks as one, behind the same contract: their probabilities are averaged at every step.

The arithmetic mean of probabilities, p(item) = 1/N sum_n p_n(item), not that of log-probabilities. Sutskever et
al. (2014), section 3.6, use ensembles; this mean is our choice. What is given as logits is the logarithm of
the mean, which the softmax leaves as it is. Architectures may differ; vocabularies must not. Attention is
the mean over the members that have any.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seqweave.model.state import DecoderOutput, StepOutput


@dataclass(frozen=True)
class EnsembleState:
    """The states of all members between two steps, moved together."""

    members: tuple[Any, ...]

    def select(self, rows: Tensor) -> EnsembleState:
        """Any rows, any number of them."""
        return EnsembleState(tuple(state.select(rows) for state in self.members))

    def expand(self, width: int) -> EnsembleState:
        """Repeat each row `width` times, next to each other."""
        return EnsembleState(tuple(state.expand(width) for state in self.members))

    def reorder(self, rows: Tensor) -> EnsembleState:
        """Rows trade places within their sentence."""
        return EnsembleState(tuple(state.reorder(rows) for state in self.members))

    def keep(self, sentences: Tensor) -> EnsembleState:
        """Whole sentences leave; those at the given indices stay."""
        return EnsembleState(tuple(state.keep(sentences) for state in self.members))


class Ensemble(nn.Module):
    """Networks as one, for a `Model` and for search.

    Args:
        members: networks with the same vocabularies, at least one; each has `encode`, `decode`, `start` and `step`.
            Those which are modules, and not optimized for decoding, are its submodules.

    Attributes:
        networks: the members, in order.
    """

    def __init__(self, members: Sequence[Any]):
        super().__init__()
        self.networks = tuple(members)
        self.members = nn.ModuleList(member for member in members if isinstance(member, nn.Module))

    def encode(self, source: Tensor, source_lengths: Tensor, source_copies: Tensor | None = None) -> tuple[Any, ...]:
        """Every member reads the sources; shapes as in `Seq2Seq.encode`."""
        return tuple(network.encode(source, source_lengths, source_copies) for network in self.networks)

    def start(self, encoded: tuple[Any, ...]) -> EnsembleState:
        """The state before the first step, one row for each sentence."""
        pairs = zip(self.networks, encoded, strict=True)
        return EnsembleState(tuple(network.start(one) for network, one in pairs))

    def decode(self, target_in: Tensor, encoded: tuple[Any, ...], return_attention: bool = False) -> DecoderOutput:
        """Teacher forcing. Shape: target_in (B, T) ids -> logits (B, T, V), attention (B, T, S)."""
        pairs = zip(self.networks, encoded, strict=True)
        outputs = [network.decode(target_in, one, return_attention) for network, one in pairs]
        logits = mean_logits([output.logits for output in outputs])
        return DecoderOutput(logits, _mean([output.attention for output in outputs]))

    def step(self, ids: Tensor, state: EnsembleState, return_attention: bool = False) -> StepOutput[EnsembleState]:
        """Free running, one item for each row. Shape: ids (R,) -> logits (R, V), attention (R, S)."""
        pairs = zip(self.networks, state.members, strict=True)
        outputs = [network.step(ids, one, return_attention) for network, one in pairs]
        return StepOutput(
            mean_logits([output.logits for output in outputs]),
            EnsembleState(tuple(output.state for output in outputs)),
            _mean([output.attention for output in outputs]),
        )


def mean_logits(logits: Sequence[Tensor]) -> Tensor:
    """The logarithm of the mean of the probabilities. Shape: each (..., V) -> (..., V), float32 or wider."""
    wide = torch.float64 if any(one.dtype == torch.float64 for one in logits) else torch.float32
    log_probs = torch.stack([one.log_softmax(-1, dtype=wide) for one in logits])  # (N, ..., V)
    return log_probs.logsumexp(0) - math.log(len(logits))


def _mean(attention: Sequence[Tensor | None]) -> Tensor | None:
    there = [one for one in attention if one is not None]
    return torch.stack(there).mean(0) if there else None
