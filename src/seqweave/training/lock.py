"""One training a folder at a time: a small file beside it that says which process trains.

`.NAME.lock` beside the folder NAME, because `--restart` renames the folder itself. It holds the
number of the process and when that began, so a file left by a kill is known by its process being
gone, even where the number was given out again. Where no file can be written beside the folder,
and on Windows, there is no lock. What this leaves out: other machines that share the disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seqweave.errors import ModelFolderError

_SECONDS_TO_WRITE = 0.2  # between making the file and its content


@contextmanager
def only_training(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; parents that are made for it go again when they stay empty.

    Raises:
        ModelFolderError: when another process that is alive holds it.
        OSError: when a parent of the folder cannot be made.
    """
    made = _make_parents(folder.parent)
    lock = folder.with_name(f".{folder.name}.lock")
    held = False
    try:
        held = _take(lock, folder)
        yield
    finally:
        if held:
            lock.unlink(missing_ok=True)
        with suppress(OSError):  # the first that is not empty ends it
            for parent in reversed(made):
                parent.rmdir()


def _make_parents(folder: Path) -> list[Path]:
    """Make a folder with its parents; gives those that were not there, the highest first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _take(lock: Path, folder: Path) -> bool:
    """Make the lock file; False where none can be written."""
    if os.name == "nt":  # there, asking whether a process lives would end it
        return False
    try:
        if _create(lock):
            return True
        holder = _holder(lock)
        if holder is None:  # of a process that is gone
            lock.unlink(missing_ok=True)
            if _create(lock):
                return True
            holder = _holder(lock)
    except OSError:
        return False
    raise ModelFolderError(
        f"another training (process {holder or 'unknown'}) is running in {folder}: wait for it or choose another -o"
    )


def _create(lock: Path) -> bool:
    """Whether this process has made the file."""
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{os.getpid()} {_began(os.getpid())}\n")
    return True


def _holder(lock: Path) -> int | None:
    """The process that holds the lock, or None when it is gone."""
    for _ in range(2):
        try:
            number, _, began = lock.read_text(encoding="ascii").strip().partition(" ")
            return int(number) if _is_running(int(number), began) else None
        except FileNotFoundError:
            return None
        except (ValueError, OverflowError):  # not written yet, or by nobody
            time.sleep(_SECONDS_TO_WRITE)
    return None


def _is_running(process: int, began: str) -> bool:
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return _began(process) == began


def _began(process: int) -> str:
    """When a process began, in a unit of the system's own; empty where the system does not say."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    state, *more = text.rpartition(")")[2].split()
    return "" if state == "Z" else more[18]  # field 22 of proc(5); Z: ended, and nobody has noticed
