"""What the system refuses, in our words: no room, no permission, no descriptor, no memory.

The command line and the Python functions say the same of it. A file is named as the user knows it, never by the
temporary name under which it is written.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seqweave.errors import LimitError, ModelFolderError, SeqweaveError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_TOO_MANY = (errno.EMFILE, errno.ENFILE)
_NO_MEMORY = (
    "out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "unable to allocate",
    "failed to map segment", "can't start new thread",
)  # fmt: skip
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(\d+\.tmp|preparing)")
_WRITING = ".writing"  # what ends the name of a checkpoint that is not complete


def user_path(path: Path | str) -> Path:
    """The path that a file has for the user: without the marks of files and folders that are not yet complete."""
    parts = []
    for part in Path(path).parts:
        found = _TEMPORARY.fullmatch(part)
        parts.append(found["name"] if found else part.removesuffix(_WRITING))
    return Path(*parts)


def system_sentence(error: OSError, where: Path | str | None = None) -> str:
    """What the system refused, of which file, and what to do.

    Args:
        error: what it said.
        where: the file or folder to name where the error names none.
    """
    named = error.filename if isinstance(error.filename, str | Path) else where
    place = "" if named is None else f"{user_path(named)}: "
    return f"{place}{error.strerror or error}; {_remedy(error.errno)}"


@contextmanager
def refusals_of_system(where: Path) -> Iterator[None]:
    """An `OSError` inside becomes an error of ours that names the file, or else `where`.

    Raises:
        LimitError: the disk is full, or too many files are open.
        ModelFolderError: something else about a file, such as its permissions.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # of a listener: its own affair
    except OSError as error:
        kind = LimitError if error.errno in (*_FULL, *_TOO_MANY, errno.ENOMEM) else ModelFolderError
        raise kind(system_sentence(error, where)) from None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; torch and the loader of libraries have no class of their own for it."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | ImportError | OSError)
        and not isinstance(error, SeqweaveError)
        and any(text in str(error).lower() for text in _NO_MEMORY)
    )


def memory_sentence(error: BaseException, remedy: str) -> str:
    """That memory ran out, what was asked for, and what to do."""
    what = str(error).split("\n")[0].split(". ")[0].strip(" .") or "memory ran out"
    return f"the computation must fit into memory, but it does not ({what}): {remedy}"


def _remedy(number: int | None) -> str:
    if number in _FULL:
        return "make room, and run the same command again"
    if number in _FORBIDDEN:
        return "check its permissions, or choose another place"
    if number in _TOO_MANY:
        return "allow more open files, as with `ulimit -n 1024`"
    return "check the path, its permissions and the free space"
