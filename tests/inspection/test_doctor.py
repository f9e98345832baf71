"""Every illness is made, in a run of seconds or in its weights or data, and named alone; a healthy run has none."""

from __future__ import annotations

import json
import shlex
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch import nn

from architectures import CASES
from ill_runs import LENGTH, Pairs, blind_start, doctored, noise, run, spelling, write
from quick import slow
from seqweave.cli.main import main
from seqweave.config import Config, DataConfig, TrainConfig, build_config, parse_setting
from seqweave.config.checks import contradictions
from seqweave.errors import DataError, SeqweaveError
from seqweave.inspection.doctor.answers import all_unknown
from seqweave.inspection.doctor.attention import flat_attention, stuck_attention
from seqweave.inspection.doctor.diagnose import diagnose
from seqweave.inspection.doctor.run_record import Asked, Finding, RunRecord, ask, read_run_record
from seqweave.inspection.doctor.training_curves import exposure_bias
from seqweave.text.vocabulary import UNK
from tiny_model import tiny_folder, tiny_model

Capture = pytest.CaptureFixture[str]
Parameters = dict[str, nn.Parameter]
TRAINED = spelling(4000, seed=1)
SOURCES, TARGETS = spelling(60, seed=2)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learned what it should."""
    return run(tmp_path_factory.mktemp("healthy"), TRAINED)


def only(record: RunRecord, name: str) -> Finding:
    """The one finding, which must have this name, and a remedy that the run's settings allow."""
    found = diagnose(record)
    assert [one.name for one in found] == [name], found
    remedied(record.config, found[0])
    return found[0]


def remedied(config: Config, finding: Finding) -> Config:
    """The settings of a run with a remedy's, which must be allowed and change something, if it names any."""
    ways = shlex.split(finding.remedy)
    settings = dict(parse_setting(after) for before, after in pairwise(ways) if before == "--set")
    changed = build_config(settings, config)
    assert changed != config or not settings
    return changed


def on(folder: Path, sources: list[str], targets: list[str]) -> RunRecord:
    return read_run_record(folder, (sources, targets), "cpu")


def test_a_healthy_run_has_nothing(healthy: Path) -> None:
    assert diagnose(on(healthy, SOURCES, TARGETS)) == []
    assert diagnose(read_run_record(healthy, device="cpu")) == []


def to_unknown(weights: Parameters) -> None:
    weights["output.bias"][UNK] += 50.0


def to_blind(weights: Parameters) -> None:
    for name, weight in weights.items():
        if name.startswith("encoder"):
            weight.zero_()


def to_flat(weights: Parameters) -> None:
    weights["decoder.scorer.direction.weight"].zero_()


def to_stuck(weights: Parameters) -> None:
    weights["decoder.scorer.query.weight"].zero_()  # the scores are those of the keys, at every step
    weights["decoder.scorer.direction.weight"].mul_(30.0)


@pytest.mark.parametrize(
    ("change", "name", "remedy"),
    [
        (to_unknown, "unknown output", "data.target.units=byte"),
        (to_blind, "the same answer for everything", "training.max_steps=1200"),
        (to_flat, "attention does not align (flat)", "model.attention_position=before"),
        (to_stuck, "attention does not align (stuck)", "model.attention=location_aware"),
    ],
)
def test_ill_weights(healthy: Path, change: Callable[[Parameters], None], name: str, remedy: str) -> None:
    record = on(healthy, SOURCES, TARGETS)
    ill = replace(record, asked=ask(doctored(healthy, change), SOURCES, TARGETS))
    assert remedy in only(ill, name).remedy


OTHERWISE: dict[str, tuple[Callable[[str], str], str]] = {
    "case": (str.upper, "data.source.lowercase=true"),
    "normal form": (lambda text: unicodedata.normalize("NFD", text), "data.source.normalize=nfc"),
    "jamo": (lambda text: text.replace("가", "ㄱㅏ").replace("나", "ㄴㅏ").replace("다", "ㄷㅏ"), "in syllables"),
    "script": (lambda text: text.translate(str.maketrans("abcdé", "жзикл")), "pairs that have these items"),
}


@pytest.mark.parametrize("how", OTHERWISE)
def test_text_prepared_differently(healthy: Path, how: str) -> None:
    change, remedy = OTHERWISE[how]
    found = only(on(healthy, [change(text) for text in SOURCES], TARGETS), "text prepared differently")
    assert remedy in found.remedy


def test_units_that_leave_more_unknown(tmp_path: Path) -> None:
    spaced: Pairs = ([" ".join(word) for word in TRAINED[0][:300]], TRAINED[1][:300])
    folder = run(tmp_path, spaced, data__source__units="space", training__max_steps=2, training__validate_every=2)
    found = only(replace(on(folder, SOURCES, TARGETS), validations=()), "text prepared differently")
    assert found.remedy == "put blanks between the items, as in training"


def test_leakage(healthy: Path) -> None:
    found = only(on(healthy, TRAINED[0][:50] + SOURCES, TRAINED[1][:50] + TARGETS), "train/test leakage")
    assert "seqweave check" in found.remedy


