"""Damage every file of an interrupted run, in many ways, and resume it.

    python bench/reliability/interrupted.py [--changes 2000] [--seed 1]

A run is stopped in the middle. A change flips a bit, cuts a file short, writes zeros over a part, adds bytes, gives it
the content of another file of the folder, or removes it; each file is hit in turn. Then the same command runs. It may
refuse in one sentence, or go on; whenever it ends otherwise than the run that nobody touched, it must have said so,
and weights and figures of the model may never differ. `quietly` counts ends that differ without a word, `tracebacks`
what is no sentence. POSIX only.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from small_runs import (
    STOPPED,
    differences,
    end_of,
    fresh_copy,
    load_libraries,
    seqweave,
    stop_at,
    train_words,
    write_pairs,
)

MODEL = {"config.json", "model.safetensors", "optimizer.safetensors", "best", "state", "facts", "metrics.json"}
WRONG = 2


def flip(content: bytes, draw: random.Random) -> bytes:
    """One bit is another."""
    changed = bytearray(content)
    changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def cut(content: bytes, draw: random.Random) -> bytes:
    """The end is gone."""
    return content[: draw.randrange(len(content))]


def zeros(content: bytes, draw: random.Random) -> bytes:
    """Zeros to the end, as after a power cut."""
    begin = draw.randrange(len(content))
    return content[:begin] + bytes(len(content) - begin)


def add(content: bytes, draw: random.Random) -> bytes:
    """Something more at the end."""
    return content + draw.choice([b"\0", b"{", b"\n", b"\xff\xfe", content[:50]])


CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, flip, flip, cut, zeros, add)
KINDS = (*(change.__name__ for change in CHANGES), "swap", "remove")


def main() -> int:
    """Make the changes and print the figures; 1 when anything ended otherwise without a word."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    load_libraries()
    place = Path(tempfile.mkdtemp(prefix="interrupted-"))
    data, log = write_pairs(place / "pairs.tsv"), place / "log"
    assert seqweave(train_words(data, place / "whole" / "m"), log) == 0, log.read_text()
    assert seqweave(train_words(data, place / "begin" / "m"), log, stop_at(7)) in (0, STOPPED), log.read_text()
    expected = end_of(place / "whole" / "m")
    draw, counts, failures = random.Random(arguments.seed), Counter[str](), list[str]()
    begin = place / "begin" / "m"
    names = sorted(path.relative_to(begin) for path in begin.rglob("*") if path.is_file())
    for number in range(arguments.changes):
        fresh_copy(place / "begin", place / "work")
        what = change(place / "work" / "m", names[number % len(names)], names, draw)
        code = seqweave(train_words(data, place / "work" / "m"), log)
        kind, why = judged(code, log.read_text(), place / "work" / "m", expected)
        counts[kind] += 1
        if kind in ("quietly", "tracebacks"):
            failures.append(f"{what}: {why}")
            print(failures[-1], flush=True)
    print(f"{arguments.changes} changes: ", ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())))
    shutil.rmtree(place, ignore_errors=True)
    return 1 if failures else 0


def change(folder: Path, name: Path, names: list[Path], draw: random.Random) -> str:
    """Do one change to a file; says which."""
    path, kind = folder / name, draw.choice(KINDS)
    if kind == "remove":
        path.unlink()
    elif kind == "swap":
        other = folder / draw.choice([each for each in names if each != name])
        mine, theirs = path.read_bytes(), other.read_bytes()
        path.write_bytes(theirs)
        other.write_bytes(mine)
        kind += f" with {other.relative_to(folder)}"
    else:
        content = path.read_bytes()
        path.write_bytes(next(each for each in CHANGES if each.__name__ == kind)(content or b"\0", draw))
    return f"{name}: {kind}"


def judged(code: int, said: str, folder: Path, expected: dict[str, str]) -> tuple[str, str]:
    """How it ended, and what there is to say about it."""
    if code == WRONG and "error: " in said and "Traceback" not in said:
        return "refused", said
    if code != 0:
        return "tracebacks", said[-800:]
    warned = "warning: " in said
    other = differences(end_of(folder), expected)
    if other and (not warned or MODEL & set(other)):
        return "quietly", f"ends otherwise in {', '.join(other)}{' though it warns' if warned else ''}"
    return ("mended and said" if warned else "equal, nothing to say"), ""


if __name__ == "__main__":
    sys.exit(main())
