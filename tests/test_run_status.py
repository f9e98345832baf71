"""How far the training of a folder is, from its files alone; what is damaged says nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from seqweave.run_status import run_status, unfinished, unfinished_warning


def folder_of(place: Path, run: Any, checkpoints: dict[int, Any] | None = None, max_steps: Any = 300) -> Path:
    """A folder with the files that say how far it is."""
    place.mkdir()
    (place / "run.json").write_text(json.dumps(run), encoding="utf-8")
    (place / "config.json").write_text(json.dumps({"training": {"max_steps": max_steps}}), encoding="utf-8")
    for step, state in (checkpoints or {}).items():
        checkpoint = place / "checkpoints" / f"step_{step:08d}"
        checkpoint.mkdir(parents=True)
        (checkpoint / "state.json").write_text(json.dumps(state), encoding="utf-8")
        (checkpoint / "COMPLETE").write_text("{}", encoding="utf-8")
    return place


RUNNING = {"status": "training", "facts": {}}


def test_stopped_at_the_newest_complete_checkpoint(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", RUNNING, {12: {"best_step": 10}, 24: {"best_step": 20}})
    (folder / "checkpoints" / "step_00000030").mkdir()  # not complete
    (folder / "checkpoints" / "step_x").mkdir()
    (folder / "checkpoints" / "step_x" / "COMPLETE").touch()
    found = run_status(folder)
    assert found is not None
    assert found.text == "stopped at step 24 of 300"
    assert found.best_step == 20
    assert unfinished([folder, tmp_path / "nowhere"]) == [f"{folder}: stopped at step 24 of 300"]
    assert unfinished_warning("m: stopped at step 24 of 300").startswith("warning: m: stopped at step 24 of 300, so ")


def test_before_the_first_checkpoint(tmp_path: Path) -> None:
    found = run_status(folder_of(tmp_path / "m", RUNNING))
    assert found is not None
    assert found.text == "stopped at step 0 of 300"


def test_finished(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", {"status": "finished", "facts": {"steps": 250, "best_step": 200}})
    found = run_status(folder)
    assert found is not None
    assert found.text == "finished at step 250 of 300"
    assert unfinished([folder]) == []


def test_still_training(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", RUNNING, {24: {"best_step": 20}})
    lock = tmp_path / ".m.lock"
    lock.write_text(f"{os.getpid()}\n", encoding="ascii")
    found = run_status(folder)
    assert found is not None
    assert found.text == "at step 24 of 300, and still training"
    assert found.to_json()["status"] == "training"
    for content in ("", "x", "0", "-1", "99999999999999999999"):
        lock.write_text(content, encoding="ascii")
        stopped = run_status(folder)
        assert stopped is not None
        assert not stopped.trains


@pytest.mark.parametrize(
    ("run", "checkpoints", "max_steps"),
    [
        ([], None, 300),
        ({"status": 1}, None, 300),
        ({"status": "finished", "facts": {"steps": "many"}}, None, 300),
        ({"status": "finished", "facts": {}}, None, 300),
        (RUNNING, None, "all"),
        (RUNNING, None, True),
        (RUNNING, None, [1]),
    ],
)
def test_what_is_of_another_form_says_nothing(
    tmp_path: Path, run: Any, checkpoints: dict[int, Any] | None, max_steps: Any
) -> None:
    folder = folder_of(tmp_path / "m", run, checkpoints, max_steps)
    assert run_status(folder) is None


@pytest.mark.parametrize("state", [[], {"best_step": "x"}, {}, None])
def test_a_strange_state_leaves_the_best_step_unknown(tmp_path: Path, state: Any) -> None:
    found = run_status(folder_of(tmp_path / "m", RUNNING, {24: state}))
    assert found is not None
    assert (found.step, found.best_step) == (24, 0)
