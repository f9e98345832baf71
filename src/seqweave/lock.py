"""One process a folder at a time: a lock of the operating system on a small file beside the folder.

`.NAME.lock` lies beside the folder NAME, because `--restart` puts another folder in its place. The lock is `flock`
(`msvcrt.locking` on Windows), which ends with the process that holds it, however that ends; what the file holds, the
number of that process and what it does, is for people alone. So a file that a kill or an older version left holds
nothing. The file of a training stays when that ends; where no folder was made, and after a split, which nobody goes on
with, it goes while it is still held, and whoever has opened it meanwhile looks again.

What this leaves out: a disk that knows no locks, and a place where no file can be written beside the folder.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seqweave.errors import ModelFolderError

_SECONDS_TO_WRITE = 0.2  # between locking the file and its content
_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # or a link would have us write elsewhere

if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # a byte behind the content, which others may read then

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def only_one(folder: Path, doing: str, stays: bool) -> Iterator[None]:
    """Hold the lock of a folder; parents that are made for it go again when they stay empty.

    Args:
        folder: where.
        doing: what for: `training` or `split`.
        stays: whether the file of the lock stays beside the folder.

    Raises:
        ModelFolderError: when another process holds it.
        OSError: when a parent of the folder cannot be made.
    """
    made = _make_parents(folder.parent)
    lock = folder.with_name(f".{folder.name}.lock")
    descriptor = None
    try:
        descriptor = _take(lock, folder, doing)
        yield
    finally:
        if descriptor is not None:
            _release(descriptor, lock, stays and folder.exists())
        with suppress(OSError):  # the first that is not empty ends it
            for parent in reversed(made):
                parent.rmdir()


def _make_parents(folder: Path) -> list[Path]:
    """Make a folder with its parents; gives those that were not there, the highest first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _take(lock: Path, folder: Path, doing: str) -> int | None:
    """Lock the file and write who has it; None where there can be no lock."""
    while (descriptor := _open(lock)) is not None:
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _HELD:
                raise _refusal(lock, folder, doing) from None
            return None
        if _is_of(descriptor, lock):
            _write(descriptor, f"{os.getpid()} {doing}\n")
            return descriptor
        os.close(descriptor)  # its holder has removed it meanwhile
    return None


def _open(lock: Path) -> int | None:
    """The file, made where it is not there; None where none can be written."""
    try:
        return os.open(lock, os.O_CREAT | os.O_RDWR | _NO_LINK, 0o644)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
    try:
        return os.open(lock, os.O_RDONLY | _NO_LINK)  # somebody else's can be locked all the same
    except OSError:
        return None


def _release(descriptor: int, lock: Path, stays: bool) -> None:
    """Let go of the file, and remove it while it is still held where it is not to stay."""
    _write(descriptor, "")
    if not stays:
        with suppress(OSError):  # Windows removes no open file
            lock.unlink()
    os.close(descriptor)


def _is_of(descriptor: int, lock: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), lock.stat())
    except OSError:
        return False


def _write(descriptor: int, content: str) -> None:
    """Replace the content of the file, as far as the disk has room."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, content.encode("ascii"))


def _refusal(lock: Path, folder: Path, doing: str) -> ModelFolderError:
    process, found = _holder(lock) or ("unknown", doing)
    return ModelFolderError(
        f"another {found} (process {process}) is running in {folder}: wait for it or choose another -o"
    )


def _holder(lock: Path) -> tuple[str, str] | None:
    """The process that holds the lock and what it does, as the file says; None where it does not say so in time."""
    for _ in range(2):
        with suppress(OSError, ValueError):
            process, *doing = lock.read_text(encoding="ascii").split()
            if _lives(int(process)):
                return process, "split" if doing == ["split"] else "training"
        time.sleep(_SECONDS_TO_WRITE)  # not written yet: empty, or what a kill left
    return None


def _lives(process: int) -> bool:
    if os.name == "nt":  # there, asking would end it
        return True
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except PermissionError:
        return True  # somebody else's
    except (OSError, OverflowError):
        return False
    return True
