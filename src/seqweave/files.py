"""Files written whole or not at all: what the ids of a corpus, checkpoints and model folders share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: under another name, flushed to the disk, then renamed.

    Raises:
        OSError: when the disk refuses; an older file of that name is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # a write names no file, and others the temporary one
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, without which a rename may be lost with the power."""
    if os.name == "nt":  # cannot be asked for there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_temporary(folder: Path) -> None:
    """Remove what killed processes left in a folder: temporary files of `write_atomic`, temporary folders of ids."""
    for path in folder.glob(".*.tmp"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
