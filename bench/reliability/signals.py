"""What ends a training from outside: signals, a terminal or stderr that goes away, a full disk, too few descriptors.

    python bench/reliability/signals.py                     all groups, about half an hour on two cores
    python bench/reliability/signals.py --only disk --size 3 --json figures.json

Each trial starts `seqweave train` as a process of its own, does something to it, and then runs the same command again
in peace. A trial has faults where

- the exit code is another than it must be (130, 143 or 129 after a signal that came before the end; 0 or 2 otherwise),
- a traceback was printed, or a refusal (2) is not one sentence that names a file of the user,
- the run does not end, after the same command once more, with the weights and figures of an unbroken one, bit for bit.

A full disk and a read-only one are small tmpfs, mounted in a namespace of this process alone (root, Linux). Where that
is not allowed, a limit on the size of files (RLIMIT_FSIZE) stands for the full disk, and read-only is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from surroundings import Command, Trial, can_mount, in_own_namespace, mounted, mounted_again, with_terminal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIZES = {"signals": 20, "twice": 5, "stderr": 4, "terminal": 4, "disk": 30, "readonly": 1, "descriptors": 29}


def close_streams(*numbers: int) -> None:
    """Close them, as `2>&-` does."""
    for number in numbers:
        os.close(number)


def limit(kind: int, most: int) -> None:
    """Lower a limit of this process."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # Python does so when it starts
    resource.setrlimit(kind, (most, most))


def after_signals(command: Command, size: int, draw: random.Random) -> list[Trial]:
    """Each signal at `size` moments, from the start of the process to its end."""
    trials = []
    for number in SIGNALS:
        for place in range(size):
            moment = 0.75 * command.seconds * (place + draw.random()) / size
            folder = command.folder()
            cold = place % 5 == 0
            process = command.start(folder, cold=cold)
            time.sleep(moment)
            process.send(number)
            ended = process.wait()
            allowed = {0, 128 + number}
            if cold and not ended.said:  # before Python could catch anything
                allowed.add(-number)
            trials.append(command.judge(f"{number.name} after {moment:.2f} s", folder, ended, allowed))
    return trials


def after_two_signals(command: Command, size: int, draw: random.Random) -> list[Trial]:
    """A signal in the middle of a run, and another one while it stops."""
    trials = []
    for number in SIGNALS:
        for place in range(size):
            folder = command.folder()
            process = command.start(folder)
            process.wait_for("about ")
            time.sleep(draw.random() * command.seconds / 2)
            process.send(number)
            time.sleep((0.0, 0.3)[place % 2] * draw.random())
            process.send(number)
            trials.append(command.judge(f"{number.name} twice", folder, process.wait(), {0, 128 + number}))
    return trials


def without_stderr(command: Command, size: int, draw: random.Random) -> list[Trial]:
    """Closed from the start, closed by its reader on the way, and on a full device."""
    trials = []
    for place in range(size):
        folder = command.folder()
        if place % 4 == 0:
            ended = command.run(folder, lambda: close_streams(2), cold=True)
        elif place % 4 == 1:
            ended = command.run(folder, lambda: close_streams(0, 1, 2), cold=True)
        elif place % 4 == 2 and Path("/dev/full").exists():
            ended = command.run(folder, lambda: os.dup2(os.open("/dev/full", os.O_WRONLY), 2))
        else:
            process = command.start(folder)
            process.wait_for("found")
            process.close()
            ended = process.wait()
        trials.append(command.judge(f"stderr gone, way {place % 4}", folder, ended, {0}))
    return trials


def without_terminal(command: Command, size: int, draw: random.Random) -> list[Trial]:
    """The terminal goes: with SIGHUP, which stops and saves, and without it, when the run goes on."""
    trials = []
    for place in range(size):
        folder, controlling = command.folder(), place % 2 == 0
        ended = with_terminal(command, folder, controlling, draw.random() * command.seconds / 4)
        allowed = {0, 128 + signal.SIGHUP} if controlling else {0}
        name = "terminal closed" + (" with SIGHUP" if controlling else "")
        trials.append(command.judge(name, folder, ended, allowed))
    return trials


