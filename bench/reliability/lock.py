"""Race for the lock of a folder: four processes at once, with and without what earlier holders left.

    python bench/reliability/lock.py [--races 1000] [--starters 4]

In every race all starters wait for one signal, then each takes the lock as soon as it gets it, up to a few times, and
lets go or kills itself (SIGKILL) with it held. Before a race there is no lock file, an empty one, or one that names a
process that is gone, one that lives, or nonsense; and the folder is there or not, on which it depends whether the file
is removed. Whoever holds the lock makes a file that must not be there: a double hold is seen there. POSIX only.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from seqweave import lock
from seqweave.errors import ModelFolderError

LEFT = (None, "", "999999999\n", f"{os.getpid()} 0\n", "1 5\n", "nonsense")
HELD, REFUSED, DOUBLE = 0, 3, 4
TRIES = 3


def main() -> int:
    """Run the races and print the figures; 1 when two held a lock at once, or nobody ever did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=1000)
    parser.add_argument("--starters", type=int, default=4)
    arguments = parser.parse_args()
    lock._SECONDS_TO_WRITE = 0.001  # a refused starter tries again at once
    draw = random.Random(1)
    doubles = nobody = holds = 0
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(arguments.races):
            codes = race(Path(scratch) / str(number), number, arguments.starters, draw)
            doubles += DOUBLE in codes
            held = sum(code in (HELD, -signal.SIGKILL) for code in codes)
            holds += held
            nobody += held == 0
    print(f"{arguments.races} races of {arguments.starters} starters: {holds} starters held the lock, ", end="")
    print(f"double holds {doubles}, races that nobody won {nobody}")
    return 1 if doubles or nobody else 0


def race(place: Path, number: int, starters: int, draw: random.Random) -> list[int]:
    """One race; gives the exit codes."""
    place.mkdir()
    folder = place / "m"
    left = LEFT[number % len(LEFT)]
    if left is not None:
        (place / ".m.lock").write_text(left)
    if number % 2:
        folder.mkdir()
    ready, go = os.pipe()
    processes = [start(folder, ready, go, draw.random()) for _ in range(starters)]
    os.close(ready)
    os.close(go)  # all of them read the end of the pipe at once
    return [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]


def start(folder: Path, ready: int, go: int, seed: float) -> int:
    """Start one of them; gives the number of its process."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.close(go)
        os.read(ready, 1)
        code = max(hold(folder, random.Random(seed + each)) for each in range(TRIES))
    finally:
        os._exit(code)


def hold(folder: Path, draw: random.Random) -> int:
    """Take the lock, be alone with it, and let it go."""
    inside = folder.with_name("inside")
    for _ in range(200):
        with suppress(ModelFolderError), lock.only_one(folder, "training", stays=True):
            try:
                descriptor = os.open(inside, os.O_CREAT | os.O_EXCL)
            except FileExistsError:
                return DOUBLE
            time.sleep(draw.uniform(0, 0.001))
            os.close(descriptor)
            inside.unlink()
            if draw.random() < 0.1:
                os.kill(os.getpid(), signal.SIGKILL)
            return HELD
        time.sleep(draw.uniform(0, 0.001))
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
