"""More steps for a run that is finished or was stopped: from its last checkpoint, optimizer included."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import golden
from quick import slow
from seqweave.config import TrainConfig
from seqweave.errors import ConfigError, ModelFolderError
from seqweave.folder import check_manifest, read_config
from seqweave.loading import load
from seqweave.training.events import Listener, TrainEvent, ignore
from seqweave.training.more_steps import Extension, span
from seqweave.training.optimizer import Optimizer
from seqweave.training.run import TrainResult, train
from seqweave.training.schedules import learning_rate
from seqweave.training.step import Stepper
from starting import contents
from tiny_run import SETTINGS, write_pairs
from tiny_runs import KilledError, killer

CONSTANT = {**SETTINGS, "training.schedule": "constant", "training.warmup_steps": 0, "training.average_checkpoints": 1}
"""With one rate for all steps, a run that goes on is the run that had all its steps from the start."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on `pairs.tsv`: `twelve` and `twenty` steps at one rate, and `tiny`, with every option that has state."""
    place = tmp_path_factory.mktemp("more_steps")
    data = write_pairs(place / "pairs.tsv", seed=5)
    train(data, place / "twelve", settings=CONSTANT, device="cpu")
    train(data, place / "twenty", settings={**CONSTANT, "training.max_steps": 20}, device="cpu")
    train(data, place / "tiny", settings=SETTINGS, device="cpu")
    return place


def copied(place: Path, name: str, where: Path) -> Path:
    return Path(shutil.copytree(place / name, where / name))


def more(
    place: Path, folder: Path, steps: int | None, settings: Mapping[str, Any] = SETTINGS, listen: Listener = ignore
) -> TrainResult:
    """The same command with another last step; None: the same command."""
    given = settings if steps is None else {**settings, "training.max_steps": steps}
    return train(place / "pairs.tsv", folder, settings=given, device="cpu", listen=listen)


def validations(folder: Path) -> list[tuple[int, bool]]:
    """The step of each validation in the log, and whether it is of averaged weights."""
    rows = [json.loads(row) for row in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(row["step"], "averaged" in row) for row in rows if row["event"] == "validation"]


def facts_of(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))["facts"]
    return facts


def assert_same_end(folder: Path, other: Path, step: int = 20) -> None:
    """Weights, last checkpoint, state and record of validations are the same bit for bit."""
    last = f"checkpoints/step_{step:08d}"
    for name in ("model.safetensors", f"{last}/model.safetensors", f"{last}/optimizer.safetensors"):
        one, two = (safetensors.torch.load_file(each / name) for each in (folder, other))
        assert one.keys() == two.keys()
        assert [key for key in one if not torch.equal(one[key], two[key])] == []
    states = [json.loads((each / last / "state.json").read_text()) for each in (folder, other)]
    for state in states:
        del state["seconds"], state["best_sum"], state["averaged"], state["validations_without_gain"]
        del state["plateau_wait"], state["plateau_drops"]
    assert states[0] == states[1]
    assert validations(folder) == validations(other)
    assert check_manifest(folder) == check_manifest(other)


def test_a_finished_run_that_goes_on_is_one_that_never_ended(place: Path, tmp_path: Path) -> None:
    """Weights, moments, dropout, order of batches, moving average: at one rate nothing shows where it went on."""
    folder = copied(place, "twelve", tmp_path)
    result = more(place, folder, 20, CONSTANT)
    assert (result.status, result.step, result.max_steps) == ("finished", 20, 20)
    assert_same_end(folder, place / "twenty")
    assert more(place, folder, 20, CONSTANT).status == "already_finished"


