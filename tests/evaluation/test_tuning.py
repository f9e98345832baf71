"""Tuning of penalties on dev pairs: the right one wins, the table is whole, the folder stays valid."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from seqweave import folder as files
from seqweave.cli.main import main
from seqweave.config import ModelConfig, build_config
from seqweave.errors import ConfigError, DataError
from seqweave.evaluation.evaluate import evaluate_model
from seqweave.evaluation.tuning import Choice, tune_model
from seqweave.loading import load
from seqweave.predictor import Model
from seqweave.text.vocabulary import EOS
from tiny_model import tiny_folder, tiny_model

SOURCES = ["abcdef", "gfe", "abc", "defg", "bdfga", "cab", "gg", "ea"]


def ended_model(seed: int = 3, bias: float = 1.5, **settings: Any) -> Model:
    model = tiny_model(ModelConfig(embedding_size=6, encoder_hidden_size=4, decoder_hidden_size=8, **settings), seed)
    with torch.no_grad():
        model.single.output.bias[EOS] += bias
    return model


def outputs_with(model: Model, **settings: Any) -> list[str]:
    changed = build_config({f"search.{key}": value for key, value in settings.items()}, model.config)
    other = Model(model.network, model.source_tokenizer, model.target_tokenizer, changed)
    return [found.text for found in other.predict(SOURCES)]


@cache
def choosy_model() -> Model:
    """A seed whose outputs, none of them empty, depend on the penalties; few do, and the first is 74."""
    for seed in range(74, 200):
        model = ended_model(seed, bias=0.5)
        outputs = outputs_with(model, length_penalty=0.0, coverage_penalty=0.4)
        if all(outputs) and outputs != outputs_with(model):
            return model
    raise AssertionError("no seed will do")


@pytest.mark.slow
def test_the_settings_that_made_the_targets_win() -> None:
    """Targets are the model's own outputs under other settings: those settings are right in every pair."""
    model = choosy_model()
    targets = outputs_with(model, length_penalty=0.0, coverage_penalty=0.4)
    assert targets != outputs_with(model)
    told: list[tuple[int, int, float | None]] = []
    found = tune_model(
        model, SOURCES, targets, metric="exact_match", length_penalties=(0.0, 1.0),
        coverage_penalties=(0.0, 0.4), progress=lambda *values: told.append(values),
    )  # fmt: skip
    assert [trial.choice for trial in found.trials] == [
        Choice(5, 1.0, 0.0), Choice(5, 0.0, 0.0), Choice(5, 0.0, 0.4), Choice(5, 1.0, 0.4)
    ]  # fmt: skip
    assert found.best.value == 100.0
    assert found.best.value > found.now.value
    assert max(trial.value for trial in found.trials) == 100.0
    assert [done for done, _, _ in told] == [1, 2, 3, 4]
    assert told[-1][1:] == (4, 0.0)


@pytest.mark.parametrize("metric", ["cer", "exact_match"])
def test_a_trial_is_what_evaluation_says(metric: str) -> None:
    model = choosy_model()
    own = model.config
    targets = outputs_with(model, length_penalty=0.0)
    found = tune_model(model, SOURCES, targets, metric=metric, length_penalties=(0.4,), coverage_penalties=(0.0,))
    assert model.config is own
    metrics = evaluate_model(model, SOURCES, targets)
    assert 0 < found.now.value < 100
    assert found.now.value == getattr(metrics, metric)
    assert (found.now.low, found.now.high) == pytest.approx(metrics.intervals[metric])
    assert found.now.low is not None
    assert found.now.high is not None
    assert found.now.low < found.now.value < found.now.high
    assert found.now.p == 1.0


def test_a_trial_without_spread_has_no_interval() -> None:
    model = choosy_model()
    targets = outputs_with(model)
    found = tune_model(model, SOURCES, targets, metric="cer", length_penalties=(1.0,), coverage_penalties=(0.0,))
    assert (found.now.value, found.now.low, found.now.high) == (0.0, None, None)
    assert found.to_json()["trials"][0]["low"] is None


def test_bleu_needs_targets_that_are_long_enough() -> None:
    with pytest.raises(DataError, match=r"tuning by bleu needs a target of at least 4 tokens, .* --metric"):
        tune_model(ended_model(), SOURCES, SOURCES, metric="bleu", length_penalties=(1.0,))


