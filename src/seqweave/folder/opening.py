"""Files of a folder that a stranger may have made: opened with care, read within bounds.

A name in a folder may be a link that leads out of it, a pipe that never answers, a file of gigabytes, or JSON in so
many brackets that whoever walks through it falls over.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from seqweave.errors import ModelFolderError
from seqweave.wording import RESTORE, RESTORE_OR_TRAIN

MOST_JSON = 1 << 20
"""Bytes of the largest file that is read whole."""
MOST_ROWS = 1 << 30
"""Bytes of the largest log of a run."""
DEEPEST = 64
"""Brackets inside each other in a JSON file; ours have fewer than ten."""


class OddFileError(Exception):
    """Why a file of a folder is not opened: `it lies outside of it`."""


def open_file(path: Path, folder: Path | None = None) -> BinaryIO:
    """Open a file of a folder (default: the one it lies in) for reading; nothing waits, nothing outside is read.

    Raises:
        OddFileError: when it is no file, or a link that leads out of the folder.
        OSError: when it is missing or cannot be read.
    """
    folder = path.parent if folder is None else folder
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (ValueError, RuntimeError, OSError):  # a NUL or half a surrogate pair; a loop of links; a name too long
        raise OddFileError("is no name of a file that can be read") from None
    if not inside:
        raise OddFileError("lies outside of it")
    if path.is_dir():
        raise OddFileError("is not a file")
    # Without O_NONBLOCK, opening a pipe waits for somebody who writes into it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OddFileError("is not a file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_file(path: Path, most: int = MOST_JSON) -> bytes:
    """What a file of a folder holds.

    Raises:
        ModelFolderError: when it is missing, unreadable, no file, outside of the folder, or has more bytes than `most`.
    """
    try:
        with open_file(path) as file:
            return read_within(file, path, most)
    except OSError as error:
        raise ModelFolderError(f"cannot read {path} ({error.strerror}): {RESTORE_OR_TRAIN}") from None
    except OddFileError as odd:
        raise ModelFolderError(f"{path} must be a file of its folder, but it {odd}: {RESTORE_OR_TRAIN}") from None


def read_within(file: BinaryIO, path: Path, most: int) -> bytes:
    """What an opened file holds from here on.

    Raises:
        ModelFolderError: when it has more bytes than `most`.
    """
    content = file.read(most + 1)
    if len(content) > most:
        raise ModelFolderError(f"{path} must have at most {most:,} bytes, but it has more: {RESTORE_OR_TRAIN}")
    return content


def text_of(content: bytes, path: Path) -> str:
    """The text of a file.

    Raises:
        ModelFolderError: when it is not UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ModelFolderError(f"{path} must be UTF-8, but it is not: {RESTORE_OR_TRAIN}") from None


def json_of(content: bytes, path: Path) -> Any:
    """The JSON of a file.

    Raises:
        ModelFolderError: when it is not JSON, not UTF-8, or nested too deep.
    """
    try:
        value = json.loads(text_of(content, path))
    except (ValueError, RecursionError) as error:
        raise ModelFolderError(f"{path} must be JSON, but it is not ({error}): {RESTORE_OR_TRAIN}") from None
    if _is_deep(value):
        raise ModelFolderError(
            f"{path} must be JSON of at most {DEEPEST} brackets inside each other, but it has more: {RESTORE_OR_TRAIN}"
        )
    return value


def read_json(path: Path) -> Any:
    """A JSON file of a model folder.

    Raises:
        ModelFolderError: when it is missing, unreadable or not JSON.
    """
    return json_of(read_file(path), path)


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file of a model folder that holds an object.

    Raises:
        ModelFolderError: as `read_json`, and when it holds something else.
    """
    return object_of(read_file(path), path)


def object_of(content: bytes, path: Path) -> dict[str, Any]:
    """The JSON object of a file.

    Raises:
        ModelFolderError: as `json_of`, and when it is something else.
    """
    value = json_of(content, path)
    if not isinstance(value, dict):
        raise ModelFolderError(f"{path} must hold a JSON object, but it does not: {RESTORE_OR_TRAIN}")
    return value


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a log, one on each line; a last line that was cut short is left out, and none without a file.

    Raises:
        ModelFolderError: when the log cannot be read, or another line is no JSON object.
    """
    if not path.exists() and not path.is_symlink():
        return []
    lines = [line for line in read_file(path, MOST_ROWS).split(b"\n") if line]
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and not _is_deep(row):
            rows.append(row)
        elif number < len(lines):
            raise ModelFolderError(
                f"{path} must hold a JSON object on every line, but line {number} is not one: {RESTORE}"
            )
    return rows


def _is_deep(value: Any) -> bool:
    """Whether a value of JSON has more than `DEEPEST` levels; counted level by level, so that no depth hurts."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            part
            for one in level
            if isinstance(one, dict | list)
            for part in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True
