"""Copied items and replaced unknown items in the outputs of a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from architectures import CASES
from seqweave.config import TextConfig, build_config
from seqweave.errors import ConfigError
from seqweave.evaluation.perplexity import pair_batches, perplexities
from seqweave.model.ensemble import Ensemble
from seqweave.model.output.pointer_generator import PointerGenerator
from seqweave.predictor import Model
from seqweave.search.hypothesis import Hypothesis
from seqweave.search.options import SearchOptions
from seqweave.search.unknown import replaced_unknown, target_items
from seqweave.text.tokenizers import train_tokenizer
from seqweave.text.vocabulary import UNK, UNKNOWN_CHARACTER
from tiny_model import copying_model, tiny_model

NAMES = ("lstm-copies", "gru-copies_before", "lstm-copies_feeding", "gru-copies_between", "transformer-gru-copies")
TEXTS = ["fez", "abzggf", "", "gefährte", "e", "xyzzy", "bad", "abzggf"]


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("name", NAMES)
def test_copied_items_are_printed_and_scored(name: str, beam_size: int) -> None:
    model = copying_model(CASES[name])
    found = model.predict_n_best(TEXTS, n_best=beam_size, beam_size=beam_size, return_attention=True)
    pairs = [(text, one) for text, each in zip(TEXTS, found, strict=True) for one in each if text]
    assert any(set(one.text) - set("abcd") for _, one in pairs), "nothing was copied"
    for text, one in pairs:
        assert set(one.text) <= {*"abcd", *text, UNKNOWN_CHARACTER}
        assert one.text == "".join(UNKNOWN_CHARACTER if token == "<unk>" else token for token in one.tokens)
    # A text with <unk> as U+FFFD cannot be given back as one.
    whole = [(text, one) for text, one in pairs if UNKNOWN_CHARACTER not in one.text]
    scored = model.score([(text, one.text) for text, one in whole])
    for (_, one), again in zip(whole, scored, strict=True):
        assert again.tokens == one.tokens
        # One that was cut has no <eos>.
        assert again.token_log_probs[: len(one.token_log_probs)] == pytest.approx(one.token_log_probs, abs=1e-4)


@pytest.mark.parametrize("options", [None, SearchOptions(sample=True, seed=3)])
def test_company_does_not_matter(options: SearchOptions | None) -> None:
    model = copying_model(CASES["lstm-copies"])
    together = model.predict(TEXTS, options=options)
    assert any(set(one.text) & set("efgz") for one in together)
    for text, one in zip(TEXTS, together, strict=True):
        assert model.predict([text], options=options)[0].text == one.text


def test_constraints_hold() -> None:
    model = copying_model(CASES["lstm-copies"])
    rules = SearchOptions(min_length=4, no_repeat_ngram=1, forbid=("<unk>",), prefix="b")
    for one in model.predict(["fegzy", "xyzw"], options=rules):
        assert one.text[0] == "b"
        assert len(set(one.text)) == len(one.text) >= 4
        assert "<unk>" not in one.tokens


def test_perplexity_counts_what_can_be_copied() -> None:
    model = copying_model(CASES["lstm-copies"])
    forced, free = perplexities(model.network, pair_batches(model, ["fez"], ["zef"]))
    [one] = model.score([("fez", "zef")])
    assert forced == pytest.approx(np.exp(-one.log_prob / 4), rel=1e-4)
    assert np.isfinite(free)
    assert UNK not in next(pair_batches(model, ["fez"], ["zef"])).target_out


def test_replaced_by_hand() -> None:
    weights = np.array([[0.1, 0.9], [0.5, 0.5], [0.2, 0.8], [0.0, 1.0]], dtype=np.float32)
    assert replaced_unknown([7, UNK, UNK], weights, 20) == [7, 20, 21]


def test_features_never_replace_anything() -> None:
    weights = np.array([[0.5, 0.2, 0.3], [0.8, 0.15, 0.05]], dtype=np.float32)
    assert replaced_unknown([UNK, UNK], weights, 20, features=1) == [22, 21]
    assert replaced_unknown([UNK, UNK], weights, 20, features=3) == [UNK, UNK]


def test_items_take_the_form_of_the_target() -> None:
    space, word = (train_tokenizer(["a dog"], TextConfig(units=units)) for units in ("space", "word"))
    assert target_items(space, word, "zoe dog") == [" zoe", " dog"]
    assert target_items(word, space, "zoe dog") == ["zoe", "dog"]
    assert target_items(word, word, "zoe.") == [" zoe", "."]


def unknown_model(name: str = "gru-additive-before") -> Model:
    """A model that likes <unk>."""
    model = tiny_model(CASES[name])
    with torch.no_grad():
        model.single.output.bias[UNK] += 4.0
    return model


def expected(text: str, plain: Hypothesis) -> str:
    assert plain.attention is not None
    rows = zip(plain.tokens, plain.attention, strict=False)
    return "".join(text[weights.argmax()] if token == "<unk>" else token for token, weights in rows)


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("name", ["gru-additive-before", "lstm-general-after", "transformer-pre-sinusoidal"])
def test_unknown_items_are_replaced(name: str, beam_size: int) -> None:
    model = unknown_model(name)
    plain = model.predict_n_best(TEXTS, n_best=beam_size, beam_size=beam_size, return_attention=True)
    replaced = model.predict_n_best(TEXTS, n_best=beam_size, beam_size=beam_size, replace_unknown=True)
    assert any("<unk>" in one.tokens for each in plain for one in each)
    for text, before, after in zip(TEXTS, plain, replaced, strict=True):
        assert [one.text for one in after] == [expected(text, one) for one in before]
        assert all("<unk>" not in one.tokens and one.attention is None for one in after)
        assert [one.token_log_probs for one in after] == [one.token_log_probs for one in before]


def test_a_sample_is_replaced_and_the_setting_is_the_default() -> None:
    model = unknown_model()
    search = model.config.search.model_copy(update={"replace_unknown": True})
    model.config = model.config.model_copy(update={"search": search})
    for options in (model.options, replace(model.options, sample=True, seed=2)):
        found = model.predict(TEXTS, options=options)
        plain = model.predict(TEXTS, options=options, replace_unknown=False, return_attention=True)
        assert [one.text for one in found] == [expected(*pair) for pair in zip(TEXTS, plain, strict=True)]
        assert any("<unk>" in one.tokens for one in plain)


def test_a_model_that_copies_can_replace_what_is_left() -> None:
    model = copying_model(CASES["lstm-copies"])
    with torch.no_grad():
        assert isinstance(model.single.output, PointerGenerator)
        model.single.output.gate.bias.fill_(0.0)
        model.single.output.bias[UNK] += 4.0
    draws = SearchOptions(sample=True, seed=1)
    found = model.predict(TEXTS, options=draws)
    assert any("<unk>" in one.tokens for one in found)
    assert any(set(one.text) & set("efgz") for one in found)
    for text, one in zip(TEXTS, model.predict(TEXTS, options=draws, replace_unknown=True), strict=True):
        assert set(one.text) <= {*"abcd", *text}


def test_an_ensemble_follows_the_members_that_have_attention() -> None:
    some, none = unknown_model(), tiny_model(CASES["gru-none-first"], seed=2)
    both = Model(Ensemble([some.single, none.single]).eval(), some.source_tokenizer, some.target_tokenizer, some.config)
    plain = both.predict(TEXTS, return_attention=True)
    assert any("<unk>" in one.tokens for one in plain)
    replaced = both.predict(TEXTS, replace_unknown=True)
    assert [one.text for one in replaced] == [expected(*pair) for pair in zip(TEXTS, plain, strict=True)]


def test_labels_are_no_items_of_a_source() -> None:
    model = tiny_model(CASES["gru-additive-before"])
    model.config = build_config({"data.target.units": "label"}, model.config)
    with pytest.raises(
        ConfigError,
        match=r"puts items of the source.*an output of this model is one label.*leave it out",
    ):
        model.predict(["abc"], replace_unknown=True)


def test_without_attention_there_is_nothing_to_follow() -> None:
    model = tiny_model(CASES["gru-none-first"])
    with pytest.raises(ConfigError, match=r"replace_unknown must have attention.*model\.attention=none.*leave it out"):
        model.predict(["abc"], replace_unknown=True)
