"""A training that a signal stopped: its exit code, and every verb that says so of the folder."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from quick import slow
from seqweave.cli.main import main
from seqweave.cli.progress import TrainingView
from seqweave.training.events import TrainEvent
from tiny_run import SETTINGS, write_pairs

Capture = pytest.CaptureFixture[str]
STOPPED = "stopped at step 5 of 12"
WORDS = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]


def train(data: Path, out: Path, *more: str) -> int:
    return main(["train", str(data), "-o", str(out), "--device", "cpu", *WORDS, *more])


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Any) -> None:
    """Do something at the first batch of a step."""
    left, real = [act], TrainingView.__call__

    def heard(self: TrainingView, event: TrainEvent) -> None:
        real(self, event)
        if left and event.kind == "batch" and event.values["step"] == step:
            left.pop()()

    monkeypatch.setattr(TrainingView, "__call__", heard)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patched:
        at_step(patched, 5, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert train(write_pairs(folder / "pairs.tsv"), folder / "model") == 143
    return folder


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), slow(signal.SIGTERM, 143), slow(signal.SIGHUP, 129)]
)
def test_what_is_unfinished_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, number: signal.Signals, code: int
) -> None:
    at_step(monkeypatch, 2, lambda: os.kill(os.getpid(), number))
    assert train(write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model") == code
    said = capsys.readouterr().err.split("\n")
    assert "stopping after this step; once more stops at once" in said
    assert said[-2] == "stopped at step 2 of 12, saved; run the same command to resume"


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        (2, "there was no checkpoint yet, so the same command begins again"),
        (5, "the checkpoint of step 3 is kept, and the same command goes on from there"),
    ],
)
def test_a_second_signal_says_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, step: int, kept: str
) -> None:
    monkeypatch.setattr("seqweave.training.stopping.BURST_SECONDS", -1)

    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    at_step(monkeypatch, step, twice)
    assert train(write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model") == 130
    assert capsys.readouterr().err.endswith(f"seqweave: stopped at once: {kept}\n")


def test_a_stop_before_the_first_step_leaves_the_old_model(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def interrupt(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGHUP)

    monkeypatch.setattr("seqweave.training.start.prepare", interrupt)
    before = (stopped / "model" / "model.safetensors").read_bytes()
    assert train(stopped / "pairs.tsv", stopped / "model", "--restart") == 129
    assert "stopped at once: the checkpoint of step 5 is kept" in capsys.readouterr().err
    assert (stopped / "model" / "model.safetensors").read_bytes() == before
    assert train(stopped / "pairs.tsv", tmp_path / "new") == 129
    assert capsys.readouterr().err.endswith(f"stopped at once: {tmp_path / 'new'} is as it was\n")
    assert not (tmp_path / "new").exists()


def test_a_stderr_that_goes_away_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8", buffering=1) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        at_step(monkeypatch, 5, lambda: os.close(reader))
        assert train(write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model") == 0
        assert sys.stderr is stream


def test_every_verb_says_that_it_is_stopped(stopped: Path, capsys: Capture) -> None:
    model, data = str(stopped / "model"), str(stopped / "pairs.tsv")
    warning = f"seqweave: warning: {model}: {STOPPED}, so this is no finished model; the same train command finishes it"
    for words in (["evaluate", model, data], ["score", model, data], ["align", model, data]):
        assert main(words) == 0
        assert warning in capsys.readouterr().err.split("\n"), words
    assert main(["doctor", model]) in (0, 1)
    assert warning in capsys.readouterr().err
    assert main(["info", model]) == 0
    said = capsys.readouterr().out
    assert f"  training  {STOPPED}; the weights are those of step 4; the same train command finishes it\n" in said
    assert STOPPED in (stopped / "model" / "README.md").read_text(encoding="utf-8")


def test_json_says_that_it_is_stopped(stopped: Path, capsys: Capture) -> None:
    model, data = str(stopped / "model"), str(stopped / "pairs.tsv")
    for words in (["evaluate", model, data], ["doctor", model]):
        assert main([*words, "--json"]) in (0, 1)
        assert json.loads(capsys.readouterr().out)["unfinished"] == [f"{model}: {STOPPED}"]
    assert main(["predict", model, data, "--column", "1", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.rstrip("\n").split("\n")]
    assert {tuple(row["unfinished"]) for row in rows} == {(f"{model}: {STOPPED}",)}
    assert main(["info", model, "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert run == {"status": "stopped", "text": STOPPED, "step": 5, "max_steps": 12, "best_step": 4}


def test_a_finished_model_says_nothing_of_it(tmp_path: Path, capsys: Capture) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    assert train(data, tmp_path / "model") == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "model"), str(data), "--json"]) == 0
    streams = capsys.readouterr()
    assert json.loads(streams.out)["unfinished"] is None
    assert streams.err == ""
    assert main(["info", str(tmp_path / "model")]) == 0
    assert "training  finished at step 12 of 12; the weights" in capsys.readouterr().out