def test_a_few_shared_sources_are_no_leakage(healthy: Path) -> None:
    record = on(healthy, SOURCES, TARGETS)
    assert record.trained_on is not None
    trained = [word for word in TRAINED[0] if record.trained_on.knows(word)]
    assert len(trained) > 3000
    assert diagnose(replace(record, data=[*SOURCES, *trained[:2]])) == []


def test_leakage_into_dev(tmp_path: Path) -> None:
    pairs = spelling(40, seed=1)
    folder = run(tmp_path, pairs, (pairs[0][:5], pairs[1][:5]), training__max_steps=1)
    facts = read_run_record(folder, device="cpu").facts
    assert (
        "without --dev"
        in only(RunRecord(read_run_record(folder, device="cpu").config, facts=facts), "train/test leakage").remedy
    )


def test_over_long_lines(healthy: Path, tmp_path: Path) -> None:
    sources, targets = spelling(200, seed=1)
    long = ["ab" * 150, "cd" * 150]
    pairs: Pairs = (sources + long, targets + ["a" * LENGTH] * 2)
    folder = run(tmp_path, pairs, spelling(10, seed=2), training__max_steps=1, training__batch_tokens=4096)
    facts = read_run_record(folder, device="cpu").facts
    record = on(healthy, SOURCES, TARGETS)
    found = only(replace(record, facts={**record.facts, "padding": facts["padding"]}), "over-long lines")
    assert found.remedy.endswith("--set data.max_source_length=6")
    assert found.evidence.startswith("42% of the positions")


def test_a_learning_rate_that_is_too_high(tmp_path: Path) -> None:
    folder = run(
        tmp_path,
        spelling(300, seed=1),
        model__cell="rnn",
        training__learning_rate=1.0,
        training__schedule="constant",
        training__warmup_steps=0,
        training__max_steps=30,
    )
    found = only(read_run_record(folder, device="cpu"), "learning rate too high")
    assert found.remedy.endswith("training.learning_rate=0.001")
    assert "model.cell=rnn" in found.evidence


@pytest.mark.slow
def test_sparse_outputs(tmp_path: Path) -> None:
    """Infinite perplexities are no illness there; a loss far above that of a uniform guess is one."""
    pytest.importorskip("entmax", reason='entmax is not installed: pip install "seqweave[entmax]"')
    folder = run(tmp_path, TRAINED, model__output="entmax15", training__max_steps=150)
    record = on(folder, SOURCES, TARGETS)
    impossible = [{**row, "perplexity": None, "free_running_perplexity": None} for row in record.validations]
    assert impossible
    assert diagnose(replace(record, validations=impossible)) == []
    uneven = [{**row, "perplexity": 1.1 + place, "best": True} for place, row in enumerate(impossible)]
    assert diagnose(replace(record, validations=uneven)) == []
    guess = (1 - record.facts["target_vocabulary"] ** -0.5) / 0.75
    only(replace(record, steps=[*record.steps, {"loss": 1.6 * guess}]), "learning rate too high")
    assert diagnose(replace(record, steps=[*record.steps, {"loss": 1.4 * guess}])) == []


def test_a_run_that_diverged_before_it_had_weights(tmp_path: Path, capsys: Capture) -> None:
    settings: dict[str, Any] = {"training__learning_rate": 1e30, "training__max_steps": 30, "model__cell": "rnn"}
    with pytest.raises(SeqweaveError, match="training has diverged"):
        run(tmp_path, spelling(300, seed=1), **settings, training__warmup_steps=0, training__validate_every=30)
    only(read_run_record(tmp_path / "model", device="cpu"), "learning rate too high")
    assert main(["doctor", str(tmp_path / "model"), "--device", "cpu"]) == 1
    assert "no weights yet" in capsys.readouterr().err


@pytest.mark.slow
def test_under_trained(tmp_path: Path) -> None:
    folder = run(
        tmp_path,
        TRAINED,
        training__learning_rate=0.003,
        training__schedule="constant",
        training__max_steps=40,
        training__validate_every=4,
    )
    record = read_run_record(folder, device="cpu")
    assert only(record, "under-trained").remedy.endswith("training.max_steps=120")
    assert "resumes" in only(replace(record, finished=False), "under-trained").remedy


def test_a_run_that_has_learned_next_to_nothing(tmp_path: Path) -> None:
    folder = run(tmp_path, spelling(300, seed=1), training__max_steps=3, training__validate_every=3)
    found = only(on(folder, SOURCES, TARGETS), "under-trained")
    assert found.evidence.endswith("at best, and a uniform guess has 12.00")  # 8 letters and the specials
    assert found.remedy.endswith("training.max_steps=9")


def test_bad_answers_of_a_run_that_was_stopped(healthy: Path) -> None:
    """There is no use in other settings before the run has come to its end."""
    asked = ask(doctored(healthy, to_blind), SOURCES, TARGETS)
    ill = replace(on(healthy, SOURCES, TARGETS), asked=asked, finished=False)
    found = only(ill, "the same answer for everything")
    assert found.remedy == "run the same train command again: it resumes, up to step 300"


