"""The ids of pairs with BPE-dropout: drawn anew in each epoch, a pure function of (seed, epoch, side, pair).

Made from the characters that the dataset keeps for a side with dropout. A text which gets longer than
`most` items keeps its usual ids, so what fits the model fits it still.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from seqweave.data.batch import Batch, collate
from seqweave.data.dataset import PairDataset
from seqweave.data.storage import SIDES
from seqweave.text.subword_dropout import Keys, Merges, child_keys, dropped_subwords, mixed, word_keys

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class SubwordDropout:
    """BPE-dropout of a data set.

    Attributes:
        rates: probability of leaving out a merge, for each side that drops.
        merges: of those sides.
        most: items of the longest text, for each side.
        seed: of the run.
    """

    rates: Mapping[str, float]
    merges: Mapping[str, Merges]
    most: Mapping[str, int]
    seed: int

    def collate(self, dataset: PairDataset, indices: Numbers, epoch: int) -> Batch:
        """The batch of these pairs as they are in an epoch."""
        return collate(dataset, indices, partial(self.flat, dataset, epoch))

    def flat(self, dataset: PairDataset, epoch: int, side: str, indices: Numbers) -> tuple[Numbers, Numbers]:
        """The ids of many texts one after the other, and their lengths; shapes (sum,), (B,)."""
        usual, usual_lengths = dataset.flat(side, indices)
        if side not in self.rates:
            return usual, usual_lengths
        letters, _ = dataset.flat(f"{side}_letters", indices)
        words, counts = dataset.flat(f"{side}_words", indices)
        keys = word_keys(self._keys(side, epoch, indices), counts)
        ids, sizes = dropped_subwords(self.merges[side], letters, words, keys, self.rates[side])
        # (W,) -> (B,); every text has a word, else it would not be in the data set
        lengths = np.add.reduceat(sizes, np.cumsum(counts) - counts) if len(counts) else counts
        return _shorter(ids, lengths, usual, usual_lengths, self.most[side])

    def _keys(self, side: str, epoch: int, indices: Numbers) -> Keys:
        """One key for each pair. Shape: (B,) -> (B,)."""
        key = mixed(np.array([self.seed], dtype=np.uint64))
        for number in (epoch, SIDES.index(side)):
            key = child_keys(key, np.array([number]))
        return child_keys(key, indices)


def _shorter(
    ids: Numbers, lengths: Numbers, usual: Numbers, usual_lengths: Numbers, most: int
) -> tuple[Numbers, Numbers]:
    """The drawn ids of each text, or the usual ones where it became too long."""
    long = lengths > most  # (B,)
    if not long.any():
        return ids, lengths
    drawn = np.split(ids, np.cumsum(lengths)[:-1])
    kept = np.split(usual, np.cumsum(usual_lengths)[:-1])
    rows = [kept[row] if long[row] else drawn[row] for row in range(len(long))]
    return np.concatenate(rows), np.where(long, usual_lengths, lengths)
