"""Which pairs go together into a batch, and in which order: token budget, length buckets.

Padding is what a batch wastes, so a batch holds pairs of about the same lengths, and its size is
a budget of positions, padding counted. The order is a pure function of the arguments: whoever
knows the seed, the epoch and the number of batches done knows what comes next (`itertools.islice`
skips the rest), and with several processes each takes the batches `i % world == rank`.

Memory is bounded by a pool of pairs and one million block numbers, not by the data. A pair's
lengths are those of the dataset; targets are counted with their `<eos>` here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

POOL_PAIRS = 100_000
MAX_BLOCKS = 1_000_000
EVEN = 16  # counts of pairs are multiples of it: kernels are made for each new shape, which costs more than the pairs
STRIPS_FACTOR = 2.0  # 1.4 to 3 pad about the same on log-normal lengths, 0.5 and 100 clearly more

Indices = NDArray[np.int64]
Lengths = NDArray[np.int32] | NDArray[np.int64]


def epoch_batches(
    source_lengths: Lengths,
    target_lengths: Lengths,
    *,
    batch_tokens: int,
    max_pairs: int,
    seed: int,
    epoch: int,
) -> Iterator[Indices]:
    """Yield the pair indices of each batch of one epoch; every index exactly once.

    Blocks of `1 + n // 1_000_000` neighbouring pairs are permuted and dealt into pools of about
    100 000 pairs; a pool is cut into strips of neighbouring target lengths, each sorted by source
    length with ties broken by noise; this order is cut into batches, and the batches are shuffled.

    Args:
        source_lengths: items of each source; shape (n,).
        target_lengths: items of each target without `<eos>`; shape (n,).
        batch_tokens: most positions of a batch, pairs * (S + T) with T counting `<eos>`; a single
            pair which is longer still gets its batch.
        max_pairs: most pairs of a batch.
        seed: 0 or more.
        epoch: number of the pass, from 0.
    """
    random = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch])))
    for pool in pools(len(source_lengths), random):
        order, cuts = _cut_pool(source_lengths[pool], target_lengths[pool], batch_tokens, max_pairs, random)
        pool = pool[order]
        for batch in random.permutation(len(cuts) - 1).tolist():
            yield pool[cuts[batch] : cuts[batch + 1]]


def count_batches(
    source_lengths: Lengths,
    target_lengths: Lengths,
    *,
    batch_tokens: int,
    max_pairs: int,
    seed: int,
    epoch: int,
) -> int:
    """The number of batches `epoch_batches` yields for the same arguments."""
    batches = epoch_batches(
        source_lengths, target_lengths, batch_tokens=batch_tokens, max_pairs=max_pairs, seed=seed, epoch=epoch
    )
    return sum(1 for _ in batches)


def sequential_batches(lengths: Lengths, batch_tokens: int, max_pairs: int) -> list[Indices]:
    """Batches for decoding: longest first, so that the largest batch is the first to fail if any does.

    Every index is in exactly one batch; pairs * longest <= `batch_tokens`, except that a single
    long item still gets its batch. An empty item counts as one position.
    """
    widths = np.maximum(np.asarray(lengths, dtype=np.int64), 1)
    order = np.argsort(-widths, kind="stable")
    cuts = cut_by_widths(widths[order], np.zeros_like(widths), batch_tokens, max_pairs)
    return [order[start:stop] for start, stop in pairwise(cuts)]


def pools(pairs: int, random: np.random.Generator) -> Iterator[Indices]:
    """Deal permuted blocks of neighbouring pairs into pools of indices, each index once."""
    block = 1 + pairs // MAX_BLOCKS
    blocks = random.permutation(-(-pairs // block))
    step = max(1, POOL_PAIRS // block)
    inside = np.arange(block)
    for start in range(0, len(blocks), step):
        pool = (blocks[start : start + step, None] * block + inside).ravel()
        yield pool[pool < pairs]  # the last block may be short


def _cut_pool(
    source_lengths: Lengths, target_lengths: Lengths, batch_tokens: int, max_pairs: int, random: np.random.Generator
) -> tuple[Indices, list[int]]:
    """Sort one pool by lengths; returns the order and where its batches start and end."""
    sources = source_lengths.astype(np.int64)
    targets = target_lengths.astype(np.int64) + 1  # with <eos>
    strips = _strips(sources, targets, batch_tokens, max_pairs)
    # Sources rise within one strip and fall within the next (a serpentine), because a batch over
    # the border would otherwise hold the longest and the shortest sources together.
    rising = np.where(strips % 2 == 0, sources, -sources)
    order = np.lexsort((random.random(len(sources), dtype=np.float32), rising, strips))
    return order, cut_by_widths(sources[order], targets[order], batch_tokens, max_pairs)


def _strips(sources: Indices, targets: Indices, batch_tokens: int, max_pairs: int) -> Indices:
    """Number each pair's strip of neighbouring target lengths; a strip is then sorted by source length.

    One strip for each target length leaves too few pairs of the rare, long targets to choose
    sources from; one strip for all wastes targets. Like tiles of a plane, about the square root
    of the number of batches is the balance, with equal shares of the positions.
    """
    per_length = np.bincount(targets, weights=np.maximum(sources + targets, batch_tokens / max_pairs))
    before = np.cumsum(per_length) - per_length
    total = max(float(per_length.sum()), 1.0)
    count = STRIPS_FACTOR * np.sqrt(total / batch_tokens)
    _, strip_of_length = np.unique(np.floor(before / total * count), return_inverse=True)
    return strip_of_length.astype(np.int64)[targets]


def cut_by_widths(sources: Indices, targets: Indices, batch_tokens: int, max_pairs: int) -> list[int]:
    """Cut sorted lengths greedily into runs within the budget; a loop over batches, not over pairs.

    Targets are counted with their `<eos>`; gives where the runs begin and the last one ends.

    Runs longer than EVEN pairs have a multiple of EVEN, but for the last.
    """
    cuts = [0]
    start, pairs = 0, len(sources)
    counts = np.arange(1, min(max(max_pairs, 1), max(pairs, 1)) + 1)
    while start < pairs:
        # The first pair's width bounds the count from above: the window never exceeds what can fit.
        width = int(sources[start] + targets[start])
        window = max(1, min(max_pairs, batch_tokens // max(width, 1), pairs - start))
        stop = start + window
        longest = np.maximum.accumulate(sources[start:stop]) + np.maximum.accumulate(targets[start:stop])
        fitting = int(np.searchsorted(longest * counts[:window], batch_tokens, side="right"))
        start += max(1, fitting - fitting % EVEN if fitting > EVEN else fitting)
        cuts.append(start)
    return cuts
