"""A run that started from a model goes on to the same end, with that model or without it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from quick import quick_are
from seqweave.config import build_config
from seqweave.errors import ConfigError, ModelFolderError
from seqweave.folder import check_manifest, read_config, replace_config
from seqweave.training import start as starts
from seqweave.training.events import Listener, TrainEvent
from seqweave.training.run import train
from starting import NEW, OLD, contents, old_model, said, start, write_new
from tiny_runs import KilledError, killer

SETTINGS: dict[str, Any] = {
    "data.extend_vocabulary": True,
    "training.freeze": "bridge",
    "training.ema_decay": 0.5,
    "training.average_checkpoints": 2,
    "training.mix_share": 0.4,
    "training.accumulate": 2,
}
CLOCK = ("run.json", "state.json", "COMPLETE", "MANIFEST.json", "events.jsonl", "logs.json")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`old`, a model of `old.tsv`; `unbroken`, a run with all options that started from it, and `longer` with more."""
    place = tmp_path_factory.mktemp("resume")
    old_model(place, {"training.max_steps": 20, "training.validate_every": 20})
    write_new(place)
    begin(place, place / "unbroken")
    shutil.copytree(place / "unbroken", place / "longer")
    begin(place, place / "longer", {"training.max_steps": 8})
    return place


def begin(
    place: Path, folder: Path, settings: Mapping[str, Any] | None = None, listen: Listener = lambda event: None
) -> str:
    given = {**SETTINGS, **(settings or {})}
    return start(place / "new.tsv", folder, place / "old", given, listen, place / "old.tsv").status


def go_on(place: Path, folder: Path, old: Path | None, settings: Mapping[str, Any] | None = None) -> list[str]:
    """The same command with another model to start from, or none; gives the warnings."""
    events = said(place / "new.tsv", folder, old, {**SETTINGS, **(settings or {})}, place / "old.tsv")
    return [event.values["text"] for event in events if event.kind == "warning"]


def end_of(folder: Path) -> dict[str, str]:
    """The files of a finished run, but those with times in them."""
    return {name: "" if name.rpartition("/")[2] in CLOCK else what for name, what in contents(folder).items()}


KILLS = {
    "step 0": killer("saving", 0, file="state.json"),
    "first validation": killer("validating", 0),
    "after it": killer("validation", 0),
    "first step": killer("batch", 1, batch=0),
    "mid-epoch": killer("batch", 4, batch=1),
    "at a checkpoint": killer("saving", 4, file="COMPLETE"),
    "at the end": killer("checkpoint", 6),
}


OFTEN = ("step 0", "mid-epoch")


@pytest.mark.parametrize(
    "kill", [pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in KILLS]
)
def test_a_killed_run_ends_like_the_unbroken_one(place: Path, tmp_path: Path, kill: str) -> None:
    with pytest.raises(KilledError):
        begin(place, tmp_path / "new", listen=KILLS[kill])
    assert begin(place, tmp_path / "new") == "finished"
    assert end_of(tmp_path / "new") == end_of(place / "unbroken")
    assert check_manifest(tmp_path / "new") == check_manifest(place / "unbroken")


