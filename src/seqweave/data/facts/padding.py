"""What padding costs in the batches of a dataset, and how much of it goes with its few longest pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seqweave.data.batching import POOL_PAIRS, Lengths, epoch_batches

LONGEST = 0.01
"""The share of the pairs that counts as the longest."""


@dataclass(frozen=True)
class Padding:
    """The padding of one epoch's batches.

    Attributes:
        share: of all their positions, 0 to 1.
        share_without: the same without the longest pairs.
        longest: how many pairs these are.
        side: the side on which they stand out more.
        length: items of the longest of the other pairs on that side.
    """

    share: float
    share_without: float
    longest: int
    side: Literal["source", "target"]
    length: int


def padding_of(
    source_lengths: Lengths, target_lengths: Lengths, *, batch_tokens: int, max_pairs: int, seed: int
) -> Padding:
    """Make the batches of one epoch twice, with and without the longest hundredth of the pairs.

    Of more than 100,000 pairs that many are looked at, evenly spaced: batches are made of pools of that size
    anyway, and memory does not grow with the data.

    Args:
        source_lengths: items of each source; shape (n,), n at least 1.
        target_lengths: items of each target without `<eos>`; shape (n,).
        batch_tokens, max_pairs, seed: as `epoch_batches` takes them.
    """
    spacing = -(-len(source_lengths) // POOL_PAIRS)
    sources = source_lengths[::spacing].astype(np.int64)  # (n,) -> (at most POOL_PAIRS,)
    targets = target_lengths[::spacing].astype(np.int64)
    longest = max(1, int(LONGEST * len(sources)))
    order = np.argsort(sources + targets, kind="stable")
    others = np.sort(order[:-longest])

    def share(chosen: NDArray[np.int64]) -> float:
        return _share(sources[chosen], targets[chosen], batch_tokens, max_pairs, seed)

    lengths = {"source": int(sources[others].max(initial=1)), "target": int(targets[others].max(initial=1))}
    stands_out = int(sources.max()) * lengths["target"] >= int(targets.max()) * lengths["source"]
    side: Literal["source", "target"] = "source" if stands_out else "target"
    return Padding(share(np.arange(len(sources))), share(others), longest, side, lengths[side])


def _share(
    sources: NDArray[np.int64], targets: NDArray[np.int64], batch_tokens: int, max_pairs: int, seed: int
) -> float:
    """Padding as a share of all positions of the batches of epoch 0."""
    real = positions = 0
    for batch in epoch_batches(sources, targets, batch_tokens=batch_tokens, max_pairs=max_pairs, seed=seed, epoch=0):
        real += int(sources[batch].sum() + targets[batch].sum()) + len(batch)  # with <eos>
        positions += len(batch) * int(sources[batch].max() + targets[batch].max() + 1)
    return 1 - real / positions if positions else 0.0
