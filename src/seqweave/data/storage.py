"""The files of a dataset folder: written as a stream with their sums, complete or absent, checked when read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from seqweave.errors import DataError
from seqweave.files import fingerprint, sync_folder, write_atomic

SIDES = ("source", "target")
META_NAME = "meta.json"
FORMAT_VERSION = 2
_KINDS = {"uint16": "<u2", "uint32": "<u4", "int32": "<i4", "int64": "<i8"}


@dataclass(frozen=True)
class Part:
    """One array of a dataset: file `<name>.bin` with `count` little-endian numbers of a kind.

    `sha256` is that of the file; empty where an earlier version wrote none.
    """

    name: str
    kind: str
    count: int
    sha256: str = ""

    @property
    def file_name(self) -> str:
        """The name of its file in the folder."""
        return f"{self.name}.bin"

    @property
    def size_bytes(self) -> int:
        """How large its file must be."""
        return self.count * np.dtype(_KINDS[self.kind]).itemsize

    def mapped(self, folder: Path) -> NDArray[Any]:
        """The array, mapped read-only; an empty one is in memory, for no file of 0 bytes can be mapped."""
        if self.count == 0:
            return np.zeros(0, dtype=_KINDS[self.kind])
        # A plain array view: slices of np.memmap itself are several times slower to make.
        return np.memmap(folder / self.file_name, dtype=_KINDS[self.kind], mode="r").view(np.ndarray)


class SideWriter:
    """Appends the ids, lengths and offsets of one side to its three files, and what ids stand for to a fourth.

    Args:
        folder: where the files are made.
        side: the first part of their names.
        size: how many ids there can be.
        copies: how many numbers what an id stands for can be; None: no fourth file.
    """

    def __init__(self, folder: Path, side: str, size: int, copies: int | None = None):
        self.side = side
        self.kind = _kind(size)
        self.copies_kind = None if copies is None else _kind(copies)
        self.texts = 0
        self.items = 0
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._sums = {part.name: hashlib.sha256() for part in self.parts()}
        self._stack = ExitStack()

    def __enter__(self) -> SideWriter:
        for part in self.parts():
            self._files[part.name] = self._stack.enter_context((self._folder / part.file_name).open("wb"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                for file in self._files.values():
                    file.flush()
                    os.fsync(file.fileno())

    def append(
        self, ids: NDArray[np.int64], lengths: NDArray[np.int64], copies: NDArray[np.int64] | None = None
    ) -> None:
        """Add texts, given as their ids one after the other, the length of each, and what the ids stand for."""
        offsets = self.items + np.cumsum(lengths) - lengths
        arrays = (ids, lengths, offsets) if copies is None else (ids, lengths, offsets, copies)
        for part, array in zip(self.parts(), arrays, strict=True):
            content = array.astype(_KINDS[part.kind]).tobytes()
            self._files[part.name].write(content)
            self._sums[part.name].update(content)
        self.texts += len(lengths)
        self.items += len(ids)

    def parts(self) -> list[Part]:
        """The arrays of this side, as long as they are now."""
        made = [
            Part(self.side, self.kind, self.items),
            Part(f"{self.side}_lengths", "int32", self.texts),
            Part(f"{self.side}_offsets", "int64", self.texts),
        ]
        if self.copies_kind is not None:
            made.append(Part(f"{self.side}_copies", self.copies_kind, self.items))
        return made

    def entries(self) -> dict[str, dict[str, Any]]:
        """What `meta.json` says of each array."""
        return {
            part.name: {"kind": part.kind, "count": part.count, "sha256": self._sums[part.name].hexdigest()}
            for part in self.parts()
        }


@dataclass(frozen=True)
class Meta:
    """What a dataset folder holds: its arrays by name, and how many of its pairs, the last ones, are mixed in."""

    parts: dict[str, Part]
    mixed: int


def write_meta(folder: Path, *writers: SideWriter, mixed: int = 0) -> None:
    """Write `meta.json`: the format, the pairs, those mixed in if any, and each array's kind, count and sum."""
    arrays = {name: entry for writer in writers for name, entry in writer.entries().items()}
    pairs = {"pairs": writers[0].texts, **({"mixed": mixed} if mixed else {})}
    meta = {"format": FORMAT_VERSION, **pairs, "arrays": arrays}
    write_atomic(folder / META_NAME, (json.dumps(meta, indent=2) + "\n").encode())


def read_meta(folder: Path) -> Meta:
    """What a dataset folder holds, after checking that every file is there and whole.

    Raises:
        DataError: naming the first file which is missing or has the wrong size.
    """
    path = folder / META_NAME
    try:
        meta = json.loads(path.read_bytes())
        if meta["format"] != FORMAT_VERSION:
            raise DataError(f"must have format {FORMAT_VERSION}, but it is {meta['format']}; {_REMEDY}", path)
        parts = {
            name: Part(name, entry["kind"], int(entry["count"]), str(entry.get("sha256", "")))
            for name, entry in meta["arrays"].items()
        }
        counts = {parts[f"{side}_{what}"].count for side in SIDES for what in ("lengths", "offsets")}
        copies = parts.get("source_copies", parts["source"]).count
        sizes = {part.file_name: part.size_bytes for part in parts.values()}
        mixed = int(meta.get("mixed", 0))
    except OSError as error:
        raise DataError(
            f"is part of a tokenised dataset, but cannot be read ({error.strerror}); {_REMEDY}", path
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"must describe a tokenised dataset, but it is damaged; {_REMEDY}", path) from None
    if len(counts) != 1 or copies != parts["source"].count or not 0 <= mixed <= min(counts):
        raise DataError(f"must describe a tokenised dataset, but its counts do not agree; {_REMEDY}", path)
    for name, size in sizes.items():
        found = (folder / name).stat().st_size if (folder / name).is_file() else None
        if found != size:
            what = "there is no such file" if found is None else f"it has {found}"
            raise DataError(f"must have {size} bytes, but {what}; {_REMEDY}", folder / name)
    return Meta(parts, mixed)


def check_sums(folder: Path, parts: Iterable[Part]) -> None:
    """Read every file once, and compare it with the sum that was written when it was made.

    Raises:
        DataError: naming the first file that was changed, has no sum, or cannot be read.
    """
    for part in parts:
        path = folder / part.file_name
        try:
            changed = fingerprint(path)["sha256"] != part.sha256
        except OSError as error:
            raise DataError(f"cannot be read ({error.strerror}); {_REMEDY}", path) from None
        if changed:
            why = "was changed" if part.sha256 else "has no sum to compare it with"
            raise DataError(f"must be as it was written, but it {why}; {_REMEDY}", path)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` which takes its place when the block ends without error.

    Raises:
        DataError: when something that is no dataset is in the way, or the disk refuses or is full.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        _check_replaceable(folder)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        message = f"cannot write the tokenised data ({error.strerror or error}); free or choose another place"
        raise DataError(message, folder) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


_REMEDY = "remove the folder, and it is made again from the pairs"


def _kind(size: int) -> str:
    """The narrowest kind of number that has room for `size` ids."""
    return "uint16" if size < 65_536 else "uint32" if size < 2**32 else "int64"


def _check_replaceable(folder: Path) -> None:
    if folder.exists() and not (folder / META_NAME).is_file() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DataError("must be free for tokenised data, but it holds something else; choose another folder", folder)
