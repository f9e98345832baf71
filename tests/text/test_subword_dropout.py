"""BPE-dropout: none is the library's encoding, all is characters, between them the paper's algorithm, word by word."""

from __future__ import annotations

import itertools
import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqweave.config import TextConfig
from seqweave.text.features import FeaturedTokenizer, Features
from seqweave.text.subword_dropout import Merges, child_keys, dropped_subwords, mixed, uniform, word_keys
from seqweave.text.tokenizers import Tokenizer, train_tokenizer

TEXTS = ["the lower the lowest, the newer the newest", "aaaaaaa aaa abababa wider", "안녕 안녕하세요 낮은 낮다"] * 3
BPE = train_tokenizer(TEXTS, TextConfig(units="subword", max_size=70))
JAMO = train_tokenizer(TEXTS, TextConfig(units="subword", max_size=80, jamo=True))


def drop(tokenizer: Tokenizer, text: str, probability: float, key: int = 7) -> list[int]:
    [(letters, words)] = tokenizer.letters_batch([text])
    keys = word_keys(mixed(np.array([key], dtype=np.uint64)), [len(words)])
    flat, lengths = np.array(letters, dtype=np.int64), np.array(words, dtype=np.int64)
    ids, counts = dropped_subwords(Merges.of(tokenizer.to_json()), flat, lengths, keys, probability)
    assert counts.sum() == len(ids)
    return [int(id_) for id_ in ids]


def naive(tokenizer: Tokenizer, text: str, probability: float, key: int = 7) -> list[int]:
    """Provilkov et al. 2020, algorithm 1, on one word of texts after the other."""
    model = json.loads(tokenizer.to_json())["model"]
    vocabulary = model["vocab"]
    ranks = {tuple(merge): rank for rank, merge in enumerate(model["merges"])}
    names = {id_: entry for entry, id_ in vocabulary.items()}
    [(letters, words)] = tokenizer.letters_batch([text])
    made: list[int] = []
    begin = 0
    for number, length in enumerate(words):
        split = [names[id_] for id_ in letters[begin : begin + length]]
        begin += length
        word_key = child_keys(mixed(np.array([key], dtype=np.uint64)), np.array([number]))
        for step in range(length):
            step_key = child_keys(word_key, np.array([step]))
            merges = []
            for place, pair in enumerate(itertools.pairwise(split)):
                if pair in ranks and float(uniform(child_keys(step_key, np.array([place])))[0]) >= probability:
                    merges.append((ranks[pair], place))
            if not merges:
                break
            _, place = min(merges)
            split[place : place + 2] = [split[place] + split[place + 1]]
        made += [vocabulary[part] for part in split]
    return made


@pytest.mark.parametrize("tokenizer", [BPE, JAMO], ids=["bpe", "jamo"])
@given(st.text(st.sampled_from("thelowrnsa ,안녕낮은Zz "), max_size=60))
def test_no_dropout_is_the_library(tokenizer: Tokenizer, text: str) -> None:
    assert drop(tokenizer, text, 0.0) == tokenizer.encode(text)


@pytest.mark.parametrize("tokenizer", [BPE, JAMO], ids=["bpe", "jamo"])
@pytest.mark.parametrize("text", [*TEXTS[:3], "", "Zebra the Z"])
def test_full_dropout_is_characters(tokenizer: Tokenizer, text: str) -> None:
    letters = drop(tokenizer, text, 1.0)
    assert letters == tokenizer.letters_batch([text])[0][0]
    assert all(len(tokenizer.names([id_])[0]) == 1 for id_ in letters if id_ > 3)


@given(st.text(st.sampled_from("thelowrnsaab ,안녕낮은Z"), max_size=40), st.integers(0, 2**32), st.floats(0, 1))
def test_dropout_is_that_of_the_naive_twin(text: str, key: int, probability: float) -> None:
    assert drop(BPE, text, probability, key) == naive(BPE, text, probability, key)


def test_dropped_subwords_stand_for_the_same_text() -> None:
    found = {tuple(drop(BPE, TEXTS[0], 0.3, key)) for key in range(50)}
    assert len(found) > 40
    assert {BPE.decode(ids) for ids in found} == {TEXTS[0]}


def test_features_are_never_merged() -> None:
    tokenizer = FeaturedTokenizer(BPE, Features(("3", "4"), ";", (("PST", "V"), ("de", "en"))))
    text = "the lower\tV;PST\ten"
    features = [BPE.size, BPE.size + 1, BPE.size + 3]
    assert drop(tokenizer, text, 0.0) == tokenizer.encode(text) == [*features, *BPE.encode("the lower")]
    assert drop(tokenizer, text, 1.0) == [*features, *drop(BPE, "the lower", 1.0)]
    some = drop(tokenizer, text, 0.3)
    assert some[:3] == features
    assert BPE.decode(some[3:]) == "the lower"
    assert tokenizer.letters_batch(["the\t\t", "\tV\tde"]) == [BPE.letters_batch(["the"])[0], ([], [])]


def test_by_hand() -> None:
    """Vocabulary a, b, ab, aba; merges a b, then ab a. `aba` with one merge at each step."""
    merges = Merges(8, np.array([4 * 8 + 5, 6 * 8 + 4]), np.array([0, 1]), np.array([6, 7]))
    size = 40_000
    keys = child_keys(mixed(np.array([1], dtype=np.uint64)), np.arange(size))
    ids, counts = dropped_subwords(merges, np.tile([4, 5, 4], size), np.full(size, 3), keys, 0.25)
    # a b a with 1/4, ab a with 3/4 * 1/4, aba with 3/4 * 3/4
    shares = np.bincount(counts, minlength=4)[1:] / size
    assert shares == pytest.approx([9 / 16, 3 / 16, 4 / 16], abs=0.01)
    assert ids[counts.cumsum()[counts == 1] - 1].tolist() == [7] * int((counts == 1).sum())


def test_a_word_does_not_depend_on_its_neighbours() -> None:
    merges = Merges.of(BPE.to_json())
    draw = random.Random(1)
    words = [[draw.randrange(4, BPE.size) for _ in range(draw.choice((1, 2, 3, 5, 9, 33)))] for _ in range(60)]
    keys = child_keys(mixed(np.array([3], dtype=np.uint64)), np.arange(60))
    letters, lengths = np.concatenate(words), np.array(list(map(len, words)))
    together, counts = dropped_subwords(merges, letters, lengths, keys, 0.4)
    alone = [dropped_subwords(merges, np.array(w), np.array([len(w)]), keys[[n]], 0.4)[0] for n, w in enumerate(words)]
    assert [part.tolist() for part in np.split(together, counts.cumsum()[:-1])] == [part.tolist() for part in alone]


def test_no_merges_and_no_words() -> None:
    nothing = np.array([], dtype=np.int64)
    empty = Merges(8, nothing, nothing, nothing)
    keys = np.zeros(1, dtype=np.uint64)
    ids, counts = dropped_subwords(empty, np.array([4, 5]), np.array([2]), keys, 0.5)
    assert (ids.tolist(), counts.tolist()) == ([4, 5], [2])
    ids, counts = dropped_subwords(Merges.of(BPE.to_json()), nothing, nothing, keys[:0], 0.5)
    assert (len(ids), len(counts)) == (0, 0)