@pytest.mark.slow
def test_so_is_one_that_goes_on_twice(place: Path, tmp_path: Path) -> None:
    folder = copied(place, "twelve", tmp_path)
    more(place, folder, 14, CONSTANT)
    more(place, folder, 20, CONSTANT)
    rows = [row for row in validations(folder) if row[0] != 14]  # the end of the first extension
    assert rows == validations(place / "twenty")
    last = "checkpoints/step_00000020/optimizer.safetensors"
    assert (folder / last).read_bytes() == (place / "twenty" / last).read_bytes()
    spans = [(entry["begin"], entry["before"], entry["after"]) for entry in facts_of(folder)["extended"]]
    assert spans == [(12, 12, 14), (14, 14, 20)]


@pytest.mark.parametrize("kill", [slow(killer("batch", 1)), killer("batch", 8, batch=0)])
def test_so_is_one_that_was_stopped(place: Path, tmp_path: Path, kill: Listener) -> None:
    with pytest.raises(KilledError):
        more(place, tmp_path / "model", None, CONSTANT, kill)
    more(place, tmp_path / "model", 20, CONSTANT)
    assert_same_end(tmp_path / "model", place / "twenty")


def test_a_stopped_run_may_end_earlier(place: Path, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        more(place, tmp_path / "model", 20, CONSTANT, killer("batch", 8, batch=0))
    more(place, tmp_path / "model", 12, CONSTANT)
    assert_same_end(tmp_path / "model", place / "twelve", 12)


def test_the_moments_are_those_of_the_last_checkpoint(place: Path, tmp_path: Path) -> None:
    folder = copied(place, "tiny", tmp_path)
    last = folder / "checkpoints" / "step_00000012" / "optimizer.safetensors"
    expected = safetensors.torch.load_file(last)
    seen: list[dict[str, torch.Tensor]] = []

    class Seen(Stepper):
        def run(self, *given: Any) -> Any:
            seen.append({name: tensor.clone() for name, tensor in self.optimizer.tensors().items()})
            return super().run(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqweave.training.loop.Stepper", Seen)
        more(place, folder, 14)
    assert len(seen) == 2
    assert seen[0].keys() == expected.keys()
    assert all(torch.equal(seen[0][name], expected[name]) for name in expected)


def test_the_rate_is_laid_anew_and_that_is_said(place: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "training.schedule": "cosine", "training.warmup_steps": 2}
    with pytest.raises(KilledError):
        more(place, tmp_path / "model", None, settings, killer("batch", 8))
    rates: dict[int, float] = {}

    class Seen(Stepper):
        def run(self, step: int, data: Any, rate: float, stop: bool) -> Any:
            rates[step] = rate
            return super().run(step, data, rate, stop)

    said: list[TrainEvent] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqweave.training.loop.Stepper", Seen)
        more(place, tmp_path / "model", 16, settings, said.append)
    training = TrainConfig(learning_rate=1e-3, warmup_steps=2)
    assert training.learning_rate == read_config(tmp_path / "model").training.learning_rate
    assert rates == {step: learning_rate(training, step - 6, 10) for step in range(7, 17)}
    (extended,) = (event for event in said if event.kind == "extended")
    assert extended.values == {
        "text": "going on at step 6 to step 16: the learning rate is laid anew over the 10 steps between, up to 0.001",
        "step": 6,
        "max_steps": 16,
    }


def test_spans_of_schedules() -> None:
    assert span([], 1, 12) == (0, 12)
    one = [Extension(12, 12, 20)]
    assert [span(one, step, 20) for step in (1, 12, 13, 20)] == [(0, 12), (0, 12), (12, 20), (12, 20)]
    again = [Extension(5, 12, 20), Extension(13, 20, 30)]
    assert [span(again, step, 30) for step in (5, 6, 13, 14, 30)] == [(0, 12), (5, 20), (5, 20), (13, 30), (13, 30)]
    assert span([Extension(0, 12, 20)], 1, 20) == (0, 20)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (
            {"training.max_steps": 8},
            r"has done 12 steps, so .* training\.max_steps=8: give training\.max_steps above 12",
        ),
        ({"training.max_steps": 1, "training.max_epochs": 99}, r"nothing to do for training\.max_steps=1:"),
    ],
)
def test_fewer_steps_than_done_are_refused(place: Path, tmp_path: Path, settings: dict[str, Any], why: str) -> None:
    folder = copied(place, "twelve", tmp_path)
    before = contents(folder)
    with pytest.raises(ConfigError, match=why):
        train(place / "pairs.tsv", folder, settings={**CONSTANT, **settings}, device="cpu")
    assert contents(folder) == before