def test_killed_before_it_is_a_run_it_is_begun_anew(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(starts, "filters_of", killed)
        patch.setattr(starts, "clear", lambda folder: None)
        with pytest.raises(KilledError):
            begin(place, tmp_path / "new")
    assert (tmp_path / "new" / "checkpoints" / "step_00000000").is_dir()
    begin(place, tmp_path / "new")
    assert end_of(tmp_path / "new") == end_of(place / "unbroken")


@pytest.fixture
def stopped(place: Path, tmp_path: Path) -> Path:
    """A run that was killed in its fifth step."""
    with pytest.raises(KilledError):
        begin(place, tmp_path / "new", listen=killer("batch", 5))
    return tmp_path / "new"


@pytest.mark.parametrize("gone", quick_are(["removed"], ["removed", "damaged", "never finished"]))
def test_a_run_goes_on_without_the_model_it_started_from(place: Path, stopped: Path, tmp_path: Path, gone: str) -> None:
    old = tmp_path / "other"
    if gone != "removed":
        shutil.copytree(place / "old", old)
        (old / ("config.json" if gone == "damaged" else "MANIFEST.json")).unlink()
    (text,) = go_on(place, stopped, old)
    assert text.startswith(f"the run in {stopped} goes on without the model that it started from: ")
    assert "check the path" in text or "is missing" in text
    assert end_of(stopped) == end_of(place / "unbroken")
    assert go_on(place, stopped, old, {"training.max_steps": 8}) == [text]
    assert end_of(stopped) == end_of(place / "longer")


def test_the_model_may_be_left_out(place: Path, stopped: Path) -> None:
    assert go_on(place, stopped, None) == []
    assert end_of(stopped) == end_of(place / "unbroken")
    # The settings that the run began with need not be given again either.
    result = train(place / "new.tsv", stopped, settings={"training.max_steps": 8}, device="cpu", mix=place / "old.tsv")
    assert result.step == 8
    assert end_of(stopped) == end_of(place / "longer")


def test_before_the_run_is_there_the_model_is_needed(place: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"there is no model folder .*gone: check the path"):
        start(place / "new.tsv", tmp_path / "new", tmp_path / "gone")
    with pytest.raises(ConfigError, match="name it with --from"):  # settings that only a run from a model has
        go_on(place, tmp_path / "new", None)


def test_other_weights_are_refused(place: Path, stopped: Path, tmp_path: Path) -> None:
    other = old_model(tmp_path, {"training.max_steps": 20, "training.validate_every": 20, "training.seed": 2})
    sha256 = contents(place / "old")["model.safetensors"][:12]
    before = contents(stopped)
    with pytest.raises(ConfigError) as error:
        go_on(place, stopped, other)
    assert str(error.value) == (
        f"the run in {stopped} started from the model old with other weights than those in {other} (their SHA-256 "
        f"begins with {sha256}): leave --from out to go on as the run began, use another folder, or --restart"
    )
    assert contents(stopped) == before
    assert go_on(place, stopped, None) == []


def test_other_settings_of_the_same_weights_are_refused(place: Path, stopped: Path, tmp_path: Path) -> None:
    """As `seqweave tune --write` leaves them."""
    other = Path(shutil.copytree(place / "old", tmp_path / "other"))
    replace_config(other, build_config({"search.beam_size": 9}, read_config(other)))
    with pytest.raises(
        ConfigError, match=r"search\.beam_size \(was 5, now 9\); use these, leave --from out to go on as"
    ):
        go_on(place, stopped, other)
    assert go_on(place, stopped, None) == []
    assert end_of(stopped) == end_of(place / "unbroken")


def test_a_run_that_started_from_none(place: Path, tmp_path: Path) -> None:
    settings = {**OLD, **NEW}
    with pytest.raises(KilledError):
        train(place / "new.tsv", tmp_path / "new", settings=settings, device="cpu", listen=killer("batch", 5))
    with pytest.raises(ConfigError, match=r"did not start from a model, so --from does not go with it: leave it out"):
        start(place / "new.tsv", tmp_path / "new", place / "old")
    assert train(place / "new.tsv", tmp_path / "new", settings=settings, device="cpu").status == "finished"


@pytest.mark.slow
def test_restart_begins_anew_with_or_without_a_model(place: Path, stopped: Path) -> None:
    begin_again = start(place / "new.tsv", stopped, place / "old", SETTINGS, mix=place / "old.tsv", restart=True)
    assert begin_again.status == "finished"
    assert end_of(stopped) == end_of(place / "unbroken")
    fresh = train(place / "new.tsv", stopped, settings={**OLD, **NEW}, device="cpu", restart=True)
    assert fresh.status == "finished"
    assert read_config(stopped).data.extend_vocabulary is False


def test_the_pairs_to_mix_in_must_be_given_again(place: Path, stopped: Path) -> None:
    from seqweave.errors import DataError

    with pytest.raises(DataError, match="the data have changed since the run in"):
        start(place / "new.tsv", stopped, place / "old", SETTINGS)


def test_damaged_ids_are_made_again_with_those_mixed_in(place: Path, stopped: Path) -> None:
    (stopped / "cache" / "source.bin").unlink()
    (text,) = go_on(place, stopped, place / "old")
    assert "cache are made again from the data" in text
    assert end_of(stopped) == end_of(place / "unbroken")


def test_without_a_checkpoint_it_is_refused(place: Path, stopped: Path) -> None:
    shutil.rmtree(stopped / "checkpoints")
    with pytest.raises(ModelFolderError, match=r"must hold a checkpoint, for the run started from a model, but there"):
        begin(place, stopped)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [True, False])
def test_more_steps_after_it(place: Path, tmp_path: Path, zero: bool) -> None:
    events: list[TrainEvent] = []
    begin(place, tmp_path / "new", {"training.max_steps": 0 if zero else 6})
    rows = (tmp_path / "new" / "events.jsonl").read_text(encoding="utf-8")
    begin(place, tmp_path / "new", {"training.max_steps": 8}, events.append)
    assert (tmp_path / "new" / "events.jsonl").read_text(encoding="utf-8").startswith(rows)
    assert [event.values["step"] for event in events if event.kind == "extended"] == ([] if zero else [6])
    if not zero:
        assert end_of(tmp_path / "new") == end_of(place / "longer")


def test_more_epochs_after_it(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The least number of steps is that of runs that start from a model."""
    monkeypatch.setattr("seqweave.training.prepare._LEAST_STEPS", 9)
    monkeypatch.setattr("seqweave.training.prepare.LEAST_STEPS_ON", 4)
    monkeypatch.setattr("seqweave.training.prepare.epoch_size", lambda dataset, training: 4)  # 2 steps
    steps = []
    for epochs in (1, 3):
        settings = {**NEW, **SETTINGS, "training.max_epochs": epochs}
        del settings["training.max_steps"]
        mix = place / "old.tsv"
        found = train(
            place / "new.tsv", tmp_path / "new", settings=settings, device="cpu", start_from=place / "old", mix=mix
        )
        steps.append(found.step)
    assert steps == [4, 6]
