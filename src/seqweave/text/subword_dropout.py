"""BPE-dropout (Provilkov et al. 2020): merges of byte-pair encoding that are left out at random.

At every step of the merging, each place where a merge would apply is dropped with probability p; of
those left the first in the order of learning is done, and a word is finished when none is left (their
algorithm 1). p = 0 is the tokenizer's own encoding, p = 1 gives characters. The library's own dropout
cannot be seeded, so the merges are done here, for many words at once.

A random number belongs to a word, a step and a place, and is computed from them (SplitMix64: Steele et
al. 2014), so a word's subwords depend on its key only, not on what stands beside it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Keys = NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_NONE = np.iinfo(np.int64).max


def mixed(numbers: Keys) -> Keys:
    """The output function of SplitMix64: numbers that look random, from any numbers. Shape: as given."""
    z = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def child_keys(keys: Keys, numbers: NDArray[Any]) -> Keys:
    """Keys of things inside things: the key of thing `numbers` (from 0) of `keys`; shapes broadcast."""
    return mixed(keys + _GAMMA * (numbers.astype(np.uint64) + np.uint64(1)))


def uniform(keys: Keys) -> NDArray[np.float64]:
    """A number in [0, 1) for each key."""
    return (keys >> np.uint64(11)).astype(np.float64) * 2.0**-53


@dataclass(frozen=True)
class Merges:
    """The merges of a tokenizer, by the pair of ids they join.

    Attributes:
        size: entries of the vocabulary; a pair is the number left * size + right.
        pairs: sorted. Shape: (m,).
        ranks: order of learning, for each pair. Shape: (m,).
        made: id of the joined subword, for each pair. Shape: (m,).
    """

    size: int
    pairs: Numbers
    ranks: Numbers
    made: Numbers

    @classmethod
    def of(cls, tokenizer_json: str) -> Merges:
        """The merges of a BPE tokenizer, given as the text of its `tokenizer.json`."""
        model = json.loads(tokenizer_json)["model"]
        vocabulary = model["vocab"]
        rows = []
        for rank, (left, right) in enumerate(model["merges"]):
            rows.append((vocabulary[left] * len(vocabulary) + vocabulary[right], rank, vocabulary[left + right]))
        pairs, ranks, made = np.ascontiguousarray(np.array(sorted(rows), dtype=np.int64).reshape(-1, 3).T)
        return cls(len(vocabulary), pairs, ranks, made)


def dropped_subwords(
    merges: Merges, letters: Numbers, lengths: Numbers, keys: Keys, probability: float
) -> tuple[Numbers, Numbers]:
    """Subwords of many words, with merges dropped.

    Args:
        letters: ids of the characters of all words, one word after the other. Shape: (sum,).
        lengths: characters of each word. Shape: (W,).
        keys: where each word's random numbers come from. Shape: (W,).
        probability: of leaving out a merge at a place, at every step.

    Returns:
        The ids of all words, one after the other, and how many each word has; shapes (sum,), (W,).
    """
    if len(merges.pairs) == 0:
        return letters, lengths
    begins = np.cumsum(lengths) - lengths
    found = np.zeros(len(lengths), dtype=np.int64)
    where: list[tuple[Numbers, Numbers]] = []  # words, and their ids padded with -1: (w,), (w, L)
    width = 1
    while len(lengths) and width < 2 * int(lengths.max()):
        # Words of about one length together: one long word must not make all rows long.
        words = np.flatnonzero((lengths <= width) & (lengths > width // 2))
        places = np.arange(int(lengths[words].max(initial=0)))
        real = places < lengths[words, None]  # (w, L)
        ids = np.where(real, letters[np.where(real, begins[words, None] + places, 0)], -1)  # (w, L)
        where += _merged(merges, ids, words, keys[words], probability)
        width *= 2
    for words, ids in where:
        found[words] = (ids >= 0).sum(1)
    out = np.empty(int(found.sum()), dtype=np.int64)
    starts = np.cumsum(found) - found
    for words, ids in where:
        real = ids >= 0
        out[(starts[words, None] + np.arange(ids.shape[1]))[real]] = ids[real]
    return out, found


def _merged(
    merges: Merges, ids: Numbers, words: Numbers, keys: Keys, probability: float
) -> list[tuple[Numbers, Numbers]]:
    """Merge until nothing is left to do; words leave as they are finished. Shape: ids (w, L), keys (w,)."""
    done: list[tuple[Numbers, Numbers]] = []
    step = 0
    while len(words) and ids.shape[1] > 1:
        pairs = np.where(ids[:, 1:] >= 0, ids[:, :-1] * merges.size + ids[:, 1:], -1)  # (w, L - 1)
        at = np.minimum(np.searchsorted(merges.pairs, pairs), len(merges.pairs) - 1)  # (w, L - 1)
        place_keys = child_keys(child_keys(keys, np.array([step]))[:, None], np.arange(pairs.shape[1]))
        kept = (merges.pairs[at] == pairs) & (uniform(place_keys) >= probability)  # (w, L - 1)
        ranks = np.where(kept, merges.ranks[at], _NONE)
        best = ranks.argmin(1)  # (w,) the first place of the merge learned first
        rows = np.arange(len(words))
        going = ranks[rows, best] < _NONE  # (w,)
        if not going.all():
            done.append((words[~going], ids[~going]))
        best, rows = best[going], rows[going]
        made = merges.made[at[rows, best]]
        ids, words, keys = ids[going], words[going], keys[going]
        ids[np.arange(len(words)), best] = made
        after = np.arange(ids.shape[1] - 1)
        ids = np.take_along_axis(ids, after + (after > best[:, None]), 1)  # (w, L) -> (w, L - 1)
        step += 1
    return [*done, (words, ids)]


def word_keys(texts: Keys, counts: Sequence[int] | Numbers) -> Keys:
    """Keys of all words of some texts, from the texts' keys and how many words each has. Shape: (B,) -> (W,)."""
    repeats = np.asarray(counts, dtype=np.int64)
    begins = np.cumsum(repeats) - repeats
    place = np.arange(int(repeats.sum())) - np.repeat(begins, repeats)
    return child_keys(np.repeat(texts, repeats), place)
