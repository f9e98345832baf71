"""Many sources through a search, in batches of similar length; results come in the order of the sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from seqweave.config import SearchConfig
from seqweave.data.batching import sequential_batches
from seqweave.data.dataset import make_batch, pad_sources
from seqweave.search.beam import beam_search
from seqweave.search.constraints import Rules
from seqweave.search.contract import Found, Searchable
from seqweave.search.coverage import Penalties
from seqweave.search.greedy import greedy_search
from seqweave.search.lengths import max_lengths
from seqweave.search.sampling import Sampling, sample_search
from seqweave.search.score import force_score

_MOST_LOGITS = 1 << 26  # numbers in one tensor of logits: 256 MiB
_MOST_PAIRS = 512


@dataclass(frozen=True)
class Wanted:
    """What is wanted of each source.

    Attributes:
        beam_size: hypotheses kept; 1 is greedy.
        n_best: outputs, or draws.
        sampling: draw outputs in place of searching the best.
        rules: what outputs may be.
        return_attention: also attention weights.
    """

    beam_size: int
    n_best: int = 1
    sampling: Sampling | None = None
    rules: Rules | None = None
    return_attention: bool = False


@dataclass(frozen=True)
class Batches:
    """A network, and how it takes sources.

    Attributes:
        search: the settings that a call does not give.
        device: where the network is.
        target_size: entries of the target vocabulary.
    """

    search: SearchConfig
    device: torch.device
    target_size: int

    def find(self, network: Searchable, sources: Sequence[list[int]], wanted: Wanted) -> list[list[Found]]:
        """Search or draw for each source; nothing for an empty one.

        Raises:
            SeqweaveError: when the network gives NaN.
        """
        found: list[list[Found]] = [[] for _ in sources]
        real = [index for index, ids in enumerate(sources) if ids]
        lengths = np.array([len(sources[index]) for index in real], dtype=np.int64)
        budget = max(1, self.search.batch_tokens // wanted.beam_size)
        most = max(1, min(_MOST_PAIRS, _MOST_LOGITS // (wanted.beam_size * self.target_size)))
        for batch in sequential_batches(lengths, budget, most):
            where = [real[place] for place in batch.tolist()]
            some = [sources[index] for index in where]
            outputs = (self._search if wanted.sampling is None else self._sample)(network, some, wanted)
            for index, output in zip(where, outputs, strict=True):
                found[index] = output
        return found

    def force(
        self,
        network: Searchable,
        sources: Sequence[list[int]],
        targets: Sequence[list[int]],
        return_attention: bool = False,
    ) -> list[Found]:
        """Score the target (without `<eos>`) of each source.

        Raises:
            SeqweaveError: when the network gives NaN.
        """
        lengths = np.array([max(len(s), len(t) + 1) for s, t in zip(sources, targets, strict=True)], dtype=np.int64)
        # All positions of a batch have logits at once here.
        budget = max(1, min(self.search.batch_tokens, _MOST_LOGITS // self.target_size))
        found: dict[int, Found] = {}
        for indices in sequential_batches(lengths, budget, _MOST_PAIRS):
            where = indices.tolist()
            batch = make_batch([sources[i] for i in where], [targets[i] for i in where]).to(self.device)
            found.update(zip(where, force_score(network, batch, return_attention, **self._penalties()), strict=True))
        return [found[index] for index in range(len(sources))]

    def _search(self, network: Searchable, sources: list[list[int]], wanted: Wanted) -> list[list[Found]]:
        """Search one batch of sources."""
        batch = self._padded(sources, wanted.rules)
        if wanted.beam_size == 1:
            found = greedy_search(
                network,
                *batch,
                **self._penalties(),
                rules=wanted.rules,
                return_attention=wanted.return_attention,
            )
            return [[one] for one in found]
        return beam_search(
            network,
            *batch,
            beam_size=wanted.beam_size,
            **self._penalties(),
            n_best=wanted.n_best,
            stop=self.search.stop,
            rules=wanted.rules,
            return_attention=wanted.return_attention,
        )

    def _sample(self, network: Searchable, sources: list[list[int]], wanted: Wanted) -> list[list[Found]]:
        """Draw the outputs of one batch of sources."""
        assert wanted.sampling is not None
        batch = self._padded(sources, wanted.rules)
        draws = [
            sample_search(
                network,
                *batch,
                sampling=wanted.sampling,
                **self._penalties(),
                draw=draw,
                rules=wanted.rules,
                return_attention=wanted.return_attention,
            )
            for draw in range(wanted.n_best)
        ]
        return [list(each) for each in zip(*draws, strict=True)]

    def _padded(self, sources: list[list[int]], rules: Rules | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Sources (B, S), their lengths (B,), and the most positions of their outputs (B,) with room for `rules`."""
        source, lengths = pad_sources(sources)
        limits = max_lengths(lengths.tolist(), self.search.max_length_ratio, self.search.max_length)
        least = 1 if rules is None else rules.least_positions
        return source.to(self.device), lengths.to(self.device), torch.tensor(limits).clamp(min=least)

    def _penalties(self) -> Penalties:
        """What enters a score besides the log-probability."""
        return {"length_penalty": self.search.length_penalty, "coverage_penalty": self.search.coverage_penalty}


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
