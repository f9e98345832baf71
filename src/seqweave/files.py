"""Files written whole or not at all, and their sums: what ids of a corpus, checkpoints and model folders share."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

_HASH_BLOCK = 1 << 20  # bytes


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: under another name, flushed to the disk, then renamed.

    Raises:
        OSError: when the disk refuses; an older file of that name is untouched.
    """
    _replace(path, lambda file: file.write(content))


def copy_atomic(path: Path, copy: Path) -> None:
    """Copy a file, whole or not at all, as `write_atomic` writes one; its bytes are never all in memory.

    Raises:
        OSError: when it cannot be read, or the disk refuses.
    """
    with path.open("rb") as content:
        _replace(copy, lambda file: shutil.copyfileobj(content, file))


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # a write names no file, and others the temporary one
        raise
    sync_folder(path.parent)


def fingerprint(path: Path) -> dict[str, Any]:
    """SHA-256 and size of a file (`sha256`, `bytes`), read in blocks.

    Raises:
        OSError: when it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK):
            digest.update(block)
            size += len(block)
    return {"sha256": digest.hexdigest(), "bytes": size}


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