def test_without_gain_nothing_is_changed() -> None:
    model = ended_model()
    found = tune_model(model, SOURCES, outputs_with(model), metric="exact_match")
    assert found.best is found.now
    assert len(found.trials) == 7 * 3


def test_greedy_and_no_attention_have_nothing_to_try() -> None:
    model = ended_model(attention="none")
    found = tune_model(model, SOURCES, SOURCES, metric="cer", beam_sizes=(1, 2), length_penalties=(0.0, 1.0))
    assert [trial.choice for trial in found.trials] == [
        Choice(5, 1.0, 0.0), Choice(1, 1.0, 0.0), Choice(2, 0.0, 0.0), Choice(2, 1.0, 0.0)
    ]  # fmt: skip


def test_what_cannot_be_tuned_is_refused() -> None:
    model = ended_model(attention="none")
    with pytest.raises(ConfigError, match=r"tuning needs a metric of outputs, one of exact_match, .* but it is loss"):
        tune_model(model, SOURCES, SOURCES, metric="loss")
    with pytest.raises(ConfigError, match=r"search.coverage_penalty=0.3 needs attention"):
        tune_model(model, SOURCES, SOURCES, metric="cer", coverage_penalties=(0.3,))
    with pytest.raises(ConfigError, match=r"search\.beam_size"):
        tune_model(model, SOURCES, SOURCES, metric="cer", beam_sizes=(0,))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_folder(choosy_model(), tmp_path / "model")


def test_the_command_prints_writes_and_leaves_a_valid_folder(folder: Path, tmp_path: Path, capsys: Any) -> None:
    model = load(folder, "cpu")
    targets = outputs_with(model, length_penalty=0.0, coverage_penalty=0.4)
    dev = tmp_path / "dev.tsv"
    dev.write_text("".join(f"{s}\t{t}\n" for s, t in zip(SOURCES, targets, strict=True) if t), encoding="utf-8")
    words = ["tune", str(folder), str(dev), "--metric", "cer", "--length-penalties", "0,1", "--device", "cpu"]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(words) == 0
    streams = capsys.readouterr()
    assert "cer on" in streams.out
    assert "best" in streams.out
    assert "2 of 6 settings tried" in streams.err
    assert " left" in streams.err
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main([*words, "--write", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    best = report["trials"][report["best"]]
    files.check_manifest(folder)  # every file is as the manifest says
    search = load(folder, "cpu").config.search
    assert (search.length_penalty, search.coverage_penalty) == (best["length_penalty"], best["coverage_penalty"])
    assert (search.length_penalty, search.coverage_penalty) != (1.0, 0.0)
    changed = {path.name for path in folder.iterdir() if before[path.name] != path.read_bytes()}
    assert changed == {files.CONFIG, files.MANIFEST}
    assert main([*words, "--write"]) == 0
    assert "has the best settings already" in capsys.readouterr().err


def test_mistakes_are_one_sentence(folder: Path, tmp_path: Path, capsys: Any) -> None:
    dev = tmp_path / "dev.tsv"
    dev.write_text("abc\tcba\n", encoding="utf-8")
    assert main(["tune", str(folder), str(dev), "--beams", "1;2"]) == 2
    assert "--beams takes numbers separated by commas, such as 1,5,10, but got '1;2'" in capsys.readouterr().err
    (folder / files.RUN).write_text(json.dumps({"status": "training", "requested": {}, "facts": {}}), encoding="utf-8")
    assert main(["tune", str(folder), str(dev), "--write"]) == 2
    assert "--write needs a finished run" in capsys.readouterr().err


def test_a_config_that_cannot_be_kept_is_put_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("the disk is full")

    config = build_config({"search.beam_size": 9}, files.read_config(folder))
    with monkeypatch.context() as patch:
        patch.setattr("seqweave.folder.manifest.write_atomic", refuse)
        with pytest.raises(OSError, match="the disk is full"):
            files.replace_config(folder, config)
    files.check_manifest(folder)
    files.replace_config(folder, config)
    assert load(folder, "cpu").config.search.beam_size == 9
