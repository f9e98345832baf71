"""Sampling: each item drawn from the model's distribution, sharpened by temperature and cut to its head.

The distribution of a step is, in this order: softmax(logits / temperature); its `top_k` most probable
items; of these the fewest whose probability reaches `top_p` (the nucleus; Holtzman et al. 2020, eq. 2).
What a hypothesis is scored by stays the model's own log-probability, with none of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqweave.data.source_batch import SourceBatch
from seqweave.search.chances import chances_of
from seqweave.search.contract import Searchable
from seqweave.search.found import Found, StepFilter
from seqweave.search.greedy import one_each
from seqweave.search.options import SearchOptions
from seqweave.search.steps import checked_limits, working_dtype


def sample_search(
    model: Searchable,
    source: SourceBatch,
    max_lengths: Tensor,
    options: SearchOptions,
    filters: Sequence[StepFilter] = (),
    draw: int = 0,
) -> list[Found]:
    """Draw one hypothesis for each source; finished sentences leave the batch.

    A sentence's draws depend on the seed, `draw` and its own items only: neither on its place nor on its
    company in the batch. So the same source twice gives the same output twice; another `draw` is another one.

    Shape: max_lengths (B,): most positions, `<eos>` counted.

    Raises:
        ConfigError: when a maximum length is below 1, or a coverage penalty has no attention to look at.
        SeqweaveError: when the model gives NaN, or no possible item.
    """
    limits = checked_limits(max_lengths)
    if not limits:
        return []
    drawn = Drawn(_chances(source, limits, options.seed, draw), options)
    return one_each(model, source, max_lengths, options, filters, drawn)


class Drawn:
    """Items drawn by the chances of each sentence and step, (B, T)."""

    one_in = 1 << 31  # the whole vocabulary is sorted for each row: a sentence that is done leaves at once

    def __init__(self, chances: np.ndarray[Any, Any], options: SearchOptions):
        self._chances, self._options = chances, options

    def choose(self, log_probs: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """See `Choice`."""
        # A sentence that is done may still be here; its chances are used up or meaningless.
        chance = torch.from_numpy(self._chances[:, step]).to(log_probs.device)
        ids = draw_items(log_probs, chance, self._options)
        return ids, log_probs.gather(1, ids.unsqueeze(1)).squeeze(1)  # (R, V) -> (R,)

    def keep(self, stay: Tensor) -> None:
        """See `Choice`."""
        self._chances = self._chances[stay.cpu().numpy()]


def draw_items(log_probs: Tensor, chance: Tensor, options: SearchOptions) -> Tensor:
    """Turn a chance in [0, 1) a row into an item: the inverse of the cumulated probabilities, most probable first.

    Shape: log_probs (R, V), -inf where impossible; chance (R,); the result (R,), long.
    """
    ordered = log_probs.to(working_dtype(log_probs.device)).sort(dim=1, descending=True, stable=True)
    values = ordered.values[:, : options.top_k] if options.top_k else ordered.values  # (R, V) -> (R, k)
    # The largest is taken off first, so that no temperature overflows.
    values = values[:, :1] if options.temperature == 0 else (values - values[:, :1]) / options.temperature
    cumulated = values.softmax(1).cumsum(1)  # (R, k)
    before = torch.nn.functional.pad(cumulated[:, :-1], (1, 0))  # probability of all more probable items
    nucleus = (before < options.top_p) & (values > float("-inf"))
    nucleus[:, 0] = True
    kept = nucleus.sum(1, keepdim=True)  # (R, 1); the nucleus is a head of the order
    total = cumulated.gather(1, kept - 1)
    chosen = (cumulated <= chance.unsqueeze(1).to(total.dtype) * total).sum(1, keepdim=True)
    # Rounding may carry the last chance past the end.
    return ordered.indices.gather(1, chosen.minimum(kept - 1)).squeeze(1)


def _chances(source: SourceBatch, limits: list[int], seed: int, draw: int) -> np.ndarray[Any, Any]:
    """Numbers in [0, 1) for each step of each sentence, (B, T), 0 behind its limit."""
    chances = np.zeros((len(limits), max(limits)))
    parts = [part.cpu().numpy() for part in (source.values, source.copies) if part is not None]
    for row, (length, limit) in enumerate(zip(source.lengths.tolist(), limits, strict=True)):
        chances[row, :limit] = chances_of([part[row, :length] for part in parts], limit, seed, draw)
    return chances
