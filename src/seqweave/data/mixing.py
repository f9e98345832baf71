"""Batches with a share of pairs from elsewhere: those of `--mix`, which stand at the end of a dataset.

Each batch of an epoch's own pairs gets its part of the others, so that the share holds in every step and not only on
average. The others are drawn without putting back, pass after pass, and those of similar length go along with a batch.
The order is a pure function of seed and epoch, as in `seqweave.data.batching`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice, pairwise

import numpy as np

from seqweave.data.batching import Indices, cut_by_widths, epoch_batches, pools
from seqweave.data.dataset import PairDataset

_TOGETHER = 256  # batches that the others are dealt to at once


def mixed_batches(
    dataset: PairDataset, *, share: float, batch_tokens: int, max_pairs: int, seed: int, epoch: int
) -> Iterator[list[Indices]]:
    """What takes the place of each batch of an epoch: one batch with both kinds of pairs.

    Where the others are so much longer that padding would break the limits, they come in batches of their own.

    Args:
        dataset: its last `mixed` pairs are the others; an epoch has all its own pairs once.
        share: of the others among the pairs of a batch, above 0 and below 1; rounded to whole pairs, in sum exact.
        batch_tokens, max_pairs, seed, epoch: as for `seqweave.data.batching.epoch_batches`.
    """
    limits = {"batch_tokens": batch_tokens, "max_pairs": max_pairs}
    own = epoch_batches(
        dataset.source_lengths[: dataset.own],
        dataset.target_lengths[: dataset.own],
        batch_tokens=max(1, round(batch_tokens * (1 - share))),
        max_pairs=max(1, round(max_pairs * (1 - share))),
        seed=seed,
        epoch=epoch,
    )
    ratio = share / (1 - share)
    others = _Others(dataset, seed, epoch * _rounded(dataset.own * ratio))
    done = given = 0
    while group := list(islice(own, _TOGETHER)):
        ends = done + np.cumsum([len(batch) for batch in group])
        counts = np.diff([given, *(_rounded(int(end) * ratio) for end in ends)])
        done, given = int(ends[-1]), given + int(counts.sum())
        for batch, more in zip(group, others.deal(group, counts), strict=True):
            yield _joined(dataset, batch, more, **limits)


def _rounded(number: float) -> int:
    return math.floor(number + 0.5)


class _Others:
    """The other pairs of a dataset in a random order, pass after pass, from one of them on."""

    def __init__(self, dataset: PairDataset, seed: int, start: int):
        self._dataset = dataset
        self._seed = seed
        self._pass, skipped = divmod(start, dataset.mixed)
        self._waiting = np.zeros(0, dtype=np.int64)
        self._stream = self._passes()
        self._take(skipped)

    def deal(self, batches: list[Indices], counts: Indices) -> list[Indices]:
        """So many others for each of some batches: the shortest to the batch with the shortest pairs."""
        taken = self._take(int(counts.sum()))
        taken = taken[np.argsort(self._lengths(taken), kind="stable")]
        order = np.argsort([self._lengths(batch).mean() for batch in batches], kind="stable")
        parts = np.split(taken, np.cumsum(counts[order])[:-1])
        dealt = [taken[:0]] * len(batches)
        for place, part in zip(order.tolist(), parts, strict=True):
            dealt[place] = part
        return dealt

    def _lengths(self, indices: Indices) -> Indices:
        lengths = self._dataset.source_lengths[indices].astype(np.int64)
        return lengths + self._dataset.target_lengths[indices]

    def _take(self, count: int) -> Indices:
        parts = [self._waiting]
        while sum(map(len, parts)) < count:
            parts.append(next(self._stream))
        drawn = np.concatenate(parts)
        self._waiting = drawn[count:]
        return drawn[:count]

    def _passes(self) -> Iterator[Indices]:
        while True:
            # A third number, so that it is not the order of the own pairs.
            random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self._seed, self._pass, 1])))
            self._pass += 1
            for pool in pools(self._dataset.mixed, random):
                yield self._dataset.own + pool


def _joined(
    dataset: PairDataset, batch: Indices, others: Indices, *, batch_tokens: int, max_pairs: int
) -> list[Indices]:
    """One batch of both where it is within the limits; else the others in batches of their own."""
    both = np.concatenate([batch, others])
    widest = int(dataset.source_lengths[both].max()) + int(dataset.target_lengths[both].max()) + 1  # with <eos>
    if len(both) <= max_pairs and len(both) * widest <= batch_tokens:
        return [both]
    sources = dataset.source_lengths[others].astype(np.int64)
    targets = dataset.target_lengths[others].astype(np.int64) + 1
    order = np.argsort(-(sources + targets), kind="stable")
    cuts = cut_by_widths(sources[order], targets[order], batch_tokens, max_pairs)
    return [batch, *(others[order[start:stop]] for start, stop in pairwise(cuts))]
