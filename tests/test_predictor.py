"""From texts to texts: order, empty lines, unknown items, cuts; and a model folder loaded again."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqweave import folder as folders
from seqweave.config import Config, TextConfig, build_config, config_to_json
from seqweave.errors import ConfigError, DataError, ModelFolderError
from seqweave.inspection.tracing import trace
from seqweave.loading import load
from seqweave.model.build import build_model
from seqweave.model.optimized.int8 import int8_works
from seqweave.predictor import Model
from seqweave.search.hypothesis import Hypothesis
from seqweave.text.tokenizers import Tokenizer, train_tokenizer
from seqweave.text.vocabulary import EOS

TEXTS = ["abc", "", "dab", "a", "cabbage", "bad", "  ", "fade", "abc", "gag"]
CONFIG = build_config(
    {
        "model.embedding_size": 5,
        "model.encoder_hidden_size": 4,
        "model.decoder_hidden_size": 8,
        "data.source.units": "char",
        "data.target.units": "char",
        "data.max_source_length": 9,
        "search.max_length_ratio": 1.0,
        "search.max_length": 15,
        "search.beam_size": 3,
        "search.batch_tokens": 24,
    }
)


def _tokenizer(text: str) -> Tokenizer:
    return train_tokenizer([text], TextConfig(units="char"))


def _model(config: Config = CONFIG) -> Model:
    source, target = _tokenizer("abcdefg"), _tokenizer("xyzwv")
    torch.manual_seed(5)
    network = build_model(config.model, source.size, target.size)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.7)
        network.output.bias[EOS] += 3.0
    return Model(network, source, target, config)


@pytest.fixture(scope="module")
def model() -> Model:
    return _model()


def _check_same(one: Hypothesis, other: Hypothesis) -> None:
    assert (one.text, one.tokens, one.source_tokens) == (other.text, other.tokens, other.source_tokens)
    assert one.score == pytest.approx(other.score, abs=1e-5)
    np.testing.assert_allclose(one.token_log_probs, other.token_log_probs, atol=1e-5)
    if one.attention is not None and other.attention is not None:
        np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)


@pytest.mark.parametrize("beam_size", [1, 3, None])
def test_order_is_kept_and_company_does_not_matter(model: Model, beam_size: int | None) -> None:
    together = model.predict(TEXTS, beam_size=beam_size, return_attention=True)
    assert len(together) == len(TEXTS)
    assert len({one.text for one in together}) > 2, "outputs must differ for this test to say anything"
    backwards = model.predict(TEXTS[::-1], beam_size=beam_size, return_attention=True)
    for text, one, other in zip(TEXTS, together, reversed(backwards), strict=True):
        (alone,) = model.predict([text], beam_size=beam_size, return_attention=True)
        _check_same(one, other)
        _check_same(one, alone)


def test_the_parts_of_a_hypothesis_fit_together(model: Model) -> None:
    for text, one in zip(TEXTS, model.predict(TEXTS, return_attention=True), strict=True):
        assert one.attention is not None
        assert one.attention.dtype == np.float32
        assert one.attention.shape == (len(one.token_log_probs), len(one.source_tokens))
        assert len(one.token_log_probs) == len(one.tokens) + (one.finished and bool(text.strip()))
        assert one.log_prob == pytest.approx(sum(one.token_log_probs))
        if not any(token.startswith("<") for token in one.tokens):  # no unknown item among them
            assert one.text == "".join(one.tokens)
        np.testing.assert_allclose(one.attention.sum(1), 1.0, atol=1e-5)


def test_no_attention_unless_asked_for(model: Model) -> None:
    assert all(one.attention is None for one in model.predict(TEXTS))


def test_empty_texts_never_reach_the_network(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.network, "encode", None)
    assert model.predict([]) == []
    (one,) = model.predict([""])
    assert one == Hypothesis("", [], 0.0, 0.0, [], [], None, finished=True)
    ((two,),) = model.predict_n_best([""], n_best=3, return_attention=True)
    assert two.attention is not None
    assert two.attention.shape == (0, 0)


def test_unknown_items_are_shown_as_their_text(model: Model) -> None:
    (one,) = model.predict(["a雨b"])
    assert one.source_tokens == ["a", "雨", "b"]


def test_n_best(model: Model) -> None:
    results = model.predict_n_best(TEXTS, n_best=3)
    for text, hypotheses, best in zip(TEXTS, results, model.predict(TEXTS), strict=True):
        _check_same(hypotheses[0], best)
        assert len(hypotheses) == (3 if text.strip() else 1)
    with pytest.raises(ConfigError, match=r"n_best must lie between 1 and beam_size \(3\), but it is 4"):
        model.predict_n_best(TEXTS, n_best=4)
    with pytest.raises(ConfigError, match="beam_size must be 1 or more, but it is 0"):
        model.predict(TEXTS, beam_size=0)


def test_one_text_instead_of_a_list(model: Model) -> None:
    with pytest.raises(ConfigError, match="texts must be a list of texts"):
        model.predict("abc")


def test_a_tab_is_refused_unless_the_model_knows_it_or_the_caller_says_so(model: Model) -> None:
    for answer in (model.predict, lambda texts: model.predict_n_best(texts, n_best=1)):
        with pytest.raises(DataError, match=r"number 2 of 3 has tabs in it.*split\('\\t'\)\[0\], or say tabs=True"):
            answer(["ab", "ab\tcd", "a"])
    assert len(model.predict(["ab", "ab\tcd"], tabs=True)) == 2
    assert model.predict(["ab\t"])[0].text == model.predict(["ab"])[0].text  # what is at the ends does not count
    knowing = Model(model.single, _tokenizer("abcdef\t"), model.target_tokenizer, model.config)
    assert len(knowing.predict(["ab\tcd"])) == 1
    assert len(model.score([("ab\tcd", "xy")])) == 1


def test_an_iterator_is_read_like_a_list(model: Model) -> None:
    for one, other in zip(model.predict(iter(TEXTS)), model.predict(TEXTS), strict=True):
        _check_same(one, other)
    pairs = [("abc", "xy"), ("b", "v")]
    for one, other in zip(model.score(iter(pairs)), model.score(pairs), strict=True):
        _check_same(one, other)
    assert model.predict(["abc"], beam_size=np.int64(2))[0] == model.predict(["abc"], beam_size=2)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        (None, {}, "texts must be a list of texts, but it is None: give a list"),
        (7, {}, "texts must be a list of texts, but it is a value of type int: give a list"),
        (["a", None], {}, "texts must be a list of texts, but number 2 is None: give it as text"),
        ([b"a"], {}, "texts must be a list of texts, but number 1 is a value of type bytes: give it as text"),
        (["a"], {"beam_size": 2.5}, "beam_size must be a whole number, but it is 2.5: give one from 1 to 1,000"),
        (["a"], {"beam_size": "3"}, "beam_size must be a whole number, but it is '3': give one from 1 to 1,000"),
        (["a"], {"beam_size": True}, "beam_size must be a whole number, but it is True: give one from 1 to 1,000"),
        (["a"], {"beam_size": 10**9}, "beam_size must be at most 1,000, but it is 1000000000: choose a smaller one"),
        (["a"], {"n_best": None}, "n_best must be a whole number, but it is None: give one from 1 to 1,000"),
    ],
)
def test_what_is_no_list_of_texts_or_no_size(model: Model, texts: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        model.predict_n_best(texts, **{"n_best": 1, **options})
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (None, "but it is None: give a list, [(source, target)]"),
        ("ab", "but it is one text: give a list, [(source, target)]"),
        (["ab", "ba"], "but number 1 is one text: give it as (source, target)"),
        ([("a", "x"), ("a", "x", "y")], "but number 2 has 3 parts: give it as (source, target)"),
        ([("a", None)], "but number 1 holds None: give both as text"),
        ([(1, "x")], "but number 1 holds a value of type int: give both as text"),
    ],
)
def test_what_is_no_list_of_pairs(model: Model, pairs: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        model.score(pairs)
    assert str(caught.value) == f"pairs must be a list of (source, target) texts, {message}"


def test_trace_refuses_what_is_no_text(model: Model) -> None:
    with pytest.raises(ConfigError, match="source must be a text, but it is None: give one text"):
        trace(model, None)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="beam_size must be a whole number, but it is 'many'"):
        trace(model, "abc", beam_size="many")  # type: ignore[arg-type]


def test_a_long_source_is_cut_and_counted(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="seqweave"):
        cut, plain, _ = model.predict(["abcdefgab" + "g" * 20, "abcdefgab", "b"], return_attention=True)
    _check_same(cut, plain)
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 3 sources have more than 9 items (data.max_source_length); the rest of them was cut off"
    ]


def test_a_maximum_length(model: Model) -> None:
    longest = _model(build_config({"search.max_length": 2}, CONFIG))
    for one in longest.predict(TEXTS):
        assert len(one.token_log_probs) <= 2


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_prediction_has_its_forced_score(model: Model, beam_size: int) -> None:
    found = model.predict(TEXTS, beam_size=beam_size, return_attention=True)
    pairs = [(t, one.text) for t, one in zip(TEXTS, found, strict=True) if t.strip() and one.finished]
    assert len(pairs) > 2
    forced = model.score(pairs, return_attention=True)
    wanted = [one for t, one in zip(TEXTS, found, strict=True) if t.strip() and one.finished]
    for one, other in zip(wanted, forced, strict=True):
        _check_same(one, other)


def test_score_keeps_order_and_takes_empty_targets(model: Model) -> None:
    pairs = [("abc", "xy"), ("a", ""), ("cabbage", "zzzzzz"), ("b", "v")]
    together = model.score(pairs)
    for pair, one in zip(pairs, together, strict=True):
        _check_same(one, model.score([pair])[0])
        assert one.text == pair[1]
        assert len(one.token_log_probs) == len(pair[1]) + 1
    assert model.score([]) == []


def test_score_refuses_an_empty_source(model: Model) -> None:
    with pytest.raises(DataError, match="pair 2 of 2 must have a source, but it is empty: leave the pair out"):
        model.score([("abc", "xy"), ("", "xy")])


def test_a_network_in_training_stays_in_training() -> None:
    model = _model()
    model.network.train()
    first = [one.log_prob for one in model.predict(TEXTS)]
    assert model.network.training
    assert first == [one.log_prob for one in model.predict(TEXTS)], "no dropout while predicting"


def _save(model: Model, folder: Path) -> None:
    folder.mkdir()
    (folder / folders.CONFIG).write_text(config_to_json(model.config), encoding="utf-8")
    model.source_tokenizer.save(folder / folders.SOURCE_TOKENIZER)
    model.target_tokenizer.save(folder / folders.TARGET_TOKENIZER)
    folders.save_weights(model.network, folder / folders.WEIGHTS)
    folders.write_manifest(folder, folders.model_files(folder))


def test_a_loaded_model_is_the_same(model: Model, tmp_path: Path) -> None:
    _save(model, tmp_path / "model")
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    loaded = load(tmp_path / "model", device="cpu", backend="torch")
    assert torch.equal(before, torch.random.get_rng_state()), "loading must not disturb anybody's random numbers"
    assert not loaded.network.training
    assert loaded.predict(TEXTS) == model.predict(TEXTS)


def test_a_damaged_folder_is_refused(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    _save(model, folder)
    (folder / folders.SOURCE_TOKENIZER).write_text("{}")
    with pytest.raises(ModelFolderError, match=r"source\.tokenizer\.json was changed"):
        load(folder, device="cpu")


def test_weights_of_another_network_are_refused(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    _save(model, folder)
    other = build_config({"model.cell": "gru"}, model.config)
    (folder / folders.CONFIG).write_text(config_to_json(other), encoding="utf-8")
    folders.write_manifest(folder, folders.model_files(folder))
    with pytest.raises(ModelFolderError, match=r"do not fit the network of config\.json"):
        load(str(folder), device="cpu")


def test_an_unknown_device_is_refused(model: Model, tmp_path: Path) -> None:
    _save(model, tmp_path / "model")
    with pytest.raises(ConfigError, match="device must be one of auto"):
        load(tmp_path / "model", device="tpu")


@pytest.mark.skipif(not int8_works(), reason="this processor has no fast products of 8-bit numbers")
def test_int8_is_the_same_search_on_rounded_weights(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqweave.model.optimized.linear.SMALL", 0)
    _save(model, tmp_path / "model")
    exact, rounded = (load(tmp_path / "model", precision=precision, backend="torch") for precision in ("fp32", "int8"))
    assert (exact.precision, rounded.precision) == ("fp32", "int8")
    texts = ["abc", "b", "cab ba"]
    for beam_size in (1, 3):
        found = rounded.predict(texts, beam_size=beam_size)
        for text, one, other in zip(texts, found, exact.predict(texts, beam_size=beam_size), strict=True):
            assert one.log_prob != other.log_prob
            forced = exact.score([(text, one.text)])[0].token_log_probs[: len(one.token_log_probs)]
            assert one.token_log_probs == pytest.approx(forced, abs=0.05)
            assert one.score == pytest.approx(rounded.predict([text], beam_size=beam_size)[0].score, abs=1e-5)


def test_int8_without_fast_products_says_so(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("seqweave.model.optimized.network.int8_works", lambda: False)
    _save(model, tmp_path / "model")
    loaded = load(tmp_path / "model", precision="int8", backend="torch")
    with caplog.at_level(logging.WARNING, logger="seqweave"):
        assert [one.text for one in loaded.predict(["abc"])] == [one.text for one in model.predict(["abc"])]
    assert [record.getMessage() for record in caplog.records] == [
        "search.precision is int8, but the matrix products of this model run in fp32 here"
    ]


def test_an_unknown_precision_is_refused(model: Model, tmp_path: Path) -> None:
    _save(model, tmp_path / "model")
    with pytest.raises(ConfigError, match=r"search\.precision: input should be 'fp32' or 'int8', but it is 'fp8'"):
        load(tmp_path / "model", precision="fp8")
