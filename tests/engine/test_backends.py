"""Which backend a model takes, and that both give the same."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from seqweave.config import ModelConfig
from seqweave.engine import engine_missing
from seqweave.errors import ConfigError
from seqweave.evaluation.evaluate import both_perplexities
from seqweave.loading import load
from seqweave.predictor import Model
from seqweave.search.hypothesis import Hypothesis
from seqweave.search.options import SearchOptions
from tiny_model import copying_model, tiny_folder, tiny_model

TEXTS = ["abc", "", "cab", "bad", "abcabcab", "a", "  ", "dd"]
SIZES = {"embedding_size": 5, "encoder_hidden_size": 4, "decoder_hidden_size": 8}
KINDS = {
    "plain": ModelConfig(**SIZES),
    "copies": ModelConfig(**SIZES, copy=True),
    "transformer": ModelConfig(encoder="transformer", decoder="transformer", embedding_size=8, heads=2),
}


@pytest.fixture(scope="module", params=[*KINDS])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if missing := engine_missing():
        pytest.skip(f"the engine cannot be used: {missing}")
    config = KINDS[request.param]
    model = copying_model(config) if config.copy else tiny_model(config)
    return tiny_folder(model, tmp_path_factory.mktemp(request.param) / "model")


@pytest.fixture
def both(folder: Path) -> tuple[Model, Model]:
    return load(folder, backend="engine"), load(folder, "cpu", backend="torch")


def assert_alike(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [one.text for one in found] == [one.text for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.token_log_probs == pytest.approx(other.token_log_probs, abs=1e-5)
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert (one.tokens, one.source_tokens, one.finished) == (other.tokens, other.source_tokens, other.finished)
        assert (one.attention is None) == (other.attention is None)
        if one.attention is not None and other.attention is not None:
            np.testing.assert_allclose(one.attention, other.attention, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        SearchOptions(beam_size=1),
        SearchOptions(beam_size=4, return_attention=True),
        SearchOptions(beam_size=3, min_length=3, no_repeat_ngram=2, forbid=("a",), prefix="b", coverage_penalty=0.3),
        SearchOptions(sample=True, temperature=0.8, top_k=3, seed=5),
    ],
    ids=["greedy", "beam", "constraints", "draws"],
)
def test_both_predict_the_same(both: tuple[Model, Model], options: SearchOptions) -> None:
    engine, other = (model.predict(TEXTS, options=options) for model in both)
    assert_alike(engine, other)
    assert both[0].engine is not None
    assert both[1].engine is None


def test_both_score_the_same(both: tuple[Model, Model]) -> None:
    pairs = [("abc", "cba"), ("a", ""), ("bad", "dabbad"), ("dd", "d")]
    engine, other = (model.score(pairs, return_attention=True) for model in both)
    assert_alike(engine, other)
    sources, targets = map(list, zip(*pairs, strict=True))
    found, expected = (both_perplexities(model, sources, targets) for model in both)
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_result_does_not_depend_on_the_call(both: tuple[Model, Model]) -> None:
    engine, many = both[0], TEXTS * 40
    together = engine.predict(many, beam_size=3)
    told: list[int] = []
    engine.tell_done = told.append
    assert [one.text for one in engine.predict(many, beam_size=3)] == [one.text for one in together]
    assert sum(told) == sum(bool(text.strip()) for text in many)
    for text, one in zip(TEXTS, together, strict=False):
        assert_alike(engine.predict([text], beam_size=3), [one])


def test_whole_numbers_of_8_bits_are_near(folder: Path) -> None:
    exact, rounded = (load(folder, backend="engine", precision=precision) for precision in ("fp32", "int8"))
    assert (exact.precision, rounded.precision) == ("fp32", "int8")
    for one, text in zip(rounded.predict(["abc", "cab"], beam_size=1), ["abc", "cab"], strict=True):
        forced = exact.score([(text, one.text)])[0].token_log_probs[: len(one.token_log_probs)]
        assert one.token_log_probs != forced
        if "<unk>" not in one.text:
            assert one.token_log_probs == pytest.approx(forced, abs=0.3)


def nothing(log_probs: Tensor, outputs: list[list[int]]) -> None:
    """A step filter that changes nothing."""


def test_step_filters_of_ones_own_go_through_torch(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = load(folder, "cpu")
    expected = model.predict(TEXTS)
    with caplog.at_level(logging.INFO, logger="seqweave"):
        for _ in range(2):
            assert_alike(model.predict(TEXTS, filters=[nothing]), expected)
    said = [record.getMessage() for record in caplog.records if "step filters" in record.getMessage()]
    assert said == ["step filters that are Python functions run through torch, which is slower than the engine"]
    with pytest.raises(ConfigError, match="step filters that are Python functions need torch"):
        load(folder, backend="engine").predict(TEXTS, filters=[nothing])


def test_weights_that_are_changed_in_torch_count(folder: Path) -> None:
    model, refusing = load(folder, "cpu"), load(folder, backend="engine")
    before = model.predict(["abc"])[0].score
    for one in (model, refusing):
        assert one.engine is not None
        with torch.no_grad():
            one.single.output.bias[3] += 1
    assert model.engine is None
    assert model.predict(["abc"])[0].score != before
    with pytest.raises(ConfigError, match="this network was made or changed in torch"):
        refusing.predict(["abc"])


def test_an_unknown_backend_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="backend must be one of auto, engine, torch, but it is 'onnx'"):
        load(folder, backend="onnx")


def test_without_the_engine_torch_predicts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load(folder, "cpu").predict(TEXTS)
    monkeypatch.setattr("seqweave.loading.engine_missing", lambda: "it is not there")
    monkeypatch.setattr("seqweave.predictor.engine_missing", lambda: "it is not there")
    model = load(folder)
    assert model.engine is None
    assert_alike(model.predict(TEXTS), expected)
    with pytest.raises(ConfigError, match="the engine cannot run this: it is not there"):
        load(folder, backend="engine").predict(TEXTS)


def test_several_folders_are_one(folder: Path, tmp_path: Path) -> None:
    config = load(folder).config.model
    other = copying_model(config) if config.copy else tiny_model(config, seed=2)
    folders = [folder, tiny_folder(other, tmp_path / "other")]
    engine, expected = load(folders, backend="engine"), load(folders, "cpu", backend="torch")
    options = replace(engine.options, beam_size=3, return_attention=True)
    assert_alike(engine.predict(TEXTS, options=options), expected.predict(TEXTS, options=options))
