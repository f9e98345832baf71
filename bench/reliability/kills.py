"""Kill `seqweave train` (SIGKILL) at every moment that changes a disk, run it again, and compare what it ends with.

    python bench/reliability/kills.py [--every 1] [--random 100] [--only new resume restart more] [--out DIR]

Four starts are killed: a new run, one that resumes a run stopped in the middle, one with `--restart` over another
finished model, and one that goes on with a finished model, to a larger `training.max_steps`. Each is killed before
its first, second, ... call of fsync, rename, replace, mkdir, unlink, rmdir and truncate, until it has no more of
them, and at random moments. After every kill the same command runs again. It must succeed, and end bit for bit as the
run that nobody killed: weights, moments, logs, figures. After a kill of `--restart` the command that made the old
model is run on a copy, too: it must find the old model whole, or that the new run has taken its place. A finished
model that is to go on must be one that can be loaded after every kill. The launcher replaces functions of `os` in its
own process; seqweave knows nothing of it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from small_runs import (
    KILLED,
    STOPPED,
    differences,
    end_of,
    ended,
    forked,
    fresh_copy,
    load_libraries,
    seqweave,
    stop_at,
    train_words,
    write_pairs,
)

CALLS = ("fsync", "rename", "replace", "mkdir", "unlink", "remove", "rmdir", "truncate", "ftruncate")
OLD = {"training.seed": 5, "training.max_steps": 4}
MORE = {"training.max_steps": 13}
STARTS = ("new", "resume", "restart", "more")
OTHER_SETTINGS = "holds a run with other settings"


@dataclass
class Scenario:
    """A start that is killed: what lies there before, its command, and what the unbroken run ends with.

    Attributes:
        old: what the model ended with that the start replaces.
        loads: whether there is a model at every moment.
    """

    name: str
    begin: Path
    words: Callable[[Path], list[str]]
    expected: dict[str, str]
    old: dict[str, str] | None = None
    loads: bool = False
    counts: Counter[str] = field(default_factory=Counter)


def main() -> int:
    """Run what is asked for and print the figures; 1 when anything was lost, stuck or different."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="kill before every n-th call only")
    parser.add_argument("--random", type=int, default=100, help="kills at random moments, over all starts")
    parser.add_argument("--only", nargs="+", choices=STARTS, default=STARTS)
    parser.add_argument("--out", type=Path, help="an empty folder for the runs (default: a temporary one)")
    arguments = parser.parse_args()
    load_libraries()
    place = arguments.out or Path(tempfile.mkdtemp(prefix="kills-"))
    place.mkdir(parents=True, exist_ok=True)
    began, failed = time.monotonic(), False
    scenarios = [each for each in made(place) if each.name in arguments.only]
    for each in scenarios:
        failures = killed_at_calls(each, place, arguments.every)
        failures += killed_at_random(each, place, arguments.random // len(scenarios))
        failed = failed or bool(failures)
        print("".join(f"{failure}\n" for failure in failures), end="")
        print(each.name, dict(each.counts), f"{time.monotonic() - began:.0f} s", flush=True)
    total = sum((each.counts for each in scenarios), Counter[str]())
    print(f"kills {total['kills']}: stuck {total['stuck']}, old models lost {total['lost']}, ", end="")
    print(f"other ends {total['different']}")
    if arguments.out is None:
        shutil.rmtree(place, ignore_errors=True)
    return 1 if failed else 0


def made(place: Path) -> list[Scenario]:
    """The four starts; each begins with a folder of its own, in which the model is `m`."""
    log = place / "log"
    data = write_pairs(place / "pairs.tsv")
    empty, stopped, finished, whole = (place / name for name in ("empty", "stopped", "finished", "whole"))
    for folder in (empty, stopped, finished, whole):
        folder.mkdir()
    new = partial(train_words, data)
    assert seqweave(new(whole / "m"), log) == 0, log.read_text()
    assert seqweave(new(stopped / "m"), log, stop_at(5)) in (0, STOPPED), log.read_text()
    assert seqweave(train_words(data, finished / "m", OLD), log) == 0, log.read_text()
    expected, old = end_of(whole / "m"), end_of(finished / "m")
    more, longer = partial(train_words, data, changes=MORE), place / "longer"
    fresh_copy(whole, longer)
    assert seqweave(more(longer / "m"), log) == 0, log.read_text()
    return [
        Scenario("new", empty, new, expected),
        Scenario("resume", stopped, new, expected),
        Scenario("restart", finished, partial(train_words, data, restart=True), expected, old),
        Scenario("more", whole, more, end_of(longer / "m"), loads=True),
    ]


def killed_at_calls(scenario: Scenario, place: Path, every: int) -> list[str]:
    """Kill before every n-th call until a start gets through."""
    failures: list[str] = []
    number = 1
    while True:
        code = start(scenario, place, partial(kill_before, number))
        if code == 0:
            return failures
        if code != KILLED:
            return [*failures, f"{scenario.name}, call {number}: exit code {code}: {(place / 'log').read_text()}"]
        failures += judged(scenario, place, f"call {number}")
        number += every


def killed_at_random(scenario: Scenario, place: Path, kills: int) -> list[str]:
    """Kill after random times within those that the start takes."""
    began = time.monotonic()
    start(scenario, place, lambda: None)
    seconds, draw, failures = time.monotonic() - began, random.Random(scenario.name), []
    for number in range(kills):
        fresh_copy(scenario.begin, place / "work")
        process = forked(partial(_main, scenario.words(place / "work" / "m")), place / "log")
        time.sleep(draw.uniform(0, seconds))
        os.kill(process, signal.SIGKILL)
        ended(process)
        failures += judged(scenario, place, f"random {number}")
    return failures


def _main(words: list[str]) -> int:
    from seqweave.cli.main import main

    return main(words)


def start(scenario: Scenario, place: Path, before: Callable[[], None]) -> int:
    """Start anew what is to be killed."""
    fresh_copy(scenario.begin, place / "work")
    return seqweave(scenario.words(place / "work" / "m"), place / "log", before)


def kill_before(number: int) -> None:
    """Have this process kill itself before its n-th call that changes a disk."""
    calls = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


def judged(scenario: Scenario, place: Path, moment: str) -> list[str]:
    """What is wrong after a kill; the same command runs again."""
    scenario.counts["kills"] += 1
    folder, failures = place / "work" / "m", []
    if scenario.old is not None and (why := lost(scenario, place)):
        scenario.counts["lost"] += 1
        failures.append(f"{scenario.name}, {moment}: the old model is lost: {why}")
    if scenario.loads and seqweave(["info", str(folder)], place / "log") != 0:
        scenario.counts["lost"] += 1
        failures.append(f"{scenario.name}, {moment}: no model can be loaded: {(place / 'log').read_text()[-600:]}")
    code = seqweave(scenario.words(folder), place / "log")
    if code != 0:
        scenario.counts["stuck"] += 1
        return [*failures, f"{scenario.name}, {moment}: stuck: {(place / 'log').read_text()[-600:]}"]
    if names := differences(end_of(folder), scenario.expected):
        scenario.counts["different"] += 1
        failures.append(f"{scenario.name}, {moment}: ends otherwise in {', '.join(names)}")
    strange = {path.name for path in folder.parent.iterdir()} - {"m", ".m.lock"}
    if strange:
        scenario.counts["stuck"] += 1
        failures.append(f"{scenario.name}, {moment}: leaves {', '.join(sorted(strange))}")
    return failures


def lost(scenario: Scenario, place: Path) -> str | None:
    """Whether the old command finds neither the old model nor the new run in its place."""
    copy, log = place / "copy", place / "log"
    fresh_copy(place / "work", copy)
    words = scenario.words(copy / "m")
    code = seqweave(train_words(Path(words[1]), copy / "m", OLD), log)
    if code == 0 and not differences(end_of(copy / "m"), scenario.old or {}):
        return None
    said = log.read_text()
    return None if OTHER_SETTINGS in said else f"exit code {code}: {said[-600:]}"


if __name__ == "__main__":
    sys.exit(main())
