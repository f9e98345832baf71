"""The penalties of Wu et al. (2016), eq. 14, for length and coverage: what a hypothesis is ranked by where it stops.

    s(Y, X)  = log P(Y | X) / lp(Y) + cp(X; Y)
    lp(Y)    = (5 + |Y|)^alpha / (5 + 1)^alpha
    cp(X; Y) = beta * sum_i log(min(sum_j p_ij, 1))

p_ij is the attention of step j on source position i, over the positions of the source and the steps of the
output, `<eos>` counted: outputs that look at all of the source score higher. Live hypotheses of one step are compared
by log-probability alone.

Deviation: a position that got less than `LEAST` in all counts as having got that, because one position
without any weight would make every score minus infinity.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from seqweave.errors import ConfigError
from seqweave.search.found import Found
from seqweave.search.options import SearchOptions
from seqweave.search.steps import working_dtype

LEAST = 1e-4
Number = TypeVar("Number", float, Tensor, np.ndarray[Any, Any])


def length_normalised(log_prob: Number, length: Number | int, alpha: float) -> Number:
    """Divide a log-probability by the length penalty lp(Y); |Y| counts `<eos>`. `alpha` 0 leaves it as it is."""
    penalty: Number | float = ((5 + length) / 6) ** alpha
    return log_prob / penalty


def coverage_term(attention: np.ndarray[Any, Any], beta: float) -> float:
    """beta * sum_i log(min(sum_j p_ij, 1)) of one output. Shape: attention (T, S), no padding."""
    sums = attention.astype(np.float64).sum(0)  # (T, S) -> (S,)
    return beta * float(np.log(np.clip(sums, LEAST, 1.0)).sum())


class Coverage:
    """What the live hypotheses of a batch have looked at so far; with `beta` 0 nothing is kept.

    Args:
        source_lengths: items of each source. Shape: (B,).
        width: source positions S of the batch.
        beta: weight of the penalty.
    """

    def __init__(self, source_lengths: Tensor, width: int, beta: float):
        device = source_lengths.device
        self._beta = beta
        self._real = torch.arange(width, device=device) < source_lengths.unsqueeze(1)  # (B, S)
        self._sums = torch.zeros(self._real.shape, dtype=working_dtype(device), device=device)  # (R, S)

    def add(self, attention: Tensor | None) -> Tensor | None:
        """Follow a step; gives the penalty of each hypothesis if it stopped here. Shape: (R, S) -> (B, W).

        Raises:
            ConfigError: when there is no attention.
        """
        if not self._beta:
            return None
        if attention is None:
            raise no_attention()
        self._sums = self._sums + attention
        groups = self._sums.view(len(self._real), -1, self._sums.shape[1])  # (R, S) -> (B, W, S)
        logs = groups.clamp(LEAST, 1.0).log().masked_fill(~self._real.unsqueeze(1), 0.0)
        return self._beta * logs.sum(2)

    def follow(self, rows: Tensor, size: int) -> None:
        """Rows live on as those chosen, (B * size,) of `Chosen.rows`; the first step makes `size` of each."""
        if not self._beta:
            return
        if len(self._sums) < len(rows):
            rows = rows // size
        self._sums = self._sums.index_select(0, rows)

    def keep(self, stay: Tensor, size: int) -> None:
        """Sentences leave; those at the given indices stay."""
        if not self._beta:
            return
        self._real = self._real[stay]
        self._sums = self._sums.view(-1, size, self._sums.shape[1])[stay].flatten(0, 1)


def with_coverage(found: Sequence[Found], source_lengths: Tensor, options: SearchOptions) -> list[Found]:
    """Outputs with the coverage penalty in their scores, one of each source; attention only where it is asked for.

    Raises:
        ConfigError: when there is a penalty and no attention.
    """
    if not options.coverage_penalty:
        return list(found)
    result = []
    for one, length in zip(found, source_lengths.tolist(), strict=True):
        if one.attention is None:
            raise no_attention()
        score = one.score + coverage_term(one.attention[:, :length], options.coverage_penalty)
        kept = one.attention if options.return_attention else None
        result.append(dataclasses.replace(one, score=score, attention=kept))
    return result


def needs_attention(options: SearchOptions) -> bool:
    """Whether a search must ask for attention, to show it or for the coverage penalty."""
    return options.return_attention or options.coverage_penalty > 0


def no_attention() -> ConfigError:
    """The error for a model that looks nowhere."""
    return ConfigError(
        "search.coverage_penalty needs a model with attention, but this one has none: set search.coverage_penalty=0"
    )
