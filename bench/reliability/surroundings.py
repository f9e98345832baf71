"""What the trials of `signals.py` share: a training as a process, small disks, terminals, and how an end is judged."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import random
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import NoReturn

import torch

import seqweave.training.run  # before the copies are made
from seqweave.__main__ import main

torch.set_num_threads(1)
assert seqweave.training.run
BUGS = (b"Traceback", b"Exception ignored", b"Fatal Python error", b".tmp")
SAME = ("config.json", "model.safetensors", "metrics.json", "README.md")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
MOST_SECONDS = 300
INSIDE = "SEQWEAVE_BENCH_NAMESPACE"


@dataclass(frozen=True)
class Trial:
    """One training that was disturbed: what was done, how it ended, and what was wrong with that."""

    name: str
    code: int
    faults: list[str]


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it said on stderr."""

    code: int
    said: bytes


class Process:
    """A training that goes on: its number, and the end of a pipe that its stderr is written to."""

    def __init__(self, number: int, said: int):
        self.number = number
        self._file = os.fdopen(said, "rb")
        self._said = b""

    def wait_for(self, text: str) -> None:
        """Read stderr up to a line that holds `text`, or to its end."""
        while line := self._file.readline():
            self._said += line
            if text.encode() in line:
                return

    def send(self, number: int) -> None:
        """Send a signal; one that has ended is still there until it is waited for."""
        os.kill(self.number, number)

    def close(self) -> None:
        """Read stderr no more."""
        self._file.close()

    def wait(self) -> Ended:
        """Wait for the end; one that hangs is killed."""
        clock = threading.Timer(MOST_SECONDS, os.kill, (self.number, signal.SIGKILL))
        clock.start()
        if not self._file.closed:
            self._said += self._file.read()
            self._file.close()
        _, status = os.waitpid(self.number, 0)
        clock.cancel()
        return Ended(os.waitstatus_to_exitcode(status), self._said)


