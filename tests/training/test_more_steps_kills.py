"""More steps, killed at every write of the extension: the folder can be loaded, and the same command ends the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seqweave.cli.main import main
from seqweave.config import build_config
from seqweave.errors import ConfigError
from seqweave.folder import read_config, replace_config
from seqweave.loading import load
from seqweave.run_status import run_status
from seqweave.training.events import Listener, TrainEvent, ignore
from seqweave.training.run import TrainResult, train
from starting import contents
from tiny_run import SETTINGS, write_pairs
from tiny_runs import KilledError, killer

CALLS = ("replace", "rename", "unlink", "rmdir", "mkdir", "truncate")
TUNED = {"search.beam_size": 3, "search.length_penalty": 0.2}
CLOCK = ("run.json", "state.json", "COMPLETE", "MANIFEST.json", "events.jsonl", "logs.json")
"""Files that hold seconds, or sums of those."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model`, a finished run of `pairs.tsv`, and `longer`, the same with two more steps."""
    place = tmp_path_factory.mktemp("kills")
    train(write_pairs(place / "pairs.tsv", seed=5), place / "model", settings=SETTINGS, device="cpu")
    replace_config(place / "model", build_config(TUNED, read_config(place / "model")))
    shutil.copytree(place / "model", place / "longer")
    assert more(place, place / "longer").step == 14
    return place


def more(place: Path, folder: Path, listen: Listener = ignore) -> TrainResult:
    settings = {**SETTINGS, "training.max_steps": 14}
    return train(place / "pairs.tsv", folder, settings=settings, device="cpu", listen=listen)


def end_of(folder: Path) -> dict[str, str]:
    """The files of a finished run, but those with times in them."""
    found = contents(folder)
    assert {f"checkpoints/step_00000014/{name}.safetensors" for name in ("model", "optimizer")} <= found.keys()
    return {name: "" if name.rpartition("/")[2] in CLOCK else what for name, what in found.items()}


class Calls:
    """Counts the calls that change a disk, until training begins; at one of them it raises."""

    def __init__(self, last: int | None = None):
        self.count = 0
        self.last = last
        self.counts = True

    def listen(self, event: TrainEvent) -> None:
        self.counts = self.counts and event.kind != "estimate"

    def wrapped(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            self.count += self.counts
            if self.counts and self.count == self.last:
                self.counts = False  # what is tidied up afterwards is not killed
                raise KilledError
            return real(*given, **named)

        return call


@contextmanager
def counted(calls: Calls) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, calls.wrapped(getattr(os, name)))
        yield


def test_the_settings_of_a_tuned_model_stay(place: Path) -> None:
    assert build_config(TUNED, read_config(place / "longer")) == read_config(place / "longer")
    assert read_config(place / "longer").training.max_steps == 14


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in (1, 2, 3))])
def test_killed_at_every_write(place: Path, tmp_path: Path, part: int) -> None:
    calls = Calls()
    shutil.copytree(place / "model", tmp_path / "count")
    with counted(calls):
        more(place, tmp_path / "count", calls.listen)
    assert calls.count >= 15
    before = load(place / "model", "cpu").predict(["abc"])[0]
    for number in range(1 + part, calls.count + 1, 4):
        folder = Path(shutil.copytree(place / "model", tmp_path / f"model{number}"))
        kill = Calls(number)
        with counted(kill), pytest.raises(KilledError):
            more(place, folder, kill.listen)
        after = load(folder, "cpu").predict(["abc"])[0]
        assert (after.text, after.score) == (before.text, before.score)
        assert run_status(folder) is not None
        result = more(place, folder)
        assert (result.status, result.step) == ("finished", 14)
        assert end_of(folder) == end_of(place / "longer"), number
        assert not list(folder.glob(".*"))
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "kill",
    [
        killer("batch", 13, batch=0),
        killer("batch", 14, batch=1),
        killer("validating", 14),
        killer("saving", 14, file="COMPLETE"),
        killer("checkpoint", 14),
    ],
    ids=["first step", "second step", "validation", "mark", "saved"],
)
def test_killed_while_it_trains(place: Path, tmp_path: Path, kill: Listener) -> None:
    folder = Path(shutil.copytree(place / "model", tmp_path / "model"))
    with pytest.raises(KilledError):
        more(place, folder, kill)
    load(folder, "cpu")
    found = run_status(folder)
    assert found is not None
    assert not found.finished
    more(place, folder)
    assert end_of(folder) == end_of(place / "longer")


def test_another_number_after_a_kill(place: Path, tmp_path: Path) -> None:
    """What the finished run had reached is not forgotten: its weights stay the best."""
    folder = Path(shutil.copytree(place / "model", tmp_path / "model"))
    with pytest.raises(KilledError):
        train(
            place / "pairs.tsv", folder, settings={**SETTINGS, "training.max_steps": 30}, device="cpu",
            listen=killer("batch", 13),
        )  # fmt: skip
    more(place, folder)
    assert end_of(folder) == end_of(place / "longer")
    found = load(folder, "cpu").config
    assert found.training.max_steps == 14


def test_tuning_an_unfinished_run(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(place / "model", tmp_path / "model"))
    with pytest.raises(KilledError):
        more(place, folder, killer("batch", 14))
    before = contents(folder)
    words = ["tune", str(folder), str(place / "pairs.tsv"), "--beams", "1", "--length-penalties", "0"]
    assert main(words) == 0
    assert main([*words, "--write"]) == 2
    assert "--write needs a finished run" in capsys.readouterr().err
    assert contents(folder) == before
    more(place, folder)
    assert end_of(folder) == end_of(place / "longer")


def test_settings_of_the_search_that_nobody_sealed_are_refused(place: Path, tmp_path: Path) -> None:
    from seqweave.errors import ModelFolderError

    folder = Path(shutil.copytree(place / "model", tmp_path / "model"))
    text = (folder / "config.json").read_text().replace('"beam_size": 3', '"beam_size": 4')
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelFolderError, match=r"config\.json"):
        more(place, folder)
    with pytest.raises(ConfigError, match=r"other settings: search\.beam_size"):
        train(
            place / "pairs.tsv", place / "longer", device="cpu",
            settings={**SETTINGS, "training.max_steps": 16, "search.beam_size": 7},
        )  # fmt: skip
