"""The learner against a naive twin: all segmentations written out."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqweave.text.unigram import _expected_counts, _groups, learn_unigram

WORDS = st.dictionaries(st.text("abc ", min_size=1, max_size=7), st.integers(1, 9), min_size=1, max_size=5)


def _segmentations(word: str) -> list[list[str]]:
    cuts = [cut for n in range(len(word)) for cut in combinations(range(1, len(word)), n)]
    return [[word[a:b] for a, b in zip((0, *cut), (*cut, len(word)), strict=True)] for cut in cuts]


@given(words=WORDS, pieces=st.sets(st.text("abc ", min_size=2, max_size=4), max_size=8), data=st.data())
def test_expected_counts_are_those_of_all_segmentations(
    words: dict[str, int], pieces: set[str], data: st.DataObject
) -> None:
    names = ["a", "b", "c", " ", *sorted(pieces)]
    weights = data.draw(st.lists(st.floats(0.05, 1), min_size=len(names), max_size=len(names)))
    probability = dict(zip(names, weights, strict=True))
    expected = dict.fromkeys(names, 0.0)
    for word, count in words.items():
        ways = [way for way in _segmentations(word) if all(piece in probability for piece in way)]
        shares = [math.prod(probability[piece] for piece in way) for way in ways]
        for way, share in zip(ways, shares, strict=True):
            for piece in way:
                expected[piece] += count * share / sum(shares)
    found = _expected_counts(_groups(list(words.items()), names), np.log(weights))
    assert found == pytest.approx(np.array([expected[name] for name in names]), rel=1e-9, abs=1e-12)


@given(words=WORDS, size=st.integers(1, 12))
def test_size_characters_and_order(words: dict[str, int], size: int) -> None:
    pieces = learn_unigram(words, size)
    names = [piece for piece, _ in pieces]
    assert len(set(names)) == len(names) <= size
    characters = set("".join(words))
    assert len(characters & set(names)) == min(size, len(characters))
    assert pieces == sorted(pieces, key=lambda item: (-item[1], item[0]))
    assert sum(math.exp(score) for _, score in pieces) == pytest.approx(1, abs=1e-6)


@given(words=WORDS)
def test_order_of_the_words_does_not_matter(words: dict[str, int]) -> None:
    assert learn_unigram(words, 8) == learn_unigram(dict(reversed(list(words.items()))), 8)


def test_nothing_to_learn_from() -> None:
    assert learn_unigram({}, 10) == []


@pytest.mark.slow
def test_long_words_do_not_underflow() -> None:
    pieces = dict(learn_unigram({"ab" * 1000: 1, "c": 1}, 10))
    assert all(math.isfinite(score) for score in pieces.values())
    assert {"a", "b", "c"} <= set(pieces)
