"""Runs in a precision that this processor cannot run, or would not choose."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from processors import need_bf16
from seqweave.data.sides import Sides
from seqweave.errors import ConfigError
from seqweave.folder import check_manifest, read_config
from seqweave.loading import load
from seqweave.training import precision, prepare
from seqweave.training.events import TrainEvent
from seqweave.training.run import TrainResult, train
from tiny_run import SETTINGS, write_pairs


class KilledError(BaseException):
    """Stands for a kill: nothing catches it."""


class Ear:
    """Keeps what is said, and kills at the first batch of a step."""

    def __init__(self, kill: int = 0):
        self.kill = kill
        self.warnings: list[str] = []

    def __call__(self, event: TrainEvent) -> None:
        if event.kind == "warning":
            self.warnings.append(event.values["text"])
        if event.kind == "batch" and event.values["step"] == self.kill:
            raise KilledError


def run(folder: Path, wanted: str, ear: Ear | None = None) -> TrainResult:
    data = folder / "pairs.tsv"
    if not data.exists():
        write_pairs(data)
    settings = {**SETTINGS, "training.precision": wanted}
    return train(data, folder / "model", settings=settings, listen=ear or Ear(), device="cpu")


def processor(patch: pytest.MonkeyPatch, fast: bool, runs: bool = True) -> None:
    """Pretend what bf16 is like here."""
    for module in (precision, prepare):
        patch.setattr(module, "best_precision", lambda model, device: "bf16" if fast and runs else "fp32")
    patch.setattr(precision, "has_fast_bf16", lambda device: fast)
    patch.setattr(precision, "runs_in_bf16", lambda model, device: runs)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Runs of a wanted precision that were begun on a processor with bf16 and killed in step 8: `model` and data."""

    @cache
    def make(wanted: str) -> Path:
        folder = tmp_path_factory.mktemp(wanted)
        kill(folder, wanted, 8)
        return folder

    return make


def kill(folder: Path, wanted: str, step: int) -> None:
    """Begin a run on a processor with bf16, and kill it."""
    need_bf16()
    with pytest.MonkeyPatch.context() as inside:
        processor(inside, fast=True)
        with pytest.raises(KilledError):
            run(folder, wanted, Ear(step))
    assert read_config(folder / "model").training.precision == "bf16"


def files_of(folder: Path) -> dict[str, Any]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_bf16_is_refused_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processor(monkeypatch, fast=False, runs=False)
    monkeypatch.setattr(Sides, "count", lambda self: pytest.fail("the data were read"))
    expected = (
        r"^training\.precision is bf16, but this processor cannot train LSTM layers in bf16: "
        r"use training\.precision=fp32$"
    )
    with pytest.raises(ConfigError, match=expected):
        run(tmp_path, "bf16")
    assert not (tmp_path / "model").exists()


def test_auto_is_fp32_where_bf16_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processor(monkeypatch, fast=True, runs=False)
    assert run(tmp_path, "auto").status == "finished"
    assert read_config(tmp_path / "model").training.precision == "fp32"


def test_slow_bf16_runs_and_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need_bf16()
    processor(monkeypatch, fast=False)
    ear = Ear(1)
    with pytest.raises(KilledError):
        run(tmp_path, "bf16", ear)
    assert ear.warnings == [
        "this processor has no fast bf16: with training.precision=fp32 training is many times faster"
    ]


@pytest.mark.parametrize("wanted", ["auto", "bf16"])
def test_the_rest_in_fp32_must_be_asked_for(
    tmp_path: Path, begun: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    shutil.copytree(begun(wanted), tmp_path, dirs_exist_ok=True)
    processor(monkeypatch, fast=False, runs=False)
    before = files_of(tmp_path)
    expected = (
        r"^the run in \S+ was begun in bf16, but this processor cannot train LSTM layers in bf16: the rest would be "
        r"fp32, and the result then not bit for bit that of the unbroken run; if you want that, run the same command "
        r"with --set training\.precision=fp32$"
    )
    with pytest.raises(ConfigError, match=expected):
        run(tmp_path, wanted)
    assert files_of(tmp_path) == before


def test_where_bf16_is_slow_auto_asks_and_both_can_be_had(
    tmp_path: Path, begun: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(begun("auto"), tmp_path, dirs_exist_ok=True)
    processor(monkeypatch, fast=False)
    with pytest.raises(ConfigError, match=r"is slow in bf16: .*=fp32, or --set training\.precision=bf16 to continue"):
        run(tmp_path, "auto")
    ear = Ear(10)
    with pytest.raises(KilledError):
        run(tmp_path, "bf16", ear)
    assert [text for text in ear.warnings if "the rest is" in text] == []
    assert read_config(tmp_path / "model").training.precision == "bf16"


def test_what_was_asked_for_is_said_done_and_kept(
    tmp_path: Path, begun: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(begun("auto"), tmp_path, dirs_exist_ok=True)
    processor(monkeypatch, fast=False, runs=False)
    ear, model = Ear(11), tmp_path / "model"
    with pytest.raises(KilledError):
        run(tmp_path, "fp32", ear)
    assert ear.warnings == [
        "up to step 6 the run trained in bf16, the rest is fp32: its result is not bit for bit that of an unbroken run"
    ]
    check_manifest(model)
    assert read_config(model).training.precision == "fp32"
    # From here on it is a run in fp32, whichever of the two commands is given.
    ear = Ear()
    assert run(tmp_path, "auto", ear).status == "finished"
    assert ear.warnings == []
    facts = json.loads((model / "run.json").read_text())["facts"]
    assert facts["earlier_precision"] == [{"precision": "bf16", "steps": 6}]
    assert "precision fp32 (bf16 up to step 6)." in (model / "README.md").read_text()
    load(model)


def test_nothing_is_said_where_nothing_was_trained_yet(tmp_path: Path) -> None:
    kill(tmp_path, "auto", 1)
    ear = Ear(2)
    with pytest.raises(KilledError):
        run(tmp_path, "fp32", ear)
    assert ear.warnings == []
    assert read_config(tmp_path / "model").training.precision == "fp32"


def test_a_finished_run_has_the_precision_it_has(tmp_path: Path) -> None:
    assert run(tmp_path, "fp32").status == "finished"
    with pytest.raises(ConfigError, match=r"other settings: training\.precision \(was fp32, now auto\)"):
        run(tmp_path, "auto")
    assert run(tmp_path, "fp32").status == "already_finished"