def on_a_full_disk(command: Command, size: int, draw: random.Random) -> list[Trial]:
    """From nothing to enough: a disk, or where none can be mounted a largest file, of `size` sizes."""
    trials = []
    for place in range(size):
        kilobytes = max(4, command.kilobytes * (place + 1) // size)
        if can_mount():
            with mounted(command.work / f"disk-{place}", kilobytes) as disk:
                ended = command.run(disk / "model")
                mounted_again(disk, f"size={64 * command.kilobytes}k")
                trials.append(command.judge(f"disk of {kilobytes} KiB", disk / "model", ended, {0, 2}))
        else:
            folder = command.folder()
            ended = command.run(folder, partial(limit, resource.RLIMIT_FSIZE, 1024 * kilobytes // 4))
            trials.append(command.judge(f"files of {kilobytes} KiB", folder, ended, {0, 2}))
    return trials


def on_a_read_only_disk(command: Command, size: int, draw: random.Random) -> list[Trial]:
    """A new run, a stopped one and a finished one, which must still answer."""
    trials: list[Trial] = []
    if not can_mount():
        return trials
    for place in range(size):
        with mounted(command.work / f"read-only-{place}", 64 * command.kilobytes) as disk:
            folder = disk / "model"
            mounted_again(disk, "ro")
            new = command.run(folder)
            mounted_again(disk, "rw")
            process = command.start(folder)
            process.wait_for("about ")
            process.send(signal.SIGTERM)
            process.wait()
            mounted_again(disk, "ro")
            stopped = command.run(folder)
            mounted_again(disk, "rw")
            trials.append(command.judge("read-only, new", folder, new, {2}, keep=True))
            trials.append(Trial("read-only, stopped", stopped.code, command.faults(stopped, {2})))
            mounted_again(disk, "ro")
            again = command.run(folder)
            trials.append(Trial("read-only, finished", again.code, command.faults(again, {0})))
            answers = command.seqweave("predict", str(folder), given=b"abc\n")
            trials.append(Trial("read-only, predict", answers.code, command.faults(answers, {0})))
            mounted_again(disk, "rw")
    return trials


def with_few_descriptors(command: Command, size: int, draw: random.Random) -> list[Trial]:
    """12 to 40 of them."""
    trials = []
    for place in range(size):
        most = 12 + place * 28 // max(1, size - 1)
        folder = command.folder()
        ended = command.run(folder, partial(limit, resource.RLIMIT_NOFILE, most), cold=place % 5 == 0)
        trials.append(command.judge(f"{most} descriptors", folder, ended, {0, 2}))
    return trials


GROUPS: dict[str, Callable[[Command, int, random.Random], list[Trial]]] = {
    "signals": after_signals,
    "twice": after_two_signals,
    "stderr": without_stderr,
    "terminal": without_terminal,
    "disk": on_a_full_disk,
    "readonly": on_a_read_only_disk,
    "descriptors": with_few_descriptors,
}


def run(names: Sequence[str], size: int | None, steps: int, seed: int) -> dict[str, list[Trial]]:
    """Run groups of trials, each of its own size or of `size`; gives them by group."""
    work = Path(tempfile.mkdtemp(prefix="seqweave-signals-"))
    try:
        command = Command.prepared(work, steps)
        found = {}
        for name in names:
            found[name] = GROUPS[name](command, size or SIZES[name], random.Random(seed))
            print(summary(name, found[name]), flush=True)
        return found
    finally:
        shutil.rmtree(work, ignore_errors=True)


def summary(name: str, trials: Sequence[Trial]) -> str:
    """One line for a group, and one for each fault."""
    codes = ", ".join(f"{count} x {code}" for code, count in sorted(Counter(one.code for one in trials).items()))
    faults = [f"  {one.name}: {fault}" for one in trials for fault in one.faults]
    return "\n".join([f"{name}: {len(trials)} trials, exit codes {codes or '-'}, {len(faults)} faults", *faults])


def main() -> int:
    """Run what the command line asks for; 1 when there are faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(GROUPS), default=list(GROUPS), help="groups to run")
    parser.add_argument("--size", type=int, help=f"trials in a group (of each signal); default: {SIZES}")
    parser.add_argument("--steps", type=int, default=60, help="steps of the training that is disturbed")
    parser.add_argument("--seed", type=int, default=1, help="random seed for the moments")
    parser.add_argument("--json", type=Path, help="file for all trials")
    options = parser.parse_args()
    if "disk" in options.only or "readonly" in options.only:
        in_own_namespace()
    found = run(options.only, options.size, options.steps, options.seed)
    if options.json is not None:
        content = {name: [one.__dict__ for one in trials] for name, trials in found.items()}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print("small disks are", "tmpfs" if can_mount() else "a limit on the size of files")
    return int(any(one.faults for trials in found.values() for one in trials))


if __name__ == "__main__":
    sys.exit(main())
