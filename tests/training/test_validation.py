"""Which weights are kept, what the samples show, which dev pairs are used, and what a record may hold."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from seqweave.config import Config, Metric, build_config
from seqweave.data.batching import count_batches
from seqweave.data.dataset import write_dataset
from seqweave.data.readers import Pair
from seqweave.evaluation.perplexity import pair_batches, perplexities
from seqweave.inspection.timelapse import read_timelapse
from seqweave.model.build import build_model
from seqweave.predictor import Model
from seqweave.text.tokenizers import Tokenizer, train_tokenizer
from seqweave.training import estimate, loop
from seqweave.training.events import TrainEvent
from seqweave.training.prepare import DevPairs, decided, dev_pairs
from seqweave.training.record import Record
from seqweave.training.run import train
from seqweave.training.state import batch_seed
from seqweave.training.validation import Validation, sample_attention, sample_rows
from tiny_run import SETTINGS, write_pairs

SMALL = {"model.embedding_size": 4, "model.encoder_hidden_size": 3, "model.decoder_hidden_size": 6}


def validation(value: float, perplexity: float, metric: Metric = "exact_match") -> Validation:
    return Validation(metric, value, perplexity, perplexity, [])


def character_tokenizer(config: Config, *texts: str) -> Tokenizer:
    return train_tokenizer(texts, config.data.target)


def small_model(**settings: object) -> Model:
    units = {"data.source.units": "char", "data.target.units": "char", "data.target.lowercase": True}
    config = build_config({**SMALL, **units, **settings})
    source, target = (train_tokenizer(["abcdef"], side) for side in (config.data.source, config.data.target))
    torch.manual_seed(1)
    return Model(build_model(config.model, source.size, target.size).eval(), source, target, config)


def test_a_tie_falls_to_the_lower_perplexity() -> None:
    assert validation(90.0, 5.0).replaces(80.0, 1.0)
    assert validation(90.0, 2.0).replaces(90.0, 3.0)
    assert not validation(90.0, 3.0).replaces(90.0, 3.0)
    assert not validation(80.0, 1.0).replaces(90.0, 3.0)
    assert validation(10.0, 9.0, "wer").replaces(20.0, 1.0)
    assert not validation(90.0, 2.0).replaces(90.0, None)  # of a run begun before ties were decided
    assert not validation(90.0, math.nan).replaces(90.0, 3.0)


def test_a_tie_is_no_gain_for_early_stopping_and_the_plateau() -> None:
    assert not validation(90.0, 2.0).gains(90.0, 3.0)
    assert not validation(0.0, 2.0, "cer").gains(0.0, 3.0)  # all right: nothing is left to gain
    assert not validation(1.0, 2.0, "loss").gains(1.0, 3.0)
    assert validation(90.0, 2.0).gains(None, None)
    assert validation(90.0, 4.0).gains(80.0, 3.0)
    assert not validation(80.0, 2.0).gains(90.0, 3.0)


@pytest.mark.parametrize(("metric", "value"), [("exact_match", 0.0), ("bleu", 0.0), ("cer", 100.0), ("wer", 120.0)])
def test_a_tie_of_nothing_right_is_a_gain_when_the_perplexity_falls(metric: Metric, value: float) -> None:
    assert validation(value, 2.0, metric).gains(value, 3.0)
    assert not validation(value, 3.0, metric).gains(value, 3.0)
    assert not validation(value, 4.0, metric).gains(value, 3.0)
    assert not validation(value, math.nan, metric).gains(value, 3.0)
    assert not validation(value, 2.0, metric).gains(value, None)
    assert not validation(value, 2.0, metric).gains(value, 3.0, "wait")  # in folders of format 0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_never_kept(value: float) -> None:
    assert not validation(value, 1.0, "loss").better_than(None)
    assert not validation(value, 1.0, "loss").replaces(None, None)


def test_weights_of_a_tie_are_kept_and_survive_a_resume(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    settings = {**SETTINGS, "training.metric": "exact_match", "training.average_checkpoints": 1}
    rows: list[dict[str, float]] = []

    def listen(event: TrainEvent) -> None:
        if event.kind == "validation":
            rows.append(event.values)

    train(data, tmp_path / "model", settings=settings, listen=listen)
    values = [row["value"] for row in rows]
    assert len(set(values)) == 1, "after 12 steps nothing is right, so that all validations tie"
    falls = [
        row["perplexity"] == min(earlier["perplexity"] for earlier in rows[: at + 1]) for at, row in enumerate(rows)
    ]
    assert [row["best"] for row in rows] == falls
    assert any(falls[1:])
    state = json.loads((tmp_path / "model" / "checkpoints" / "step_00000012" / "state.json").read_text())
    assert state["best_perplexity"] == min(row["perplexity"] for row in rows)
    # While nothing is right, less perplexity is a gain; with a patience of 0 each other validation is a drop.
    assert state["plateau_drops"] == falls.count(False)


def test_samples_show_a_reference_that_the_output_equals() -> None:
    model = small_model()
    dev = DevPairs(["ab", "ab", "cd"], ["BA", "AB", "DC"], 3)
    rows = sample_rows(model, dev, ["ab", "ff"])
    assert rows == [
        {"source": "ab", "target": "ab", "output": "ab"},
        {"source": "cd", "target": "dc", "output": "ff"},
    ]


def test_samples_keep_the_attention_to_their_first_target() -> None:
    model = small_model()
    looks = sample_attention(model, DevPairs(["ab", "ab", "cd", " "], ["ba", "ab", "d", "a"], 4))
    assert [look.get("target_tokens") for look in looks] == [["b", "a", "<eos>"], ["d", "<eos>"], None]
    assert looks[0]["source_tokens"] == ["a", "b"]
    scored = model.score([("ab", "ba"), ("cd", "d")], return_attention=True)
    for look, found in zip(looks, scored, strict=False):
        assert found.attention is not None
        assert look["attention"] == [[round(float(weight), 3) for weight in row] for row in found.attention]
        assert look["loss"] == pytest.approx(-found.log_prob / len(found.token_log_probs), abs=1e-4)


def test_samples_have_no_attention_where_the_model_has_none() -> None:
    assert sample_attention(small_model(**{"model.attention": "none"}), DevPairs(["ab"], ["ba"], 1)) == [{}]


def test_a_run_fills_the_time_lapse(tmp_path: Path) -> None:
    settings = {**SETTINGS, "training.average_checkpoints": 1}
    train(write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model", settings=settings)
    timelapse = read_timelapse(tmp_path / "model")
    assert timelapse is not None
    assert len(timelapse["samples"]) == 5
    for sample in timelapse["samples"]:
        assert [frame["step"] for frame in sample["frames"]] == [4, 8, 12]
        assert sample["target"] == [*reversed(sample["source"]), "<eos>"]
        for frame in sample["frames"]:
            assert [len(row) for row in frame["weights"]] == [len(sample["source"])] * len(sample["target"])
            assert all(sum(row) == pytest.approx(1, abs=0.01) for row in frame["weights"])
            assert frame["loss"] > 0
    assert sample["frames"][0]["loss"] != sample["frames"][-1]["loss"]


def test_all_references_of_a_dev_source_stay_together() -> None:
    pairs = [Pair(f"s{number % 40}", f"t{number}", number) for number in range(200)]
    for most in range(5, 100):
        chosen = dev_pairs(iter(pairs), most)
        assert len(chosen.sources) <= most
        assert len(chosen.sources) == 5 * len(set(chosen.sources))
        assert chosen.total == 200
    assert len(dev_pairs(iter(pairs), 3).sources) == 3  # one source alone has more


def test_perplexity_cuts_sources_as_prediction_does() -> None:
    model = small_model(**{"data.max_source_length": 3})
    cut, long = (perplexities(model.network, pair_batches(model, [text], ["ab"])) for text in ("abc", "abcdef"))
    assert cut == long


def test_several_processes_make_fewer_steps_of_as_many_epochs(tmp_path: Path) -> None:
    config = build_config({"data.source.units": "char", "data.target.units": "char", "training.batch_tokens": 16})
    texts = [("abc", "cba")] * 8000
    tokenizer = character_tokenizer(config, "abc")
    dataset, _ = write_dataset(texts, tokenizer, tokenizer, tmp_path / "ids", 9, 9)
    options = {"batch_tokens": 16, "max_pairs": 256, "seed": 1, "epoch": 0}
    batches = count_batches(dataset.source_lengths, dataset.target_lengths, **options)
    for world in (1, 2):
        found = decided(config, dataset, torch.device("cpu"), world).training.max_steps
        assert found == batches // world * config.training.max_epochs


def test_a_record_is_json_whatever_the_figures(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.validation({"step": 1, "perplexity": math.inf, "value": math.nan, "samples": []})
    (line,) = (tmp_path / "events.jsonl").read_text().split("\n")[:-1]
    assert json.loads(line) == {"event": "validation", "step": 1, "perplexity": None, "value": None}
    assert "Infinity" not in line


def test_the_estimate_counts_the_validations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "_seconds_per_batch", lambda _: 0.5)
    monkeypatch.setattr(estimate, "_seconds_per_validation", lambda _: 100.0)
    seen: dict[str, dict[str, float]] = {}

    def listen(event: TrainEvent) -> None:
        seen.setdefault(event.kind, event.values)
        if event.kind == "step":
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_REPORTS", 0.0)
    settings = {**SETTINGS, "training.max_steps": 10}  # validations after 4, 8 and 10 steps
    with pytest.raises(KeyboardInterrupt):
        train(write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model", settings=settings, listen=listen)
    assert seen["estimate"]["seconds"] == 10 * 2 * 0.5 + 3 * 100.0
    assert seen["step"]["seconds_left"] > 300


def test_dropped_lines_of_a_dev_file_are_counted(tmp_path: Path) -> None:
    data, dev = write_pairs(tmp_path / "pairs.tsv"), write_pairs(tmp_path / "dev.tsv", 20, seed=3)
    dev.write_text(dev.read_text() + "no tab\n")
    facts: list[dict[str, object]] = []

    def listen(event: TrainEvent) -> None:
        if event.kind == "found":
            facts.append(event.values)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "model", dev=dev, settings=SETTINGS, listen=listen)
    assert (facts[0]["dropped"], facts[0]["dev_dropped"]) == ({}, {"missing_column": 1})


def test_draws_of_a_batch_do_not_depend_on_the_version() -> None:
    """A run begun with an earlier version goes on with the same draws."""
    assert batch_seed(1, 2, 3) == 8538984909192871545


def test_logits_of_a_batch_stay_small(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    monkeypatch.setattr("seqweave.evaluation.perplexity.MOST_LOGITS", 12 * model.target_tokenizer.size)
    batches = list(pair_batches(model, ["ab"] * 9, ["abc"] * 9))  # 6 positions a pair
    assert [len(batch.source.lengths) for batch in batches] == [2, 2, 2, 2, 1]
