"""Change every file of a finished model folder, make up folders whose sums fit, and see what is said of each.

    python bench/reliability/folders.py [--changes 4000] [--made-up 100] [--seed 1] [--seconds 2]

Each folder is looked at in a process of its own with a terminal: read as `seqweave.load` reads it before it imports
torch, then shown by `seqweave info`. A damaged one must be refused in one sentence; one that is still valid may be
loaded. No traceback, no torch, nothing raw on the terminal, less than 150 MB and 2 s. POSIX only.
"""

from __future__ import annotations

import argparse
import os
import pty
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from changed_folders import change_one
from made_up_folders import made_up
from small_model import make_folder

from seqweave.cli.main import main as seqweave
from seqweave.errors import SeqweaveError
from seqweave.folder import read_model

MOST_MB = 150
LONGEST_SENTENCE = 4000  # characters
LOADED, REFUSED, TORCH = 0, 2, 9
PATIENCE = 30  # seconds, after which a process is killed


@dataclass(frozen=True)
class Look:
    """What came of one folder."""

    name: str
    code: int
    said: str
    megabytes: float
    seconds: float

    def faults(self, most_seconds: float) -> Iterator[str]:
        """What should not be."""
        if self.code not in (LOADED, REFUSED):
            yield "torch was imported" if self.code == TORCH else f"ended with {self.code}"
        if "Traceback" in self.said:
            yield "traceback"
        if self.code == REFUSED and (self.said.strip().count("\n") or not self.said.strip()):
            yield "not one sentence"
        if self.code == REFUSED and len(self.said) > LONGEST_SENTENCE:
            yield "a sentence without end"
        if any(ord(sign) < 32 and sign not in "\t\n" for sign in self.said):
            yield "raw escapes on the terminal"
        if self.megabytes > MOST_MB:
            yield f"{self.megabytes:.0f} MB"
        if self.seconds > most_seconds:
            yield f"{self.seconds:.1f} s"


def main() -> int:
    """Look at all folders and print the figures; 1 when something was as it should not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=4000)
    parser.add_argument("--made-up", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0, help="most for one folder, on a machine that is idle")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "whole"
        in_a_process(whole)
        unchanged = look(whole, "the whole folder")
        assert unchanged.code == LOADED, unchanged.said
        changes = changed(whole, Path(scratch), arguments.changes, arguments.seed)
        bad = report("changes of a finished folder", changes, arguments.seconds)
        inventions = invented(whole, Path(scratch), arguments.made_up)
        bad += report("made-up folders with fitting sums", inventions, arguments.seconds)
    return 1 if bad else 0


def in_a_process(folder: Path) -> None:
    """Make the folder elsewhere: this process never imports torch."""
    process = os.fork()
    if not process:
        code = 1
        try:
            make_folder(folder)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(process, 0)[1] == 0, "no folder could be made"
    assert "torch" not in sys.modules


def changed(whole: Path, scratch: Path, count: int, seed: int) -> Iterator[Look]:
    """A look at each changed copy of a folder."""
    draw = random.Random(seed)
    for _ in range(count):
        copy = scratch / "copy"
        shutil.copytree(whole, copy)
        yield look(copy, change_one(copy, draw))
        shutil.rmtree(copy)


def invented(whole: Path, scratch: Path, count: int) -> Iterator[Look]:
    """A look at each folder that somebody made up from one."""
    for number, make in zip(range(count), made_up(), strict=False):
        copy = scratch / f"made{number}"
        shutil.copytree(whole, copy)
        yield look(copy, make(copy))
        shutil.rmtree(copy)


def look(folder: Path, name: str) -> Look:
    """Read and show a folder in a new process."""
    started = time.monotonic()
    process, terminal = pty.fork()
    if not process:
        _child(folder)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(process, signal.SIGKILL))
    signal.alarm(PATIENCE)
    parts = []
    with suppress(OSError):  # what a terminal gives whose other end is closed
        while part := os.read(terminal, 1 << 16):
            parts.append(part)
    os.close(terminal)
    _, status, used = os.wait4(process, 0)
    signal.alarm(0)
    said = b"".join(parts).decode("utf-8", "replace").replace("\r\n", "\n")
    seconds = time.monotonic() - started
    return Look(name, os.waitstatus_to_exitcode(status), said, used.ru_maxrss / 1024, seconds)


def _child(folder: Path) -> None:
    """Read, show, and end with what came of it; no traceback is lost."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # Those of the parent know no terminal.
        sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
        with suppress(SeqweaveError):  # `info` says it
            read_model(folder)
        code = seqweave(["info", str(folder)])
        if "torch" in sys.modules:
            code = TORCH
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def report(what: str, looks: Iterator[Look], most_seconds: float) -> int:
    """Print what came of them, and each that is as it should not be; gives how many those are."""
    bad, counts, most, longest = 0, Counter[int](), 0.0, 0.0
    for one in looks:
        counts[one.code] += 1
        most, longest = max(most, one.megabytes), max(longest, one.seconds)
        faults = list(one.faults(most_seconds))
        bad += bool(faults)
        if faults:
            print(f"{one.name}: {', '.join(faults)}: {one.said[:400]!a}")
    print(
        f"{counts.total()} {what}: {counts[REFUSED]} refused, {counts[LOADED]} valid, {bad} as it should not be; "
        f"at most {most:.0f} MB and {longest:.2f} s"
    )
    return bad


if __name__ == "__main__":
    sys.exit(main())
