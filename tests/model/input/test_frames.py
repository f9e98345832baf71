"""Models that read frames: built, trained, searched, scored, verified, evaluated, traced and kept, from Python."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from quick import quick_are
from seqweave import load, trace
from seqweave.config import Config, build_config
from seqweave.data.dataset import PairDataset
from seqweave.data.source import make_sources
from seqweave.data.source_batch import pad_sources
from seqweave.errors import ConfigError, ModelFolderError
from seqweave.evaluation.evaluate import evaluate_model
from seqweave.folder import CONFIG, SOURCE_TOKENIZER, check_manifest
from seqweave.inspection.attributions import with_attributions
from seqweave.inspection.changes import WhatIf
from seqweave.inspection.trace_json import trace_from_json, trace_to_json
from seqweave.model.build import build_model
from seqweave.model.ensemble import Ensemble
from seqweave.model.seq2seq import Seq2Seq
from seqweave.predictor import Model
from seqweave.proofs.verify import verify_search
from seqweave.search.options import SearchOptions
from seqweave.text.tokenizers import Tokenizer, train_tokenizer
from seqweave.training.distributed import Ranks
from seqweave.training.events import ignore
from seqweave.training.optimizer import Optimizer
from seqweave.training.record import Record
from seqweave.training.step import Stepper, step_stream

LETTERS, SIZE, NOISE = "abcde", 4, 0.1
SMALL: dict[str, Any] = {
    "model.frame_size": SIZE,
    "model.embedding_size": 16,
    "model.encoder_hidden_size": 12,
    "model.decoder_hidden_size": 24,
    "model.dropout": 0.0,
    "data.target.units": "char",
    "search.max_length_ratio": 1.0,
    "search.max_length": 12,
    "training.batch_tokens": 300,
    "training.learning_rate": 0.01,
    "training.label_smoothing": 0.0,
}
TRANSFORMER = {"model.encoder": "transformer", "model.heads": 2, "model.feed_forward_size": 24}
READERS: dict[str, dict[str, Any]] = {
    "lstm": {"model.bridge": "copy", "training.learning_rate": 0.02},
    "transformer": {**TRANSFORMER, "training.learning_rate": 0.006},
}
ALL: dict[str, dict[str, Any]] = {
    **READERS,
    "gru-reversed": {"model.cell": "gru", "model.reverse_source": True, "model.attention_position": "before"},
    "residual": {"model.residual": True, "model.encoder_layers": 2, "model.decoder_layers": 2},
    "learned": {**TRANSFORMER, "model.decoder": "transformer", "model.positions": "learned"},
    "reversed-transformer": {**TRANSFORMER, "model.positions": "rotary", "model.reverse_source": True},
    "none": {"model.attention": "none"},
    "entmax": {"model.output": "entmax15"},
}
FRAMES = [np.random.default_rng(5).normal(size=(length, SIZE)) for length in (4, 1, 3, 6)]


def config_of(settings: dict[str, Any]) -> Config:
    return build_config({**SMALL, **settings})


@cache
def letters() -> Tokenizer:
    return train_tokenizer([LETTERS], config_of({}).data.target)


def model_of(name: str, seed: int = 1) -> Model:
    """A model of random weights, large enough that every path matters."""
    if "entmax" in name:
        pytest.importorskip("entmax")
    config = config_of(ALL[name])
    torch.manual_seed(seed)
    network = build_model(config.model, 0, letters().size)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return Model(network.eval(), None, letters(), config)


def spoken(count: int, seed: int) -> tuple[list[np.ndarray], list[str]]:
    """Words, and frames that say them: a noisy vector a letter."""
    random = np.random.default_rng(seed)
    voices = np.random.default_rng(0).normal(size=(len(LETTERS), SIZE))
    words = ["".join(random.choice(list(LETTERS), random.integers(1, 5))) for _ in range(count)]
    frames = [voices[[LETTERS.index(letter) for letter in word]] for word in words]
    return [one + NOISE * random.normal(size=one.shape) for one in frames], words


@cache
def trained(name: str) -> tuple[Model, float, float]:
    """A model after some real steps on data in memory, its first loss and its last."""
    config = config_of(READERS[name])
    frames, words = spoken(400, 1)
    dataset = PairDataset.of(make_sources(frames), letters().encode_batch(words))
    torch.manual_seed(1)
    network = build_model(config.model, 0, letters().size)
    optimizer = Optimizer(network, config.training)
    stepper = Stepper(network, optimizer, dataset, config.training, torch.device("cpu"), Ranks(), ignore)
    losses = []
    for step, data in zip(range(200), step_stream(dataset, config.training, 1, 0, 0), strict=False):
        found, _, _ = stepper.run(step, data, config.training.learning_rate, False)
        losses.append(float(found[0]))
    return Model(network.eval(), None, letters(), config), losses[0], losses[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", quick_are(["lstm"], READERS))
def test_it_learns_to_write_what_frames_say(name: str) -> None:
    model, first, last = trained(name)
    assert last < 0.2 * first
    frames, words = spoken(60, 2)
    found = model.predict(frames)
    assert sum(one.text == word for one, word in zip(found, words, strict=True)) >= 35  # by chance about 6
    assert [one.text for one in model.predict(frames, beam_size=1)] == [
        one.text for one in model.predict(iter(frames), beam_size=1)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", quick_are(["lstm"], READERS))
def test_it_is_evaluated(name: str) -> None:
    model, *_ = trained(name)
    frames, words = spoken(20, 3)
    metrics = evaluate_model(model, [*frames, frames[0]], [*words, words[0]], samples=0)
    assert (metrics.pairs, metrics.sources) == (21, 20)
    assert metrics.token_error_rate < 30  # by chance about 80
    assert {bucket.count for bucket in metrics.by_length}
    assert metrics.perplexity is not None


@pytest.mark.parametrize("name", quick_are(["lstm", "gru-reversed", "reversed-transformer", "learned"], ALL))
def test_every_proof_of_the_search_holds(name: str) -> None:
    """Beam 1 = greedy, alone = batched = padded = permuted, searched = forced, decode = step; optimized or not."""
    verified = verify_search(model_of(name), FRAMES, beams=(1, 3))
    assert verified.passed, verified.proofs
    assert len(verified.proofs) >= 6
    assert verified.sources[0].startswith("4 frames ")
    assert json.loads(json.dumps(verified.to_json()))["passed"]


@pytest.mark.parametrize("name", ALL)
def test_scores_are_those_of_the_search(name: str) -> None:
    model = model_of(name)
    found = model.predict(FRAMES, beam_size=3, return_attention=True)
    scored = model.score([(frames, one.text) for frames, one in zip(FRAMES, found, strict=True)], return_attention=True)
    for one, forced, frames in zip(found, scored, FRAMES, strict=True):
        assert one.source_tokens == forced.source_tokens == [str(number) for number in range(1, len(frames) + 1)]
        if one.finished:
            assert one.log_prob == pytest.approx(forced.log_prob, abs=1e-4)
        if one.attention is not None:
            assert one.attention.shape[1] == len(frames)


@pytest.mark.parametrize("name", ALL)
def test_every_parameter_learns(name: str) -> None:
    model = model_of(name).single.train()
    batch = pad_sources(make_sources(FRAMES))
    logits = model.decode(torch.full((4, 5), 4), model.encode(*batch)).logits
    logits[logits.isfinite()].square().sum().backward()
    assert [key for key, part in model.named_parameters() if part.grad is None or not part.grad.isfinite().all()] == []


def test_draws_depend_on_the_frames_alone() -> None:
    model, options = model_of("lstm"), SearchOptions(sample=True, max_length=12, temperature=2.0)
    together = [one.text for one in model.predict(FRAMES, options=options)]
    assert [model.predict([frames], options=options)[0].text for frames in FRAMES] == together
    near = [FRAMES[3] + 1e-3 * number for number in range(8)]
    assert len({one.text for one in model.predict(near, options=options)}) > 1


def test_an_ensemble_of_readers() -> None:
    members = [model_of("lstm"), model_of("transformer")]
    both = Model(Ensemble([one.single for one in members]), None, letters(), members[0].config)
    assert verify_search(both, FRAMES, beams=(1, 2)).passed


@pytest.mark.parametrize("name", ALL)
def test_it_is_traced(name: str) -> None:
    model = model_of(name)
    traced = trace(model, FRAMES[0], "abc", beam_size=2)
    assert traced.source.text == "1 2 3 4"
    assert [(token.text, token.id, token.start) for token in traced.source.tokens[:2]] == [("1", 1, 0), ("2", 2, 2)]
    network = model.single
    assert isinstance(network, Seq2Seq)
    with torch.inference_mode():
        outputs = network.encode(*pad_sources(make_sources(FRAMES[:1]))).outputs[0]
    assert traced.encoder.outputs == pytest.approx(outputs.numpy(), abs=1e-5)
    for attention in traced.steps.attention:
        assert attention.weights.shape == (len(traced.steps.tokens), 4)
        assert attention.weights.sum(1) == pytest.approx(1, abs=1e-5)
    assert bool(traced.steps.attention) == (name != "none")
    assert traced.output.text == model.predict(FRAMES[:1], beam_size=2)[0].text
    written = json.loads(trace_to_json(traced))
    assert [token["text"] for token in written["source"]["tokens"]] == ["1", "2", "3", "4"]
    assert (written["model"]["source_units"], written["model"]["source_size"]) == ("frames", SIZE)
    assert trace_from_json(json.dumps(written)).source == traced.source


def test_what_a_trace_does_only_with_text() -> None:
    model = model_of("lstm")
    with pytest.raises(ConfigError, match=r"this model reads frames \(model\.frame_size=4\), not text"):
        with_attributions(model, trace(model, FRAMES[0]))
    with pytest.raises(ConfigError, match="not text"):
        trace(model, FRAMES[0], what_if=WhatIf(start_source="abc"))


def test_an_empty_source_gives_an_empty_output() -> None:
    found = model_of("lstm").predict([FRAMES[0], np.zeros((0, SIZE))], return_attention=True)
    assert (found[1].text, found[1].source_tokens) == ("", [])


def test_long_sources_are_cut(caplog: pytest.LogCaptureFixture) -> None:
    model = model_of("lstm")
    model.config = build_config({"data.max_source_length": 3}, model.config)
    [found] = model.predict([FRAMES[0]])
    assert found.source_tokens == ["1", "2", "3"]
    assert "1 of 1 sources have more than 3 items" in caplog.text
    assert found.text == model.predict([FRAMES[0][:3]])[0].text


@pytest.mark.parametrize(
    ("sources", "problem"),
    [
        (["abc"], "number 1 is one text: give an array of floats"),
        ("abc", "it got one text: give such a list"),
        (FRAMES[0], "it got a value of type ndarray: give such a list"),
        (3, "it got a value of type int: give such a list"),
        ([FRAMES[0], np.zeros((2, 3))], r"number 2 has the shape \(2, 3\): give \(S, 4\)"),
        ([np.zeros(4)], r"number 1 has the shape \(4,\): give \(S, 4\)"),
        ([np.zeros((2, 4), dtype=np.int64)], "number 1 is an array of int64: give an array of floats"),
        ([np.full((2, 4), np.nan)], "number 1 has NaN or infinity in it: mend it"),
    ],
)
def test_what_is_no_frames_is_refused(sources: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=rf"this model reads frames: a list with an array \(S, 4\).*{problem}"):
        model_of("lstm").predict(sources)


def test_pairs_of_frames_need_texts_as_targets() -> None:
    model = model_of("lstm")
    with pytest.raises(ConfigError, match="number 1 holds a value of type int"):
        model.score([(FRAMES[0], 3)])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="this model reads frames"):
        model.score([("ab", "ab")])


def test_replacing_unknown_items_is_refused() -> None:
    with pytest.raises(ConfigError, match="but the model reads frames: leave it out"):
        model_of("lstm").predict(FRAMES, replace_unknown=True)


def folder_of(model: Model, folder: Path) -> Path:
    record = Record(folder)
    folder.mkdir()
    record.prepared(model.config, None, model.target_tokenizer)
    record.keep_weights(model.single)
    return folder


def test_a_folder_has_no_source_tokenizer(tmp_path: Path) -> None:
    model = model_of("transformer")
    folder = folder_of(model, tmp_path / "model")
    assert SOURCE_TOKENIZER not in check_manifest(folder)
    loaded = load(folder, "cpu")
    assert [one.text for one in loaded.predict(FRAMES)] == [one.text for one in model.predict(FRAMES)]
    with pytest.raises(ConfigError, match=r"this model reads frames \(model\.frame_size=4\), not text: give it arrays"):
        _ = loaded.source_tokenizer
    both = load([folder, folder], "cpu")
    assert [one.text for one in both.predict(FRAMES)] == [one.text for one in model.predict(FRAMES)]


def test_a_folder_that_reads_text_needs_one(tmp_path: Path) -> None:
    folder = folder_of(model_of("lstm"), tmp_path / "model")
    config = json.loads((folder / CONFIG).read_text())
    config["model"]["frame_size"] = 0
    (folder / CONFIG).write_text(json.dumps(config))
    record = Record(folder)
    record.config(build_config({"model.frame_size": 0}, model_of("lstm").config))
    with pytest.raises(ModelFolderError, match=r"must list source\.tokenizer\.json, but it does not: restore"):
        load(folder, "cpu")


def test_members_of_an_ensemble_read_the_same(tmp_path: Path) -> None:
    first = folder_of(model_of("lstm"), tmp_path / "a")
    config = build_config({**SMALL, "model.frame_size": 5})
    other = Model(build_model(config.model, 0, letters().size), None, letters(), config)
    with pytest.raises(ConfigError, match=r"must read the same sources, but model\.frame_size is 4, 5: leave those"):
        load([first, folder_of(other, tmp_path / "b")], "cpu")
