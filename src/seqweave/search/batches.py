"""Many sources through a search, in batches of similar length; results come in the order of the sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from seqweave.data.batch import make_batch
from seqweave.data.batching import sequential_batches
from seqweave.data.source import Source
from seqweave.data.source_batch import pad_sources
from seqweave.search.beam import beam_search
from seqweave.search.contract import Searchable
from seqweave.search.filters import Filters
from seqweave.search.found import Found
from seqweave.search.greedy import greedy_search
from seqweave.search.lengths import max_lengths
from seqweave.search.options import SearchOptions
from seqweave.search.sampling import sample_search
from seqweave.search.score import force_score

MOST_LOGITS = 1 << 26
"""Numbers in one tensor of logits, at most: 256 MiB."""
_MOST_PAIRS = 512


@dataclass(frozen=True)
class Batches:
    """How sources are searched, a batch of similar length at a time.

    Attributes:
        options: how.
        filters: what outputs may be.
        device: where the network is.
        target_size: entries of the target vocabulary.
        tell_done: told after each batch of a search how many sources it had.
    """

    options: SearchOptions
    filters: Filters
    device: torch.device
    target_size: int
    tell_done: Callable[[int], None] | None = None

    def find(self, network: Searchable, sources: Sequence[Source]) -> list[list[Found]]:
        """Search or draw for each source; nothing for an empty one.

        Raises:
            SeqweaveError: when the network gives NaN.
        """
        found: list[list[Found]] = [[] for _ in sources]
        real = [index for index, source in enumerate(sources) if len(source)]
        lengths = np.array([len(sources[index]) for index in real], dtype=np.int64)
        rows = 1 if self.options.sample else self.options.beam_size  # of a sentence
        budget = max(1, self.options.batch_tokens // rows)
        most = max(1, min(_MOST_PAIRS, MOST_LOGITS // (rows * self.target_size)))
        for batch in sequential_batches(lengths, budget, most):
            where = [real[place] for place in batch.tolist()]
            outputs = self._search(network, [sources[index] for index in where])
            for index, output in zip(where, outputs, strict=True):
                found[index] = output
            if self.tell_done is not None:
                self.tell_done(len(where))
        return found

    def force(self, network: Searchable, sources: Sequence[Source], targets: Sequence[list[int]]) -> list[Found]:
        """Score the target (without `<eos>`) of each source.

        Raises:
            SeqweaveError: when the network gives NaN.
        """
        lengths = np.array([max(len(s), len(t) + 1) for s, t in zip(sources, targets, strict=True)], dtype=np.int64)
        # All positions of a batch have logits at once here.
        budget = max(1, min(self.options.batch_tokens, MOST_LOGITS // self.target_size))
        found: dict[int, Found] = {}
        for indices in sequential_batches(lengths, budget, _MOST_PAIRS):
            where = indices.tolist()
            batch = make_batch([sources[i] for i in where], [targets[i] for i in where]).to(self.device)
            found.update(zip(where, force_score(network, batch, self.options), strict=True))
        return [found[index] for index in range(len(sources))]

    def _search(self, network: Searchable, sources: list[Source]) -> list[list[Found]]:
        """Search one batch of sources, or draw their outputs."""
        options, filters = self.options, self.filters.steps
        batch = pad_sources(sources).to(self.device)
        limits = self._limits([len(source) for source in sources])
        if options.sample:
            draws = [sample_search(network, batch, limits, options, filters, draw) for draw in range(options.n_best)]
            return [list(each) for each in zip(*draws, strict=True)]
        if options.beam_size == 1:
            return [[one] for one in greedy_search(network, batch, limits, options, filters)]
        return beam_search(network, batch, limits, options, filters)

    def _limits(self, lengths: list[int]) -> torch.Tensor:
        """The most positions of the outputs of sources so long, enough for the filters. Shape: (B,)."""
        limits = max_lengths(lengths, self.options.max_length_ratio, self.options.max_length)
        return torch.tensor(limits).clamp(min=self.filters.least_positions)


@contextmanager
def inference(network: torch.nn.Module) -> Iterator[None]:
    """No dropout and no gradients inside; a network in training is given back in training."""
    training = network.training
    if training:
        network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        if training:
            network.train()