def test_a_number_that_is_left_out_is_no_wish(place: Path, tmp_path: Path) -> None:
    folder = copied(place, "twelve", tmp_path)
    settings = {key: value for key, value in CONSTANT.items() if key != "training.max_steps"}
    with pytest.raises(ConfigError, match=r"other settings: training\.max_steps \(was 12, now None\)"):
        train(place / "pairs.tsv", folder, settings=settings, device="cpu")


def test_other_settings_are_refused_still(place: Path, tmp_path: Path) -> None:
    folder = copied(place, "twelve", tmp_path)
    with pytest.raises(ConfigError, match=r"other settings: model\.dropout \(was 0\.2, now 0\.5\); use these, another"):
        more(place, folder, 20, {**CONSTANT, "model.dropout": 0.5})


def test_more_epochs(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqweave.training.prepare._LEAST_STEPS", 1)
    epochs = {key: value for key, value in CONSTANT.items() if key != "training.max_steps"}
    monkeypatch.setattr("seqweave.training.prepare.epoch_size", lambda dataset, training: 8)  # 4 steps
    settings = {**epochs, "training.max_epochs": 3}
    assert train(place / "pairs.tsv", tmp_path / "model", settings=settings, device="cpu").step == 12
    with pytest.raises(ConfigError, match=r"nothing to do for training\.max_epochs=2, which are 8 steps,: give"):
        train(place / "pairs.tsv", tmp_path / "model", settings={**settings, "training.max_epochs": 2}, device="cpu")
    settings["training.max_epochs"] = 5
    assert train(place / "pairs.tsv", tmp_path / "model", settings=settings, device="cpu").step == 20
    assert_same_end(tmp_path / "model", place / "twenty")
    assert train(place / "pairs.tsv", tmp_path / "model", settings=settings, device="cpu").status == "already_finished"


def test_an_early_stopped_run_goes_on(place: Path, tmp_path: Path) -> None:
    settings = {
        **CONSTANT, "training.learning_rate": 1e-9, "training.patience": 1, "training.validate_every": 2,
        "training.checkpoint_every": 2, "training.ema_decay": 0.0,
    }  # fmt: skip
    first = more(place, tmp_path / "model", None, settings)
    assert (first.status, first.step < first.max_steps) == ("finished", True)
    second = more(place, tmp_path / "model", 13, settings)
    assert second.status == "finished"
    assert first.step < second.step <= 13
    begun = facts_of(tmp_path / "model")["extended"][0]
    assert (begun["begin"], begun["before"], begun["after"]) == (first.step, 12, 13)


AVERAGED = {
    **CONSTANT, "training.average_checkpoints": 3, "training.learning_rate": 0.1, "training.metric": "loss",
    "training.ema_decay": 0.0,
}  # fmt: skip


def averaged_best(place: Path, folder: Path) -> bytes:
    """A run whose average of checkpoints is better than any of its steps; gives its weights."""
    more(place, folder, None, AVERAGED)
    rows = [json.loads(row) for row in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows[-1]["averaged"]
    assert rows[-1]["best"]
    return (folder / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_averaged_weights_stay_until_better_ones_come(place: Path, tmp_path: Path) -> None:
    """Also over two extensions, whose weights are much worse; and the log keeps what the average reached."""
    folder = tmp_path / "model"
    best = averaged_best(place, folder)
    text = (folder / "config.json").read_text()
    log = (folder / "events.jsonl").read_bytes()

    def spoil(self: Any, rate: float) -> None:
        real(self, 10.0)

    real = Optimizer.update
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Optimizer, "update", spoil)
        for steps in (15, 18):
            assert more(place, folder, steps, AVERAGED).step == steps
            assert (folder / "model.safetensors").read_bytes() == best
            assert (facts_of(folder)["best_step"], facts_of(folder)["steps"]) == (12, steps)
            assert (folder / "events.jsonl").read_bytes().startswith(log)
    assert validations(folder)[:4] == [(4, False), (8, False), (12, False), (12, True)]
    assert text.replace('"max_steps": 12', '"max_steps": 18') == (folder / "config.json").read_text()


def test_the_log_of_a_finished_run_goes_on_after_it(place: Path, tmp_path: Path) -> None:
    folder = copied(place, "tiny", tmp_path)
    before = {name: (folder / name).read_bytes() for name in ("events.jsonl", "samples.jsonl")}
    more(place, folder, 16)
    for name, content in before.items():
        assert (folder / name).read_bytes().startswith(content)
    steps = validations(folder)
    assert len(set(steps)) == len(steps)
    assert [step for step in steps if not step[1]] == [(4, False), (8, False), (12, False), (16, False)]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "At step 12, more steps were added, up to 16." in card


def test_without_its_last_checkpoint_a_finished_run_cannot_go_on(place: Path, tmp_path: Path) -> None:
    folder = copied(place, "tiny", tmp_path)
    shutil.rmtree(folder / "checkpoints")
    before = contents(folder)
    with pytest.raises(
        ModelFolderError, match=r"must have the checkpoint of its last step, 12, .* --from .*tiny and an"
    ):
        more(place, folder, 16)
    assert contents(folder) == before
    assert more(place, folder, None).status == "already_finished"


def test_nor_with_a_damaged_one(place: Path, tmp_path: Path) -> None:
    folder = copied(place, "tiny", tmp_path)
    path = folder / "checkpoints" / "step_00000012" / "optimizer.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    model = contents(folder)
    with pytest.raises(ModelFolderError, match=r"step_00000012 is damaged \(optimizer\.safetensors was changed\)"):
        more(place, folder, 16)
    kept = {name: found for name, found in contents(folder).items() if not name.startswith("cache")}
    assert kept == model
    assert more(place, folder, None).status == "already_finished"
    assert contents(folder) == model


def test_where_the_log_is_gone_the_next_weights_are_taken(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    averaged_best(place, folder)
    (folder / "events.jsonl").unlink()
    with pytest.raises(ModelFolderError, match=r"events\.jsonl is missing"):  # it is sealed
        more(place, folder, 16, AVERAGED)
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    del manifest["files"]["events.jsonl"]
    (folder / "MANIFEST.json").write_text(json.dumps(manifest))
    assert more(place, folder, 16, AVERAGED).status == "finished"
    assert facts_of(folder)["best_step"] == 16


@pytest.mark.parametrize("name", ["copy", "interrupted_lstm"])
def test_runs_of_an_earlier_format(name: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(golden.FORMAT_0 / "folders" / name, tmp_path / name))
    settings = golden.settings_of(name)
    begin = max(int(path.name[5:]) for path in (folder / "checkpoints").glob("step_*"))
    interrupted = name in golden.INTERRUPTED
    last = begin + 4
    result = train(
        golden.FORMAT_0 / "pairs.tsv", folder, settings={**settings, "training.max_steps": last}, device="cpu"
    )
    assert (result.status, result.step) == ("finished", last)
    moments = safetensors.torch.load_file(folder / "checkpoints" / f"step_{last:08d}" / "optimizer.safetensors")
    assert {int(tensor) for key, tensor in moments.items() if key.startswith("step/")} == {last}
    entry = facts_of(folder)["extended"][0]
    assert (entry["begin"], entry["before"], entry["after"]) == (begin, 400 if interrupted else 700, last)
    config = read_config(folder)
    assert (config.model.copy_gate, config.data.trim_ends, config.training.ties) == ("readout", False, "wait")
    load(folder, "cpu").predict(["abc"])
