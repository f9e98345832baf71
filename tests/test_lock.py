"""Only one training a folder: who is refused, who is not, and what a kill leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqweave import lock
from seqweave.errors import ModelFolderError
from seqweave.lock import only_one
from seqweave.training.events import TrainEvent
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
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.tsv", "model", ".model.lock"}
    assert (tmp_path / ".model.lock").read_bytes() == b""


# What older versions left: a number, of a process that lives, too, and when it began.
@pytest.mark.parametrize(
    "written",
    ["", "nonsense", "-1 5", "99999999999999999999 5", f"{os.getpid()} 0\n"],
    ids=["empty", "nonsense", "negative", "too large", "of this process"],
)
def test_a_file_that_nobody_has_locked_holds_nothing(tmp_path: Path, written: str) -> None:
    (tmp_path / ".model.lock").write_text(written)
    with only_one(tmp_path / "model", "training", stays=True):
        assert (tmp_path / ".model.lock").read_text() == f"{os.getpid()} training\n"
    assert not list(tmp_path.iterdir())  # no folder was made, so nothing is to be locked


def test_the_file_stays_with_the_folder(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with only_one(tmp_path / "model", "training", stays=True):
        before = (tmp_path / ".model.lock").stat().st_ino
    with only_one(tmp_path / "model", "training", stays=True):
        assert (tmp_path / ".model.lock").stat().st_ino == before
    assert (tmp_path / ".model.lock").is_file()


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no open file")
def test_a_lock_on_a_file_that_was_removed_meanwhile_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder removes its file between our opening and our locking of it."""
    real, calls = lock._lock, []

    def removed(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            (tmp_path / ".model.lock").unlink()
        real(descriptor)

    monkeypatch.setattr(lock, "_lock", removed)
    with only_one(tmp_path / "model", "training", stays=True):
        assert len(calls) == 2
        monkeypatch.undo()
        with (
            pytest.raises(ModelFolderError, match="another training"),
            only_one(tmp_path / "model", "training", stays=True),
        ):
            pass


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("years of work")
    (tmp_path / ".model.lock").symlink_to("mine")
    with pytest.raises(OSError, match="symbolic link"), only_one(tmp_path / "model", "training", stays=True):
        pass
    assert (tmp_path / "mine").read_text() == "years of work"


@pytest.mark.parametrize("written", ["", "nonsense", "0", "999999999"])
def test_a_holder_that_is_not_known_is_said_so(tmp_path: Path, written: str) -> None:
    with only_one(tmp_path / "model", "training", stays=True):
        (tmp_path / ".model.lock").write_text(written)
        sentence = r"another training \(process unknown\) is running in .*model: wait"
        with pytest.raises(ModelFolderError, match=sentence), only_one(tmp_path / "model", "training", stays=True):
            pass


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from seqweave.lock import only_one\n"
        "with only_one(Path(sys.argv[1]), 'training', stays=True):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    folder = tmp_path / "model"
    words = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(ModelFolderError, match=rf"another training \(process {other.pid}\)"),
            only_one(folder, "training", stays=True),
        ):
            pass
        other.kill()
        other.wait()
        assert (tmp_path / ".model.lock").read_text() == f"{other.pid} training\n"
        with only_one(folder, "training", stays=True):
            pass
    assert not list(tmp_path.iterdir())


def test_a_split_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    with only_one(folder, "split", stays=False):
        folder.mkdir()
        for doing in ("split", "training"):
            with (
                pytest.raises(ModelFolderError, match=rf"another split \(process {os.getpid()}\)"),
                only_one(folder, doing, stays=True),
            ):
                pass
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]


def test_parents_made_for_nothing_go_again(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with only_one(tmp_path / "old" / "new" / "model", "training", stays=True):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["old"]
    with only_one(tmp_path / "a" / "b" / "model", "training", stays=True):
        (tmp_path / "a" / "b" / "model").mkdir()
    assert (tmp_path / "a" / "b" / "model").is_dir()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing refuses this user")
def test_where_nothing_can_be_written_there_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    tmp_path.chmod(0o555)
    try:
        with only_one(tmp_path / "model", "training", stays=True):
            assert not (tmp_path / ".model.lock").exists()
    finally:
        tmp_path.chmod(0o755)
