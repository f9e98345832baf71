"""What a killed start leaves: a first write, a folder that was being prepared, a restart half done."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from quick import slow
from seqweave.errors import ModelFolderError, SeqweaveError
from seqweave.loading import load
from seqweave.training import leavings
from seqweave.training.run import train
from tiny_run import SETTINGS, write_pairs
from tiny_runs import KilledError, warnings_of

QUICK: dict[str, Any] = {**SETTINGS, "training.max_steps": 2, "training.ema_decay": 0.0}
OTHER = {**QUICK, "training.seed": 9}
UNDONE = "--restart was stopped before the new run began: "


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs.tsv")


@pytest.fixture(scope="module")
def finished(data: Path) -> Path:
    """A folder with a finished run with the settings `OTHER`, `model`, and nothing else."""
    folder = data.parent / "finished"
    folder.mkdir()
    train(data, folder / "model", settings=OTHER)
    return folder


@pytest.fixture
def model(finished: Path, tmp_path: Path) -> Path:
    """A copy of that model, the only one in its folder."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path / "model"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_finished_run_on_a_read_only_disk_still_says_that_it_is_finished(
    data: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There even the removal of a file that is not there is refused."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "unlink", refuse)
    assert train(data, model, settings=OTHER).status == "already_finished"


@pytest.mark.parametrize("left", [slow([".run.json.123.tmp"]), [".run.json.123.tmp", ".run.json.7.tmp"]])
def test_a_kill_in_the_first_write_leaves_a_folder_that_can_be_used(
    tmp_path: Path, data: Path, left: list[str]
) -> None:
    (tmp_path / "model").mkdir()
    for name in left:
        (tmp_path / "model" / name).write_bytes(b'{"stat')
    assert train(data, tmp_path / "model", settings=QUICK).status == "finished"
    assert not set(left) & names(tmp_path / "model")


@pytest.mark.parametrize("mine", ["notes.txt", ".notes.123.tmp", ".run.json.tmp", "model.safetensors"])
def test_what_is_not_of_a_first_write_is_somebodys(tmp_path: Path, data: Path, mine: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / ".run.json.123.tmp").write_bytes(b"")
    (tmp_path / "model" / mine).write_text("mine")
    for restart in (False, True):
        with pytest.raises(ModelFolderError, match="exists and is not a seqweave run"):
            train(data, tmp_path / "model", settings=QUICK, restart=restart)
    assert (tmp_path / "model" / mine).read_text() == "mine"


def killed_in(where: str, monkeypatch: pytest.MonkeyPatch, data: Path, folder: Path, restart: bool = False) -> None:
    """A start that is killed in a function and tidies nothing."""

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(f"seqweave.training.start.{where}", killed)
        patch.setattr("seqweave.training.start.clear", lambda folder: None)
        with pytest.raises(KilledError):
            train(data, folder, settings=QUICK, restart=restart)


@pytest.mark.parametrize("settings", [slow(QUICK), OTHER], ids=["same", "other"])
def test_a_run_that_was_being_prepared_is_begun_anew(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    killed_in("build_network", monkeypatch, data, folder)
    assert {"run.json", "cache", "config.json"} <= names(folder)
    (folder / "notes.txt").write_text("mine")
    (folder / ".cache.12.tmp").mkdir()
    assert train(data, folder, settings=settings).status == "finished"
    assert (folder / "notes.txt").read_text() == "mine"
    assert not names(folder) & {".cache.12.tmp", "cache"}


def test_while_a_restart_prepares_the_old_model_stays(
    tmp_path: Path, data: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = load(model).predict(["abc"])[0].text
    killed_in("build_network", monkeypatch, data, model, restart=True)
    assert ".model.preparing" in names(tmp_path)
    assert load(model).predict(["abc"])[0].text == outputs
    assert train(data, model, settings=OTHER).status == "already_finished"
    assert names(tmp_path) == {"model", ".model.lock"}


@pytest.mark.parametrize("prepared", [True, False])
def test_a_kill_between_the_two_renames_gives_the_old_model_back(
    tmp_path: Path, data: Path, model: Path, monkeypatch: pytest.MonkeyPatch, prepared: bool
) -> None:
    weights = (model / "model.safetensors").read_bytes()
    killed_in("replace_run", monkeypatch, data, model, restart=True)
    model.rename(tmp_path / ".model.replaced")
    if not prepared:
        leavings.remove(tmp_path / ".model.preparing")
    assert warnings_of(data, model, OTHER) == [f"{UNDONE}{model} holds the old one again"]
    assert (model / "model.safetensors").read_bytes() == weights
    assert names(tmp_path) == {"model", ".model.lock"}
    model.rename(tmp_path / ".model.replaced")
    assert train(data, model, settings=QUICK, restart=True).status == "finished"
    assert names(tmp_path) == {"model", ".model.lock"}


def test_a_kill_after_the_renames_finishes(
    tmp_path: Path, data: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new run has taken the place; the old one is still being removed."""
    killed_in("replace_run", monkeypatch, data, model, restart=True)
    model.rename(tmp_path / ".model.replaced")
    (tmp_path / ".model.preparing").rename(model)
    assert train(data, model, settings=QUICK).status == "finished"
    assert names(tmp_path) == {"model", ".model.lock"}


def test_a_system_that_refuses_the_second_rename_has_the_old_model_back(
    tmp_path: Path, data: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rename

    def refuse(source: Any, target: Any) -> None:
        if Path(source).name == ".model.preparing":
            raise OSError(16, "Device or resource busy")
        real(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(
        SeqweaveError, match=r"model cannot be replaced \(Device or resource busy\): train into another"
    ):
        train(data, model, settings=QUICK, restart=True)
    assert train(data, model, settings=OTHER).status == "already_finished"
    assert names(tmp_path) == {"model", ".model.lock"}


def test_what_lies_in_our_places_beside_the_folder_is_not_removed(tmp_path: Path, data: Path) -> None:
    for name in ("preparing", "replaced"):
        place = tmp_path / f".model.{name}"
        place.mkdir()
        (place / "notes.txt").write_text("mine")
        if name == "replaced":
            (tmp_path / "model").mkdir()
            (tmp_path / "model" / "notes.txt").write_text("mine, too")
        with pytest.raises(ModelFolderError, match=r"elsewhere"):
            train(data, tmp_path / "model", settings=QUICK, restart=True)
        assert (place / "notes.txt").read_text() == "mine"
        leavings.remove(place)
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine, too"
