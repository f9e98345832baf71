"""Signals of a run: the first stops after its step, a second one at once, and what comes in a burst is one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from quick import slow
from seqweave.errors import Interrupted
from seqweave.training import stopping
from seqweave.training.events import Listener, TrainEvent, ignore
from seqweave.training.run import TrainResult, train
from seqweave.training.stopping import BURST_SECONDS, StopWish, stop_signals
from tiny_run import SETTINGS, write_pairs

WEIGHTS = "model.safetensors"


def run(out: Path, data: Path, listen: Listener = ignore) -> TrainResult:
    return train(data, out, settings=SETTINGS, listen=listen, device="cpu")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    run(folder / "model", write_pairs(folder / "pairs.tsv"))
    return folder


def sender(kind: str, step: int, *numbers: signal.Signals) -> Listener:
    """Sends this process signals at the first event of a kind in a step."""
    left = list(numbers)

    def send(event: TrainEvent) -> None:
        if event.kind == kind and event.values.get("step") == step:
            while left:
                os.kill(os.getpid(), left.pop(0))

    return send


@pytest.mark.parametrize("number", [slow(signal.SIGINT), slow(signal.SIGTERM), signal.SIGHUP])
def test_a_signal_stops_after_its_step(tmp_path: Path, unbroken: Path, number: signal.Signals) -> None:
    data = unbroken / "pairs.tsv"
    result = run(tmp_path / "model", data, sender("batch", 5, number))
    assert (result.status, result.step, result.signal) == ("interrupted", 5, number)
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "stopped at step 5 of 12; the weights are those of step 4" in card
    again = run(tmp_path / "model", data)
    assert (again.status, again.signal) == ("finished", None)
    for name in (WEIGHTS, "README.md", "metrics.json"):
        assert (tmp_path / "model" / name).read_bytes() == (unbroken / "model" / name).read_bytes()


def test_a_signal_in_a_validation_stops_after_it(tmp_path: Path, unbroken: Path) -> None:
    result = run(tmp_path / "model", unbroken / "pairs.tsv", sender("validating", 8, signal.SIGTERM))
    assert (result.status, result.step) == ("interrupted", 8)


def test_there_is_no_card_before_there_are_weights(tmp_path: Path, unbroken: Path) -> None:
    assert run(tmp_path / "model", unbroken / "pairs.tsv", sender("batch", 2, signal.SIGINT)).step == 2
    assert not (tmp_path / "model" / "README.md").exists()


def test_a_second_signal_stops_at_once(tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "BURST_SECONDS", -1)
    data = unbroken / "pairs.tsv"
    with pytest.raises(Interrupted) as caught:
        run(tmp_path / "model", data, sender("batch", 8, signal.SIGINT, signal.SIGTERM))
    assert caught.value.exit_code == 143
    assert sorted(path.name for path in (tmp_path / "model" / "checkpoints").glob("step_*"))[-1] == "step_00000006"
    assert run(tmp_path / "model", data).status == "finished"
    assert (tmp_path / "model" / WEIGHTS).read_bytes() == (unbroken / "model" / WEIGHTS).read_bytes()


def test_the_first_is_told_and_a_burst_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[TrainEvent] = []
    wish = StopWish(told.append)
    assert not wish()
    wish.handle(signal.SIGHUP)
    wish.handle(signal.SIGTERM)  # as the shell and the kernel send both
    assert wish()
    assert wish.number == signal.SIGHUP
    assert told == [TrainEvent("stopping", {"signal": signal.SIGHUP})]
    monkeypatch.setattr(wish, "_asked", wish._asked - 2 * BURST_SECONDS)
    with pytest.raises(KeyboardInterrupt) as caught:
        wish.handle(signal.SIGTERM)
    assert isinstance(caught.value, Interrupted)
    assert caught.value.number == signal.SIGTERM


def test_under_torchrun_no_signal_is_a_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "BURST_SECONDS", -1)
    wish = StopWish(ignore, patient=True)
    wish.handle(signal.SIGINT)
    wish.handle(signal.SIGINT)
    assert wish()


def test_a_listener_that_cannot_write_ends_nothing() -> None:
    def broken(_: TrainEvent) -> None:
        raise BrokenPipeError

    wish = StopWish(broken)
    wish.handle(signal.SIGINT)
    assert wish()


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals(ignore) as wish:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not wish()
            os.kill(os.getpid(), signal.SIGTERM)
            assert wish()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
