"""The coverage penalty of Wu et al. (2016), eq. 14: outputs that look at all of the source score higher.

    cp(X; Y) = beta * sum_i log(min(sum_j p_ij, 1))

p_ij is the attention of step j on source position i, over the positions of the source and the steps of the
output, `<eos>` counted. It is added to the length-normalised log-probability where a hypothesis stops; live
hypotheses of one step are compared by log-probability alone, as for the length penalty.

Deviation: a position that got less than `LEAST` in all counts as having got that, because one position
without any weight would make every score minus infinity.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from seqweave.errors import ConfigError
from seqweave.search.contract import Found
from seqweave.search.steps import working_dtype

LEAST = 1e-4


class Penalties(TypedDict):
    """What enters a score besides the log-probability, by the names of the arguments of every search."""

    length_penalty: float
    coverage_penalty: float


def coverage_term(attention: np.ndarray[Any, Any], beta: float) -> float:
    """beta * sum_i log(min(sum_j p_ij, 1)) of one output. Shape: attention (T, S), no padding."""
    sums = attention.astype(np.float64).sum(0)  # (T, S) -> (S,)
    return beta * float(np.log(np.clip(sums, LEAST, 1.0)).sum())


class Coverage:
    """What the live hypotheses of a batch have looked at so far.

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

    def add(self, attention: Tensor | None) -> Tensor:
        """Follow a step; gives the penalty of each hypothesis if it stopped here. Shape: (R, S) -> (B, W).

        Raises:
            ConfigError: when there is no attention.
        """
        if attention is None:
            raise no_attention()
        self._sums = self._sums + attention
        groups = self._sums.view(len(self._real), -1, self._sums.shape[1])  # (R, S) -> (B, W, S)
        logs = groups.clamp(LEAST, 1.0).log().masked_fill(~self._real.unsqueeze(1), 0.0)
        return self._beta * logs.sum(2)

    def follow(self, rows: Tensor, size: int) -> None:
        """Rows live on as those chosen, (B * size,) of `Chosen.rows`; the first step makes `size` of each."""
        if len(self._sums) < len(rows):
            rows = rows // size
        self._sums = self._sums.index_select(0, rows)

    def keep(self, stay: Tensor, size: int) -> None:
        """Sentences leave; those at the given indices stay."""
        self._real = self._real[stay]
        self._sums = self._sums.view(-1, size, self._sums.shape[1])[stay].flatten(0, 1)


def with_coverage(found: Sequence[Found], source_lengths: Tensor, beta: float, keep_attention: bool) -> list[Found]:
    """Outputs with the penalty in their scores, one of each source; attention is dropped unless asked for.

    Raises:
        ConfigError: when there is no attention.
    """
    result = []
    for one, length in zip(found, source_lengths.tolist(), strict=True):
        if one.attention is None:
            raise no_attention()
        score = one.score + coverage_term(one.attention[:, :length], beta)
        result.append(dataclasses.replace(one, score=score, attention=one.attention if keep_attention else None))
    return result


def no_attention() -> ConfigError:
    """The error for a model that looks nowhere."""
    return ConfigError(
        "search.coverage_penalty needs a model with attention, but this one has none: set search.coverage_penalty=0"
    )