@pytest.mark.slow
def test_over_fitted(tmp_path: Path) -> None:
    folder = run(tmp_path, noise(200, seed=1), noise(50, seed=2), model__attention="none", training__max_steps=200)
    assert only(read_run_record(folder, device="cpu"), "over-fitted").remedy.endswith("model.dropout=0.5")


def test_over_fitted_before_much_was_learned() -> None:
    rows = [{"perplexity": perplexity} for perplexity in (10.4, 10.2, 10.9, 12.0, 15.0, 20.0)]
    only(RunRecord(Config(), facts={"target_vocabulary": 14}, validations=rows), "over-fitted")


@pytest.mark.slow
def test_teacher_forced_good_but_free_running_bad(tmp_path: Path) -> None:
    folder = run(tmp_path, blind_start(6000, seed=1))
    only(read_run_record(folder, device="cpu"), "teacher-forced good, free-running bad")


def looking(kind: str) -> Asked:
    """Answers of six items that look at six positions alike, or all at the first."""
    weights = np.full((6, 6), 1 / 6) if kind == "flat" else np.eye(6)[[0] * 6]
    answers: Any = [SimpleNamespace(attention=weights)] * 3
    return Asked(None, [], [], answers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "columns"), [slow("flat", ()), ("stuck", ("3",)), slow("stuck", ()), slow("flat", ("3",))]
)
def test_every_architecture_takes_its_remedies(kind: str, columns: tuple[str, ...]) -> None:
    """One after the other, as of a record that does not get well."""
    judge = flat_attention if kind == "flat" else stuck_attention
    for name, model in CASES.items():
        smoothing = 0.1 if model.output == "softmax" else 0.0
        config = Config(model=model, data=DataConfig(feature_columns=columns))
        config = config.model_copy(update={"training": TrainConfig(label_smoothing=smoothing)})
        if list(contradictions(config)) or model.decoder == "transformer" or model.attention == "none":
            continue
        for _ in range(6):
            finding = judge(RunRecord(config), looking(kind))
            assert finding is not None, name
            config = remedied(config, finding)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"training.scheduled_sampling": "linear", "training.sampling_k": 0.4, "training.sampling_slope": 0.1},
        {"training.scheduled_sampling": "inverse_sigmoid", "training.sampling_feed": "argmax"},
    ],
)
def test_a_gap_in_spite_of_scheduled_sampling(settings: dict[str, Any]) -> None:
    config = build_config({**settings, "training.max_steps": 100})
    figures = {"perplexity": 1.5, "free_running_perplexity": 9.0, "best": True}
    finding = exposure_bias(RunRecord(config, validations=[figures]))
    assert finding is not None
    remedied(config, finding)


DROPPED = {"units": "subword", "subword_model": "bpe", "subword_dropout": 0.1}
TEXTS = [{"units": "word"}, {"units": "word", "min_frequency": 3}, {"units": "subword"}, DROPPED]
AGREEING: list[dict[str, Any]] = [{}, {"data.joint_vocabulary": True}, {"model.copy": True}]


@pytest.mark.parametrize(
    ("text", "more"),
    [(text, more) for text in TEXTS for more in AGREEING if text != DROPPED or "model.copy" not in more],
)
def test_sides_that_must_agree_are_remedied_together(text: dict[str, Any], more: dict[str, Any]) -> None:
    sides = {f"data.{side}.{key}": value for side in ("source", "target") for key, value in text.items()}
    config = build_config({**sides, **more})
    answers: Any = [SimpleNamespace(tokens=["<unk>"] * 3)]
    finding = all_unknown(RunRecord(config), Asked(None, [], [], answers))  # type: ignore[arg-type]
    assert finding is not None
    remedied(config, finding)


def test_a_model_without_a_run(tmp_path: Path) -> None:
    """What was made by other means has no record: only DATA is looked at."""
    folder = tiny_folder(tiny_model(CASES["gru-additive-after"]), tmp_path / "model")
    with pytest.raises(DataError, match="no samples: name DATA"):
        read_run_record(folder, device="cpu")
    assert read_run_record(folder, (["abc"], ["abc"]), "cpu").validations == []


def test_the_command(healthy: Path, tmp_path: Path, capsys: Capture) -> None:
    data = write(tmp_path / "test.tsv", (SOURCES, TARGETS))
    assert main(["doctor", str(healthy), str(data), "--device", "cpu"]) == 0
    assert capsys.readouterr().out == "nothing found\n"
    assert main(["doctor", str(healthy), str(healthy.parent / "pairs.tsv"), "--device", "cpu", "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in facts["findings"]] == ["train/test leakage"]
    assert facts["sources"] == 1000
    assert main(["doctor", str(healthy), str(healthy.parent / "pairs.tsv"), "--device", "cpu"]) == 1
    first, *_, last = capsys.readouterr().out.rstrip("\n").split("\n")
    assert first == "train/test leakage"
    assert last.startswith("  remedy: ")
    assert main(["doctor", str(tmp_path / "nothing")]) == 2
