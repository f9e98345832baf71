"""The beam of a search on a processor: its small bookkeeping in numpy, its choices without sorting.

The same rules as `Beam` in `beam.py`, the readable twin for devices that must not be waited for;
the tests compare the two. On a processor an operation of torch on a few numbers costs more than
the numbers, and numpy's cost half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqweave.search.beam_parts import Chosen
from seqweave.search.options import SearchOptions
from seqweave.search.penalties import length_normalised
from seqweave.search.topk import best_continuations
from seqweave.text.vocabulary import EOS

Array = np.ndarray[Any, Any]
_DEAD = float("-inf")


@dataclass
class HostFinished:
    """As `seqweave.search.finished.Finished`, in arrays."""

    scores: Array  # (B, K)
    log_probs: Array  # (B, K)
    slots: Array  # (B, K)
    items: Array  # (B, K)
    ended: Array  # (B, K) bool
    count: Array  # (B,)

    @classmethod
    def empty(cls, sentences: int, size: int) -> HostFinished:
        """No hypotheses."""
        shape = (sentences, size)
        slots, items = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        ended, count = np.zeros(shape, dtype=bool), np.zeros(sentences, dtype=np.int64)
        return cls(np.full(shape, _DEAD), np.zeros(shape), slots, items, ended, count)

    def fields(self) -> tuple[Array, ...]:
        """All arrays, in order."""
        return self.scores, self.log_probs, self.slots, self.items, self.ended, self.count

    def select(self, sentences: Array) -> HostFinished:
        """Those of some sentences."""
        return HostFinished(*(part[sentences] for part in self.fields()))

    def put(self, sentences: Tensor, part: HostFinished) -> None:
        """Write those of some sentences into their places."""
        for own, other in zip(self.fields(), part.fields(), strict=True):
            own[sentences.numpy()] = other

    def add(self, rows: Array, scores: Array, log_probs: Array, slots: Array, step: int, ended: bool) -> None:
        """Add candidates (rows, n), score -inf where there is none: ended at `step`, or else cut after it.

        Finished ones are kept by score, cut ones behind them in the order they have.
        """
        size = self.scores.shape[1]
        real = scores > _DEAD
        lowest = np.finfo(np.float64).min
        old = self.scores[rows]
        cut = (old > _DEAD) & ~self.ended[rows]
        ranks = np.concatenate([np.where(cut, lowest, old), scores if ended else np.where(real, lowest, _DEAD)], 1)
        order = np.argsort(-ranks, axis=1, kind="stable")[:, :size]  # (rows, K + n) -> (rows, K)
        items = np.full_like(slots, step if ended else step + 1)
        new = (scores, log_probs, slots, items, real & ended)
        for own, values in zip(self.fields(), new, strict=False):
            own[rows] = np.take_along_axis(np.concatenate([own[rows], values], 1), order, 1)
        if ended:
            self.count[rows] += real.sum(1)


class HostBeam:
    """The live hypotheses of the sentences in the batch, and the best finished ones."""

    def __init__(self, limits: Array, options: SearchOptions):
        self.options = options
        self.limits = limits  # (B,)
        self.totals: Array = np.zeros((len(limits), 1))  # (B, W) log-probabilities so far; dead: -inf
        self.done: Array = np.zeros(len(limits), dtype=bool)
        self.bad = False
        self.finished = HostFinished.empty(len(limits), options.beam_size)

    def status(self) -> tuple[bool, int]:
        """Whether the model failed, and how many sentences are done."""
        return self.bad, int(self.done.sum())

    def keep(self, stay: Tensor) -> HostBeam:
        """The beam of the sentences that stay."""
        rows = stay.numpy()
        beam = HostBeam(self.limits[rows], self.options)
        beam.totals, beam.done, beam.finished = self.totals[rows], self.done[rows], self.finished.select(rows)
        return beam

    def empty_results(self) -> HostFinished:
        """Places for the results of all sentences of the call."""
        return HostFinished.empty(len(self.limits), self.options.beam_size)

    def done_rows(self) -> Tensor:
        """Which sentences are done, (B,) bool."""
        return torch.from_numpy(self.done)

    def advance(self, log_probs: Tensor, step: int, someone_ends: bool, bonus: Tensor | None = None) -> Chosen:
        """Take a step with the log-probabilities (R, V) of all hypotheses; see `AnyBeam`."""
        more = None if bonus is None else bonus.numpy()  # (B, W)
        count, size = len(self.totals), self.options.beam_size
        columns = log_probs.shape[1]
        most = min(2 * size, self.totals.shape[1] * columns)
        sums, places = best_continuations(log_probs, self.totals, most)  # (B, n), places in (W * V)
        self.bad = self.bad or bool((~np.isfinite(sums[:, 0]) & ~self.done).any())
        parents, items = np.divmod(places, columns)
        values = np.take_along_axis(log_probs.numpy().reshape(count, -1), places, 1)  # (B, n)
        ends = items == EOS
        if ends.any():
            self._add_ended(ends[:, :size], sums, values, parents, step, more)
            live = np.argsort(ends, axis=1, kind="stable")[:, :size]  # those that go on first
            sums = np.where(np.take_along_axis(ends, live, 1), _DEAD, np.take_along_axis(sums, live, 1))
            parents, items, values = (np.take_along_axis(part, live, 1) for part in (parents, items, values))
        self.totals = _padded(sums, size, _DEAD)
        parents, items, values = _padded(parents, size, 0), _padded(items, size, EOS), _padded(values, size, 0.0)
        self.totals[self.done] = _DEAD
        if someone_ends:
            self._add_cut(step, None if more is None else np.take_along_axis(more, parents, 1))
        self._close(step)
        rows = (parents + np.arange(count)[:, None] * size).ravel()
        return Chosen(torch.from_numpy(items.ravel()), torch.from_numpy(rows), (parents, items, values))

    def _add_ended(
        self, ends: Array, sums: Array, values: Array, parents: Array, step: int, bonus: Array | None
    ) -> None:
        """Finish the hypotheses (B, <=K) which `ends` marks."""
        rows = np.flatnonzero(ends.any(1))
        width = ends.shape[1]
        scores = length_normalised(sums[rows, :width], step + 1, self.options.length_penalty)
        if bonus is not None:
            scores = scores + np.take_along_axis(bonus, parents[:, :width], 1)[rows]
        scores = np.where(ends[rows], scores, _DEAD)
        self.finished.add(rows, scores, values[rows, :width], parents[rows, :width], step, True)

    def _add_cut(self, step: int, bonus: Array | None) -> None:
        """Give the live hypotheses of sentences at their limit the places that are left."""
        rows = np.flatnonzero(self.limits == step + 1)
        totals = self.totals[rows]
        slots = np.broadcast_to(np.arange(totals.shape[1]), totals.shape)
        scores = length_normalised(totals, step + 1, self.options.length_penalty)
        if bonus is not None:  # decides with the rest who is best
            scores = scores + bonus[rows]
            slots = np.argsort(-scores, axis=1, kind="stable")
            scores = np.take_along_axis(scores, slots, 1)
        self.finished.add(rows, scores, np.zeros_like(totals), slots, step, False)

    def _close(self, step: int) -> None:
        """Mark the sentences that are done; see `Beam.close` in `beam.py`."""
        best = self.totals.max(1)
        over = (self.limits <= step + 1) | (best == _DEAD)
        if self.options.stop == "enough":
            now = length_normalised(best, step + 1, self.options.length_penalty)
            full = self.finished.count >= self.options.beam_size
            over |= full & ((self.finished.scores[:, self.options.n_best - 1] >= now) | (self.options.beam_size == 1))
        else:
            bound = length_normalised(best, self.limits, self.options.length_penalty)
            over |= self.finished.scores[:, self.options.n_best - 1] >= bound
        self.done = self.done | over
        self.totals[self.done] = _DEAD


def _padded(values: Array, width: int, fill: float) -> Array:
    """The first `width` columns, new ones with `fill`; (R, n) -> (R, width)."""
    if values.shape[1] >= width:
        return values[:, :width].copy()
    return np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=fill)
