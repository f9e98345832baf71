"""Runs of `tiny_run` that are stopped, damaged and resumed: how they end, and what they say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from seqweave.training.events import Listener, TrainEvent
from seqweave.training.run import TrainResult, train
from tiny_run import SETTINGS


class KilledError(BaseException):
    """Stands for a kill: nothing catches it."""


def killer(kind: str, step: int, batch: int | None = None, file: str | None = None) -> Listener:
    """A listener that kills the run at the first such event."""

    def listen(event: TrainEvent) -> None:
        values = event.values
        if event.kind != kind or values.get("step") != step:
            return
        if (batch is None or values["batch"] == batch) and (file is None or values["file"] == file):
            raise KilledError

    return listen


def run(folder: Path, data: Path, listen: Listener = lambda event: None) -> TrainResult:
    """Train with the settings of `tiny_run`."""
    return train(data, folder, settings=SETTINGS, listen=listen, device="cpu")


def warnings_of(data: Path, folder: Path, settings: Mapping[str, Any] = SETTINGS, restart: bool = False) -> list[str]:
    """Train to the end; gives what was said that may be wrong."""
    said: list[str] = []

    def listen(event: TrainEvent) -> None:
        if event.kind == "warning":
            said.append(event.values["text"])

    train(data, folder, settings=settings, listen=listen, device="cpu", restart=restart)
    return said


def final_state(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, float]]:
    """What a run of 12 steps ends with: the weights, the moments and the state, without times."""
    last = folder / "checkpoints" / "step_00000012"
    state = json.loads((last / "state.json").read_text())
    del state["seconds"]
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    return weights, safetensors.torch.load_file(last / "optimizer.safetensors"), state


def assert_equal_runs(folder: Path, unbroken: Path) -> None:
    """Two runs ended with the same, bit for bit."""
    weights, moments, state = final_state(folder)
    expected_weights, expected_moments, expected_state = final_state(unbroken)
    assert state == expected_state
    for found, expected in ((weights, expected_weights), (moments, expected_moments)):
        assert found.keys() == expected.keys()
        assert [name for name in expected if not torch.equal(found[name], expected[name])] == []
