"""Batches with a share of pairs from elsewhere: those of `--mix`, which stand at the end of a dataset.

Each batch of an epoch's own pairs gets its part of the others, so that the share holds in every step and not only on
average. The others are drawn without putting back, so that none comes again before all have come; of those that some
batches get together, the ones of similar length go along with a batch. The order is a pure function of seed and epoch,
as in `seqweave.data.batching`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from seqweave.data.batching import Indices, cut_by_widths, epoch_batches, pools
from seqweave.data.dataset import PairDataset

_TOGETHER = 256  # most batches that the others are dealt to at once


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
    group: list[Indices] = []
    counts: list[int] = []
    done = given = 0
    for batch in own:
        done += len(batch)
        counts.append(_rounded(done * ratio) - given)
        given += counts[-1]
        if len(group) == _TOGETHER or sum(counts) > others.left:  # no pass begins inside a group, but for one batch
            yield from others.join(group, counts[:-1], **limits)
            group, counts = [], counts[-1:]
        group.append(batch)
    yield from others.join(group, counts, **limits)


def _rounded(number: float) -> int:
    return math.floor(number + 0.5)


class _Others:
    """The other pairs of a dataset in a random order, pass after pass, from one of them on."""

    def __init__(self, dataset: PairDataset, seed: int, start: int):
        self._dataset = dataset
        self._seed = seed
        self._pass, skipped = divmod(start, dataset.mixed)
        self._drawn = 0
        self._waiting = np.zeros(0, dtype=np.int64)
        self._stream = self._passes()
        self._take(skipped)

    @property
    def left(self) -> int:
        """How many of this pass have not come yet."""
        return self._dataset.mixed - self._drawn % self._dataset.mixed

    def join(
        self, batches: list[Indices], counts: list[int], *, batch_tokens: int, max_pairs: int
    ) -> Iterator[list[Indices]]:
        """Each of some batches with so many others: the shortest with the batch that has the shortest pairs."""
        taken = self._take(sum(counts))
        taken = taken[np.argsort(self._lengths(taken), kind="stable")]
        order = sorted(range(len(batches)), key=lambda place: float(self._lengths(batches[place]).mean()))
        ends = np.cumsum([counts[place] for place in order]).tolist()
        dealt = {place: taken[end - counts[place] : end] for place, end in zip(order, ends, strict=True)}
        for place, batch in enumerate(batches):
            yield _joined(self._dataset, batch, dealt[place], batch_tokens=batch_tokens, max_pairs=max_pairs)

    def _lengths(self, indices: Indices) -> Indices:
        lengths = self._dataset.source_lengths[indices].astype(np.int64)
        return lengths + self._dataset.target_lengths[indices]

    def _take(self, count: int) -> Indices:
        parts = [self._waiting]
        while sum(map(len, parts)) < count:
            parts.append(next(self._stream))
        drawn = np.concatenate(parts)
        self._drawn += count
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
