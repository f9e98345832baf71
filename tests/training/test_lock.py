"""Only one training a folder: who is refused, who is not, and what a kill leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqweave.errors import ModelFolderError
from seqweave.training.events import TrainEvent
from seqweave.training.lock import only_training
from seqweave.training.run import train
from tiny_run import SETTINGS, write_pairs

QUICK = {**SETTINGS, "training.max_steps": 2}


def test_a_second_training_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    refused = []

    def again(event: TrainEvent) -> None:
        if event.kind in ("reading", "batch"):
            with pytest.raises(ModelFolderError) as caught:
                train(data, tmp_path / "model", settings=QUICK, restart=event.kind == "reading")
            refused.append(str(caught.value))

    assert train(data, tmp_path / "model", settings=QUICK, listen=again).status == "finished"
    sentence = f"another training (process {os.getpid()}) is running in {tmp_path / 'model'}: "
    assert set(refused) == {sentence + "wait for it or choose another -o"}
    assert len(refused) > 3
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.tsv", "model"}


@pytest.mark.parametrize("written", ["", "nonsense", "-1 5", "99999999999999999999 5"])
def test_a_lock_of_nobody_holds_nothing(tmp_path: Path, written: str) -> None:
    (tmp_path / ".model.lock").write_text(written)
    with only_training(tmp_path / "model"):
        assert (tmp_path / ".model.lock").read_text().startswith(f"{os.getpid()} ")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="the system does not say when a process began")
def test_a_number_that_was_given_out_again_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / ".model.lock").write_text(f"{os.getpid()} 0\n")
    with only_training(tmp_path / "model"):
        assert (tmp_path / ".model.lock").read_text() != f"{os.getpid()} 0\n"


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from seqweave.training.lock import only_training\n"
        "with only_training(Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    folder = tmp_path / "model"
    words = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ModelFolderError, match=rf"another training \(process {other.pid}\)"), only_training(folder):
            pass
        other.kill()
        other.wait()
        assert (tmp_path / ".model.lock").is_file()
        with only_training(folder):
            pass
    assert not list(tmp_path.iterdir())


def test_parents_made_for_nothing_go_again(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with only_training(tmp_path / "old" / "new" / "model"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["old"]
    with only_training(tmp_path / "a" / "b" / "model"):
        (tmp_path / "a" / "b" / "model").mkdir()
    assert (tmp_path / "a" / "b" / "model").is_dir()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing refuses this user")
def test_where_nothing_can_be_written_there_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    tmp_path.chmod(0o555)
    try:
        with only_training(tmp_path / "model"):
            assert not (tmp_path / ".model.lock").exists()
    finally:
        tmp_path.chmod(0o755)
