"""Resume equals never having stopped, bit for bit, wherever the run was killed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quick import quick_are, slow
from seqweave import files
from seqweave.data.sides import Sides
from seqweave.errors import LimitError
from seqweave.folder import check_manifest
from seqweave.training import checkpoint
from seqweave.training.events import TrainEvent
from seqweave.training.record import Record
from tiny_run import write_pairs
from tiny_runs import KilledError, assert_equal_runs, killer, run

KILLS = {
    "first step": killer("batch", 1, batch=1),
    "mid-epoch": killer("batch", 8, batch=0),
    "mid-accumulation": killer("batch", 5, batch=0),
    "during a validation": killer("validating", 8),
    "after a validation, before its checkpoint": killer("validation", 12),
    "saving weights": killer("saving", 6, file="model.safetensors"),
    "saving moments": killer("saving", 6, file="optimizer.safetensors"),
    "saving the mark": killer("saving", 9, file="COMPLETE"),
}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    run(folder / "model", write_pairs(folder / "pairs.tsv"))
    return folder


@pytest.mark.parametrize("kill", quick_are(["mid-accumulation", "saving moments"], KILLS))
def test_a_killed_run_ends_like_the_unbroken_one(tmp_path: Path, unbroken: Path, kill: str) -> None:
    data = unbroken / "pairs.tsv"
    with pytest.raises(KilledError):
        run(tmp_path / "model", data, KILLS[kill])
    assert run(tmp_path / "model", data).status == "finished"
    assert_equal_runs(tmp_path / "model", unbroken / "model")
    # The validations of the record are those of the unbroken run, each once.
    samples = (tmp_path / "model" / "samples.jsonl").read_text(encoding="utf-8")
    assert samples == (unbroken / "model" / "samples.jsonl").read_text(encoding="utf-8")


def test_a_kill_at_the_very_end_does_the_end_again(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(record: Record) -> None:
        raise KilledError

    data = unbroken / "pairs.tsv"
    with monkeypatch.context() as patch:
        patch.setattr(Record, "seal", killed)
        with pytest.raises(KilledError):
            run(tmp_path / "model", data)
    assert run(tmp_path / "model", data).status == "finished"
    assert_equal_runs(tmp_path / "model", unbroken / "model")
    assert check_manifest(tmp_path / "model") == check_manifest(unbroken / "model")
    assert not (tmp_path / "model" / "cache").exists()
    # The final average is validated twice, and recorded once.
    events = (tmp_path / "model" / "events.jsonl").read_text(encoding="utf-8")
    assert events.count('"averaged"') == 1


def test_a_resumed_run_counts_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    with pytest.raises(KilledError):
        run(tmp_path / "model", data, killer("batch", 5))
    (tmp_path / "model" / ".events.jsonl.77.tmp").write_bytes(b"of a process that was killed")
    monkeypatch.setattr(Sides, "count", lambda self: pytest.fail("the corpus was read once more"))
    assert run(tmp_path / "model", data).status == "finished"
    assert not list((tmp_path / "model").glob(".*.tmp"))


@pytest.mark.parametrize("number", [signal.SIGINT, slow(signal.SIGTERM)])
def test_a_signal_saves_and_the_run_goes_on(tmp_path: Path, unbroken: Path, number: signal.Signals) -> None:
    def send(event: TrainEvent) -> None:
        if event.kind == "batch" and event.values == {"step": 5, "batch": 0}:
            os.kill(os.getpid(), number)

    data = unbroken / "pairs.tsv"
    result = run(tmp_path / "model", data, send)
    assert (result.status, result.step) in {("interrupted", 5), ("interrupted", 6)}
    assert run(tmp_path / "model", data).status == "finished"
    assert run(tmp_path / "model", data).status == "already_finished"
    assert_equal_runs(tmp_path / "model", unbroken / "model")


@pytest.mark.slow
def test_a_process_killed_by_the_system_ends_like_the_unbroken_one(tmp_path: Path, unbroken: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "import torch\n"
        "torch.set_num_threads(1)\n"
        "from tiny_run import SETTINGS\n"
        "from seqweave.training.run import train\n"
        "def listen(event):\n"
        "    if event.kind == 'batch' and event.values == {'step': 8, 'batch': 1}:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "train(sys.argv[1], sys.argv[2], settings=SETTINGS, listen=listen, device='cpu')\n"
    )
    helpers = str(Path(__file__).parent.parent / "helpers")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([helpers, os.environ.get("PYTHONPATH", "")])}
    data = unbroken / "pairs.tsv"
    done = subprocess.run([sys.executable, "-c", code, data, tmp_path / "model"], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    run(tmp_path / "model", data)
    assert_equal_runs(tmp_path / "model", unbroken / "model")


def test_a_full_disk_keeps_the_last_good_checkpoint(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = files.write_atomic

    def full(path: Path, content: bytes) -> None:
        if "step_00000006" in str(path) and path.name == "optimizer.safetensors":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, content)

    monkeypatch.setattr(checkpoint, "write_atomic", full)
    data = unbroken / "pairs.tsv"
    with pytest.raises(LimitError, match=r"No space left.*last good checkpoint is step_00000003.*run the same command"):
        run(tmp_path / "model", data)
    there = {path.name for path in (tmp_path / "model" / "checkpoints").iterdir()}
    assert there == {"step_00000003", "best_00000004.safetensors"}
    monkeypatch.undo()
    run(tmp_path / "model", data)
    assert_equal_runs(tmp_path / "model", unbroken / "model")
