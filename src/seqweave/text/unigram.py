"""Learning a unigram language model of subwords (Kudo 2018, section 3.2), always the same from the same data.

The trainer of HF `tokenizers` goes through its words in an order that changes from run to run, and with
it the sums of floats and the pieces kept; this one does not. Deviations from the paper: pieces are
pruned by their expected count, not by the loss of likelihood; seeds are all frequent substrings.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

MAX_PIECE = 16
"""Characters of the longest piece."""
_SEEDS_PER_PIECE = 12
_MOST_WORDS = 100_000
_KEPT_SHARE = 0.75
_FLOOR = -1e30


def learn_unigram(words: Mapping[str, int], size: int, min_frequency: int = 1) -> list[tuple[str, float]]:
    """The best `size` pieces (or fewer) with their log-probabilities, best first, ties by the piece.

    `words` are pieces of text with their counts; subwords never cross them. All characters seen
    `min_frequency` times are kept, the most frequent ones when they are more than `size`.
    """
    characters = _characters(words, size, min_frequency)
    items = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:_MOST_WORDS]
    counts = _seeds(items, characters, size, max(2, min_frequency))
    scores = _normalise(counts)
    while True:
        for _ in range(2):
            counts = _expected_counts(items, scores)
            for character in characters:
                counts[character] = max(counts.get(character, 0.0), 1e-3)
            scores = _normalise(counts)
        if len(scores) <= size:
            break
        scores = _normalise(_pruned(counts, characters, max(size, int(len(scores) * _KEPT_SHARE))))
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _characters(words: Mapping[str, int], size: int, min_frequency: int) -> set[str]:
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {character for character, count in ordered[:size] if count >= min_frequency}


def _seeds(items: list[tuple[str, int]], characters: set[str], size: int, least: int) -> dict[str, float]:
    """Frequent substrings, each weighted by its count times its length, as Kudo's suffix array does."""
    counts: Counter[str] = Counter()
    for word, count in items:
        for start in range(len(word)):
            for end in range(start + 1, min(start + MAX_PIECE, len(word)) + 1):
                counts[word[start:end]] += count
    frequent = [
        (piece, float(count * len(piece)))
        for piece, count in counts.items()
        if len(piece) > 1 and count >= least and characters.issuperset(piece)
    ]
    frequent.sort(key=lambda item: (-item[1], item[0]))
    seeds = dict(frequent[: size * _SEEDS_PER_PIECE])
    for character in sorted(characters):
        seeds[character] = float(max(counts[character], 1))
    return seeds


def _normalise(counts: Mapping[str, float]) -> dict[str, float]:
    total = math.log(math.fsum(counts.values())) if counts else 0.0
    return {piece: math.log(count) - total for piece, count in counts.items()}


def _pruned(counts: dict[str, float], characters: set[str], size: int) -> dict[str, float]:
    pieces = sorted((piece for piece in counts if piece not in characters), key=lambda piece: (-counts[piece], piece))
    kept = pieces[: max(0, size - len(characters))]
    return {piece: counts[piece] for piece in [*sorted(characters), *kept]}


def _expected_counts(items: list[tuple[str, int]], scores: Mapping[str, float]) -> dict[str, float]:
    """Expectation step: how often each piece is used, over all segmentations (forward-backward)."""
    expected: dict[str, float] = {}
    for word, count in items:
        edges = _edges(word, scores)
        forward = _forward(len(word), edges)
        if forward[-1] == _FLOOR:
            continue  # the word has a character outside the vocabulary
        backward = _forward(len(word), [(len(word) - end, len(word) - start, p, s) for start, end, p, s in edges[::-1]])
        for start, end, piece, score in edges:
            log_share = forward[start] + score + backward[len(word) - end] - forward[-1]
            if log_share > -30:
                expected[piece] = expected.get(piece, 0.0) + count * math.exp(log_share)
    return {piece: value for piece, value in expected.items() if value > 1e-6}


def _edges(word: str, scores: Mapping[str, float]) -> list[tuple[int, int, str, float]]:
    """All pieces in a word as (start, end, piece, score), by start, then by end."""
    return [
        (start, end, word[start:end], scores[word[start:end]])
        for start in range(len(word))
        for end in range(start + 1, min(start + MAX_PIECE, len(word)) + 1)
        if word[start:end] in scores
    ]


def _forward(length: int, edges: list[tuple[int, int, str, float]]) -> list[float]:
    """Log of the summed probability of all segmentations up to each position; `edges` sorted by start."""
    sums = [_FLOOR] * (length + 1)
    sums[0] = 0.0
    for start, end, _, score in edges:
        value, old = sums[start] + score, sums[end]
        high, low = (value, old) if value > old else (old, value)
        sums[end] = high if low - high < -40 else high + math.log1p(math.exp(low - high))
    return sums