@dataclass
class Command:
    """The training that is disturbed.

    Attributes:
        work: a folder for everything.
        words: of the command, before `-o DIR`.
        seconds: from start to end, undisturbed.
        kilobytes: what the undisturbed folder takes while it trains, about.
        expected: the sums of its files.
    """

    work: Path
    words: list[str]
    seconds: float = 0.0
    kilobytes: int = 0
    expected: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    @classmethod
    def prepared(cls, work: Path, steps: int) -> Command:
        """Make pairs, and train on them undisturbed."""
        draw = random.Random(1)
        texts = ["".join(draw.choices("abcdef", k=draw.randint(2, 6))) for _ in range(400)]
        (work / "pairs.tsv").write_text("".join(f"{text}\t{text[::-1]}\n" for text in texts), encoding="utf-8")
        settings = {
            "model.embedding_size": 8, "model.encoder_hidden_size": 6, "model.decoder_hidden_size": 12,
            "data.source.units": "char", "data.target.units": "char", "training.max_steps": steps,
            "training.batch_tokens": 256, "training.validate_every": max(1, steps // 5),
            "training.checkpoint_every": max(1, steps // 10), "training.precision": "fp32",
        }  # fmt: skip
        options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        command = cls(work, ["train", str(work / "pairs.tsv"), "--device", "cpu", *options])
        began, folder = time.monotonic(), work / "unbroken"
        ended = command.run(folder)
        if ended.code:
            raise SystemExit(f"the undisturbed training failed: {ended.said.decode()}")
        command.seconds = time.monotonic() - began
        command.expected = sums(folder)
        total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        command.kilobytes = 4 * total // 1024  # two checkpoints, a third one on its way and the cache beside what stays
        return command

    def folder(self) -> Path:
        """The name of a new model folder."""
        return self.work / f"model-{next(self.numbers)}"

    def start(self, folder: Path, before: Callable[[], object] = int, cold: bool = False) -> Process:
        """Start the training in a copy of this process.

        Args:
            folder: where it writes.
            before: what the copy does first.
            cold: start Python anew instead, which takes seconds to import everything.
        """
        ours, theirs = os.pipe()
        number = os.fork()
        if number == 0:
            os.close(ours)
            os.dup2(theirs, 2)
            os.close(theirs)
            self.become(folder, before, cold)
        os.close(theirs)
        return Process(number, ours)

    def become(
        self, folder: Path, before: Callable[[], object], cold: bool = False, to_terminal: bool = False
    ) -> NoReturn:
        """Train in this process, and end it."""
        if not to_terminal:
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
        before()
        words = [*self.words, "-o", str(folder)]
        if cold:
            os.execve(sys.executable, [sys.executable, "-m", "seqweave", *words], ENVIRONMENT)
        sys.argv = ["seqweave", *words]
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        code = 1
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            traceback.print_exc()
        os._exit(code)

    def run(self, folder: Path, before: Callable[[], object] = int, cold: bool = False) -> Ended:
        """Train from start to end."""
        return self.start(folder, before, cold).wait()

    def seqweave(self, *words: str, given: bytes = b"") -> Ended:
        """Run another verb."""
        command = [sys.executable, "-m", "seqweave", *words]
        done = subprocess.run(command, input=given, capture_output=True, env=ENVIRONMENT, check=False)
        return Ended(done.returncode, done.stderr)

    def faults(self, ended: Ended, allowed: set[int]) -> list[str]:
        """What is wrong with an end in itself."""
        said = ended.said.decode("utf-8", "replace")
        found = [f"printed {bug.decode()}: ...{said[-600:]}" for bug in BUGS if bug in ended.said]
        if ended.code not in allowed:
            found.append(f"exit code {ended.code}, not one of {sorted(allowed)}: ...{said[-300:]}")
        errors = [line for line in said.split("\n") if line.startswith("seqweave: error: ")]
        if ended.code == 2 and (len(errors) != 1 or not said.rstrip("\n").endswith(errors[0])):
            found.append(f"no one sentence: {said[-300:]}")
        return found

    def judge(self, name: str, folder: Path, ended: Ended, allowed: set[int], keep: bool = False) -> Trial:
        """The faults of an end, and of the run once the same command was given again; then the folder is removed."""
        found = self.faults(ended, allowed)
        again = self.run(folder)
        if again.code:
            found.append(f"the same command ended with {again.code}: {again.said.decode('utf-8', 'replace')[-300:]}")
        elif sums(folder) != self.expected:
            found.append("the end differs from the unbroken run")
        if left := [path.name for path in folder.parent.glob(f".{folder.name}*") if not path.name.endswith(".lock")]:
            found.append(f"left behind: {', '.join(left)}")
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        return Trial(name, ended.code, found)


def sums(folder: Path) -> dict[str, str]:
    """SHA-256 of the files that two runs must have in common."""
    there = [name for name in SAME if (folder / name).is_file()]
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in there}


def with_terminal(command: Command, folder: Path, controlling: bool, seconds: float) -> Ended:
    """Train in a terminal that closes some time after the training began.

    Args:
        command: the training.
        folder: where it writes.
        controlling: whether it is the terminal of its session, so that the kernel sends SIGHUP.
        seconds: how long after.
    """
    master, slave = pty.openpty()
    number = os.fork()
    if number == 0:
        os.close(master)
        os.setsid()
        if controlling:
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for stream in (0, 1, 2):
            os.dup2(slave, stream)
        command.become(folder, int, to_terminal=True)
    os.close(slave)
    said = b""
    while b"about" not in said and (more := os.read(master, 4096)):
        said += more
    time.sleep(seconds)
    os.close(master)
    _, status = os.waitpid(number, 0)
    return Ended(os.waitstatus_to_exitcode(status), said)


def in_own_namespace() -> None:
    """Start this script again where mounts are its own, if that is allowed; returns there, or where it is not."""
    if INSIDE in os.environ or shutil.which("unshare") is None:
        return
    probe = "mount -t tmpfs -o size=1m none /mnt"
    if subprocess.run(["unshare", "-m", "sh", "-c", probe], capture_output=True, check=False).returncode == 0:
        words = ["unshare", "-m", sys.executable, *sys.argv]
        os.execvpe(words[0], words, {**os.environ, INSIDE: "1"})


@cache
def can_mount() -> bool:
    """Whether small disks can be mounted."""
    return INSIDE in os.environ


@contextmanager
def mounted(place: Path, kilobytes: int) -> Iterator[Path]:
    """A disk of so many KiB."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def mounted_again(disk: Path, options: str) -> None:
    """Change a disk: its size, or whether it can be written."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)
