"""`events.jsonl` and `samples.jsonl`: lines that are only ever added, summed up at every checkpoint.

A checkpoint holds, of each log, how many bytes it had then and their SHA-256. A run that goes on from there cuts the
log back to that place: the steps behind it are done again, and say the same again. What a kill or a full disk left of a
line at the end goes with it. A log that is shorter than it was is cut back to its last whole line. One that holds
something else, or lines that are no records, is refused, because nothing tells which of its figures are right.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqweave.errors import ModelFolderError
from seqweave.files import fingerprint, write_atomic
from seqweave.wording import TRAIN_ANEW

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK = 1 << 20  # bytes


@dataclass
class Log:
    """A log that is being written: its bytes so far, and their sum."""

    path: Path
    size: int = 0
    digest: _Hash = field(default_factory=hashlib.sha256)

    @classmethod
    def of(cls, path: Path) -> Log:
        """Go on with the file of that name, or begin it."""
        if not path.is_file():
            return cls(path)
        return cls(path, path.stat().st_size, _digest(path, path.stat().st_size))

    def add(self, line: str) -> None:
        """Add a line.

        Raises:
            OSError: when the disk refuses; then the next start cuts off what was written of it.
        """
        content = line.encode() + b"\n"
        with self.path.open("ab") as file:
            file.write(content)
        self.size += len(content)
        self.digest.update(content)

    def sums(self) -> dict[str, Any]:
        """Flush the file to the disk; its size and its sum."""
        if self.path.is_file():
            with self.path.open("ab") as file:
                os.fsync(file.fileno())
        return {"bytes": self.size, "sha256": self.digest.hexdigest()}


def cut_log(path: Path, sums: dict[str, Any]) -> list[str]:
    """Cut a log back to what it was at a checkpoint; gives what there is to say about it.

    Raises:
        ModelFolderError: when it is another.
    """
    size = int(sums["bytes"])
    if not path.is_file():
        return [f"{path} is gone, and with it the record of the steps so far"] if size else []
    there = path.stat().st_size
    said = _said_of_the_end(path)
    whole = _whole_lines(path)
    if not _holds_records(path, whole) if there < size else _digest(path, size).hexdigest() != sums["sha256"]:
        raise ModelFolderError(
            f"{path} was changed since the last checkpoint, so its figures cannot be believed: restore it from a copy, "
            f"remove it to go on without a record of the steps so far, or {TRAIN_ANEW}"
        )
    os.truncate(path, min(size, whole))
    if there < size:
        return said or [f"{path} has lost its last lines: it has {whole:,} of {size:,} bytes"]
    return said


def cut_log_by_steps(path: Path, step: int) -> list[str]:
    """Keep the lines of steps that are done, in a log that has no sum; gives what there is to say about it."""
    if not path.is_file():
        return []
    said = _said_of_the_end(path)
    lines = path.read_bytes()[: _whole_lines(path)].split(b"\n")
    kept = b"".join(line + b"\n" for line in lines if _stays(line, step))
    if fingerprint(path)["sha256"] != hashlib.sha256(kept).hexdigest():
        write_atomic(path, kept)
    return said


def _said_of_the_end(path: Path) -> list[str]:
    if _whole_lines(path) == path.stat().st_size:
        return []
    return [f"{path} ended inside a line: it is cut back to its last whole line"]


def _whole_lines(path: Path) -> int:
    """The bytes up to the last end of a line."""
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        while at:
            begin = max(0, at - _BLOCK)
            file.seek(begin)
            found = file.read(at - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            at = begin
    return 0


def _holds_records(path: Path, size: int) -> bool:
    """Whether each of the lines in the first bytes of a file is a record of a step."""
    with path.open("rb") as file:
        while file.tell() < size:
            if _record(file.readline()) is None:
                return False
    return True


def _digest(path: Path, size: int) -> _Hash:
    """The sum of the first bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size and (block := file.read(min(size, _BLOCK))):
            digest.update(block)
            size -= len(block)
    return digest


def _stays(line: bytes, step: int) -> bool:
    """Whether a line of a record is of a step that is done."""
    values = _record(line)
    return values is not None and values["step"] <= step and "averaged" not in values


def _record(line: bytes) -> dict[str, Any] | None:
    """What a line records of a step, or None where it is no record."""
    try:
        values = json.loads(line)
        return {**values, "step": int(values["step"])}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
