"""Learning a unigram language model of subwords (Kudo 2018, section 3.2), the same from the same data.

The trainer of HF `tokenizers` goes through its words in an order that changes from run to run, and with
it the sums of floats and the pieces that are kept; this one has one order. Deviations from the paper:
pieces are pruned by their expected count, not by the loss of likelihood, and the seeds are all frequent
substrings instead of those of a suffix array.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_PIECE = 16
"""Characters of the longest piece."""
_SEEDS_PER_PIECE = 12
_MOST_CHARACTERS = 1_000_000  # of all distinct words together; bounds memory, the rarest words are left out
_KEPT_SHARE = 0.75
_ROUNDS = 2

Floats = NDArray[np.float64]


@dataclass
class _Group:
    """Words of one length L: how often each occurs, and which pieces are where.

    Shape: counts (W,), edges (W, L, N): index of the piece of n + 1 characters at a position; the
    index after the last piece where there is none.
    """

    counts: Floats
    edges: NDArray[np.int32]


def learn_unigram(words: Mapping[str, int], size: int, min_frequency: int = 1) -> list[tuple[str, float]]:
    """The best `size` pieces (or fewer) with their log-probabilities, best first, ties by the piece.

    `words` are pieces of text with their counts; subwords never cross them. All characters seen
    `min_frequency` times are kept, the most frequent ones when they are more than `size`.
    """
    characters = _characters(words, size, min_frequency)
    if not characters:
        return []
    known = _known_words(words, characters)
    counts = _seed_counts(known, size * _SEEDS_PER_PIECE, max(2, min_frequency))
    pieces = [*characters, *counts]
    groups = _groups(known, pieces)
    weights = np.array([1.0] * len(characters) + list(counts.values()))
    while True:
        for _ in range(_ROUNDS):
            log_probs = np.log(weights / weights.sum())
            weights = np.maximum(_expected_counts(groups, log_probs), 1e-3)  # no piece dies before it is pruned
        if len(pieces) <= size:
            break
        pieces, weights = _pruned(groups, pieces, weights, len(characters), max(size, int(len(pieces) * _KEPT_SHARE)))
    # Rounded, because the JSON parser of `tokenizers` gives only short decimals back exactly.
    log_probs = np.log(weights / weights.sum()).round(8)
    return sorted(zip(pieces, log_probs.tolist(), strict=True), key=lambda item: (-item[1], item[0]))


def _characters(words: Mapping[str, int], size: int, min_frequency: int) -> list[str]:
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [character for character, count in ordered[:size] if count >= min_frequency]


def _known_words(words: Mapping[str, int], characters: list[str]) -> list[tuple[str, int]]:
    """The words without unknown characters, most frequent first, up to the limit of characters."""
    alphabet = frozenset(characters)
    known: list[tuple[str, int]] = []
    total = 0
    for word, count in sorted(words.items(), key=lambda item: (-item[1], item[0])):
        if alphabet.issuperset(word):
            total += len(word)
            if total > _MOST_CHARACTERS and known:
                break
            known.append((word, count))
    return known


def _seed_counts(words: list[tuple[str, int]], limit: int, least: int) -> dict[str, float]:
    """Substrings of 2 characters and more seen `least` times; the `limit` best by count times length."""
    seeds: dict[str, float] = {}
    shorter: set[str] | None = None
    for length in range(2, MAX_PIECE + 1):
        counts: Counter[str] = Counter()
        for word, count in words:
            for start in range(len(word) - length + 1):
                piece = word[start : start + length]
                # A piece is no more frequent than what it begins and ends with.
                if shorter is None or (piece[:-1] in shorter and piece[1:] in shorter):
                    counts[piece] += count
        frequent = {piece: count for piece, count in counts.items() if count >= least}
        if not frequent:
            break
        shorter = set(frequent)
        seeds.update((piece, float(count * length)) for piece, count in frequent.items())
    return dict(sorted(seeds.items(), key=lambda item: (-item[1], item[0]))[:limit])


def _groups(words: list[tuple[str, int]], pieces: list[str]) -> list[_Group]:
    index = {piece: place for place, piece in enumerate(pieces)}
    by_length: dict[int, list[tuple[str, int]]] = {}
    for word, count in words:
        by_length.setdefault(len(word), []).append((word, count))
    groups = []
    for length, members in sorted(by_length.items()):
        longest = min(length, MAX_PIECE)
        edges = np.full((len(members), length, longest), len(pieces), dtype=np.int32)  # (W, L, N)
        for row, (word, _) in enumerate(members):
            for start in range(length):
                for end in range(start + 1, min(start + longest, length) + 1):
                    place = index.get(word[start:end])
                    if place is not None:
                        edges[row, start, end - start - 1] = place
        groups.append(_Group(np.array([count for _, count in members], dtype=np.float64), edges))
    return groups


def _expected_counts(groups: list[_Group], log_probs: Floats) -> Floats:
    """Expectation step: how often each piece is used over all segmentations (forward-backward)."""
    padded = np.append(log_probs, -np.inf)
    expected = np.zeros(len(padded))
    for group in groups:
        scores: Floats = padded[group.edges]  # (W, L, N)
        forward, backward = _forward(scores), _backward(scores)  # (W, L + 1) both
        length, longest = scores.shape[1:]
        for start in range(length):
            reach = min(longest, length - start)
            path = forward[:, start, None] + scores[:, start, :reach] + backward[:, start + 1 : start + 1 + reach]
            shares = group.counts[:, None] * np.exp(path - forward[:, -1:])  # (W, reach)
            places = group.edges[:, start, :reach]
            expected += np.bincount(places.ravel(), weights=shares.ravel(), minlength=len(expected))
    return expected[:-1]


def _forward(scores: Floats) -> Floats:
    """Log of the summed probability of all segmentations before each position. Shape: (W, L, N) -> (W, L + 1)."""
    rows, length, longest = scores.shape
    sums = np.full((rows, length + 1), -np.inf)
    sums[:, 0] = 0.0
    for end in range(1, length + 1):
        for size in range(1, min(longest, end) + 1):
            np.logaddexp(sums[:, end], sums[:, end - size] + scores[:, end - size, size - 1], out=sums[:, end])
    return sums


def _backward(scores: Floats) -> Floats:
    """Log of the summed probability of all segmentations after each position. Shape: (W, L, N) -> (W, L + 1)."""
    rows, length, longest = scores.shape
    sums = np.full((rows, length + 1), -np.inf)
    sums[:, length] = 0.0
    for start in range(length - 1, -1, -1):
        for size in range(1, min(longest, length - start) + 1):
            np.logaddexp(sums[:, start], sums[:, start + size] + scores[:, start, size - 1], out=sums[:, start])
    return sums


def _pruned(
    groups: list[_Group], pieces: list[str], weights: Floats, characters: int, size: int
) -> tuple[list[str], Floats]:
    """Keep the characters (the first pieces) and the best others, `size` in all; edges are renumbered."""
    others = sorted(range(characters, len(pieces)), key=lambda place: (-weights[place], pieces[place]))
    kept = [*range(characters), *others[: max(0, size - characters)]]
    renumbered = np.full(len(pieces) + 1, len(kept), dtype=np.int32)
    renumbered[kept] = np.arange(len(kept), dtype=np.int32)
    for group in groups:
        group.edges = renumbered[group.edges]
    return [pieces[place] for place in kept], weights[kept]
