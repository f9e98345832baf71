"""Alignments by attention: the numbers of `Model.score`, words, and a planted alignment that comes back."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

import seqweave
from architectures import CASES
from seqweave.config import TextConfig
from seqweave.errors import ConfigError, DataError
from seqweave.evaluation.alignment_error import Gold, alignment_error
from seqweave.inspection.aligning import pair_weights, word_places
from seqweave.inspection.alignments import METHODS, hard_links
from seqweave.text.tokenizers import train_tokenizer
from tiny_model import tiny_model

PAIRS = [("abca", "gf"), ("b", "a"), ("ab ca", "g fe")]


def test_weights_are_those_of_score() -> None:
    model = tiny_model(CASES["gru-additive-after"])
    scored = model.score(PAIRS, return_attention=True)
    for shift in (False, True):
        for weights, found in zip(pair_weights([model], PAIRS, shift=shift), scored, strict=True):
            assert found.attention is not None
            assert np.array_equal(weights, found.attention[shift : len(found.tokens) + shift])


def test_several_models_give_their_mean() -> None:
    one, other = tiny_model(CASES["gru-additive-after"], 1), tiny_model(CASES["lstm-general-after"], 2)
    alone = [list(pair_weights([model], PAIRS)) for model in (one, other)]
    for weights, ours, theirs in zip(pair_weights([one, other], PAIRS), *alone, strict=True):
        assert weights == pytest.approx((ours + theirs) / 2)


def test_words_get_the_weights_of_their_items() -> None:
    model = tiny_model(CASES["gru-additive-after"])
    items, words = (next(pair_weights([model], PAIRS[2:], words=flag)) for flag in (False, True))
    # Sources `ab`, blank, `ca`; targets `g`, blank, `fe`.
    sources = np.stack([items[:, :2].sum(1), items[:, 3:].sum(1)], 1)
    expected = np.stack([sources[0], sources[2:].mean(0)])
    assert words == pytest.approx(expected)


@pytest.mark.parametrize("units", ["char", "word", "space", "byte", "subword"])
def test_every_item_has_its_word(units: str) -> None:
    text = " Dr. Ré,  no "
    tokenizer = train_tokenizer([text] * 3, TextConfig.model_validate({"units": units}))
    places = word_places(tokenizer, text)
    assert len(places) == len(tokenizer.encode(text))
    assert [place for place in dict.fromkeys(places) if place >= 0] == [0, 1, 2]


def test_mistakes_are_told() -> None:
    with pytest.raises(ConfigError, match="must have attention to align with it, but this one has none"):
        list(pair_weights([tiny_model(CASES["gru-none-first"])], PAIRS))
    with pytest.raises(ConfigError, match="there must be a model to align with"):
        list(pair_weights([], PAIRS))
    with pytest.raises(DataError, match="that of 'a' is empty: leave it out"):
        list(pair_weights([tiny_model(CASES["gru-dot-after"])], [("a", "")]))


@pytest.mark.slow
def test_a_planted_alignment_comes_back(tmp_path: Path) -> None:
    """Reversed words of distinct letters: target j comes from source n - 1 - j, and attention finds it."""
    draw = random.Random(1)
    words = ["".join(draw.sample("abcdefghijklmnop", draw.randint(3, 9))) for _ in range(4000)]
    data = tmp_path / "pairs.tsv"
    data.write_text("".join(f"{word}\t{word[::-1]}\n" for word in words), encoding="utf-8")
    settings = {
        "data.source.units": "char",
        "data.target.units": "char",
        "model.cell": "gru",
        "model.embedding_size": 32,
        "model.encoder_hidden_size": 32,
        "model.decoder_hidden_size": 64,
        "model.attention": "additive",
        "model.attention_position": "before",
        "model.dropout": 0.0,
        "training.max_steps": 1200,
        "training.batch_tokens": 1024,
        "training.learning_rate": 3e-3,
        "training.warmup_steps": 50,
        "training.label_smoothing": 0.0,
        "training.validate_every": 1200,
        "training.precision": "fp32",
    }
    seqweave.train(data, tmp_path / "model", settings=settings, device="cpu")
    model = seqweave.load(tmp_path / "model", "cpu")
    fresh = ["".join(draw.sample("abcdefghijklmnop", draw.randint(3, 9))) for _ in range(200)]
    pairs = [(word, word[::-1]) for word in fresh]
    gold = []
    for word in fresh:
        right = frozenset((len(word) - 1 - j, j) for j in range(len(word)))
        gold.append(Gold(right, right))
    weights = list(pair_weights([model], pairs))
    errors = {
        method: alignment_error([hard_links(one, method, 0.5 * (method == "threshold")) for one in weights], gold).aer
        for method in METHODS
        if method != "monotone"
    }
    assert all(error < 5 for error in errors.values()), errors
    # The last target is read while <eos> is written, which looks elsewhere: shifted rows must not be right here.
    shifted = [hard_links(one) for one in pair_weights([model], pairs, shift=True)]
    assert alignment_error(shifted, gold).aer > 50
