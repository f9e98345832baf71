"""The weights of a folder: written as safetensors, and read with their header checked before anything is built.

The format: the header's length in 8 bytes, the header as JSON (names, types, shapes, places), the numbers.
`safetensors` writes it. Reading needs the header without torch, and the numbers of a file that may be replaced at any
moment, both from one opened file; so the few lines of reading are our own.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from seqweave.config.formats import tensor_name
from seqweave.errors import ModelFolderError
from seqweave.files import write_atomic
from seqweave.folder.names import CONFIG
from seqweave.folder.opening import OddFileError, open_file
from seqweave.folder.shapes import Shape
from seqweave.wording import RESTORE_OR_TRAIN

if TYPE_CHECKING:
    from torch import Tensor, nn

_MOST_HEADER = 16 << 20  # bytes; a network of 128 layers has 300 KB
_LENGTH = 8  # bytes of the header's length
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32"}


class _OddHeaderError(Exception):
    """What is wrong with a header."""


@dataclass(frozen=True)
class Entry:
    """A tensor in a file: its type as torch calls it, its shape, and where its numbers begin."""

    type: str
    shape: Shape
    start: int


@dataclass(frozen=True)
class Weights:
    """An opened file of weights, which stays what it was when another file takes its name.

    Attributes:
        path: its name, for errors.
        entries: its tensors, by their names of today.
    """

    path: Path
    entries: Mapping[str, Entry]
    _content: mmap.mmap

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the file."""
        return hashlib.sha256(self._content).hexdigest()

    @property
    def count(self) -> int:
        """Numbers in all."""
        return sum(math.prod(entry.shape) for entry in self.entries.values())

    def check(self, wanted: Mapping[str, tuple[Shape, str]]) -> None:
        """Compare the header with the names, shapes and types of a network's tensors.

        Raises:
            ModelFolderError: naming what is missing, unexpected, or of another shape or type.
        """
        entries = self.entries
        problems = [f"{name} is missing" for name in wanted if name not in entries]
        problems += [f"{_shown(name)} is unexpected" for name in entries if name not in wanted]
        problems += [
            f"{name} must have shape {shape}, but it has {entries[name].shape}"
            for name, (shape, _) in wanted.items()
            if name in entries and entries[name].shape != shape
        ]
        # Copying would round without a word.
        problems += [
            f"{name} must be {kind}, but it is {entries[name].type}"
            for name, (_, kind) in wanted.items()
            if name in entries and entries[name].type != kind
        ]
        if problems:
            raise ModelFolderError(
                f"the weights {self.path} do not fit the network of {CONFIG} and the tokenizers: {some(problems)}; "
                f"{RESTORE_OR_TRAIN}"
            )

    def as_file(self) -> memoryview | bytes:
        """The bytes of a file with these tensors by their names of today; not a copy where this file has them."""
        length = int.from_bytes(self._content[:_LENGTH], "little")
        first = _LENGTH + length
        header = json.loads(self._content[_LENGTH:first])
        header.pop("__metadata__", None)
        if header.keys() == self.entries.keys():
            return memoryview(self._content)
        renamed = json.dumps({tensor_name(name): facts for name, facts in header.items()}).encode()
        return len(renamed).to_bytes(_LENGTH, "little") + renamed + self._content[first:]

    def into(self, module: nn.Module) -> None:
        """Copy the tensors into a module; names, shapes and types must be the same on both sides.

        Raises:
            ModelFolderError: when they are not.
        """
        own = module.state_dict()
        self.check({name: (tuple(part.shape), str(part.dtype).removeprefix("torch.")) for name, part in own.items()})
        module.load_state_dict(self.tensors(), strict=True)

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name, without a copy of their numbers."""
        import torch

        tensors = {}
        for name, entry in self.entries.items():
            count, kind = math.prod(entry.shape), getattr(torch, entry.type)
            flat = torch.empty(0, dtype=kind)
            if count:
                flat = torch.frombuffer(self._content, dtype=kind, count=count, offset=entry.start)
            tensors[name] = flat.reshape(entry.shape)
        return tensors


def weights_bytes(weights: nn.Module | Mapping[str, Tensor]) -> bytes:
    """A module's parameters and buffers, or named tensors, as safetensors."""
    import safetensors.torch
    from torch import nn

    named = weights.state_dict() if isinstance(weights, nn.Module) else weights
    # Clones, because safetensors refuses tensors which share memory.
    return safetensors.torch.save({name: part.detach().cpu().contiguous().clone() for name, part in named.items()})


def save_weights(weights: nn.Module | Mapping[str, Tensor], path: Path) -> None:
    """Write a module's parameters and buffers, or named tensors, as safetensors, atomically.

    Raises:
        OSError: when the disk refuses.
    """
    write_atomic(path, weights_bytes(weights))


def load_weights(module: nn.Module, path: Path) -> None:
    """Read weights into a module; names, shapes and types must be the same on both sides.

    Raises:
        ModelFolderError: when the file is missing or damaged, or a tensor does not fit.
    """
    read_weights(path).into(module)


def read_weights(path: Path) -> Weights:
    """Open a file of weights and read its header.

    Raises:
        ModelFolderError: when it is missing or damaged.
    """
    try:
        with open_file(path) as file:
            return weights_of(file, path)
    except OSError as error:
        raise ModelFolderError(f"cannot read the weights {path} ({error.strerror}): {RESTORE_OR_TRAIN}") from None
    except OddFileError as odd:
        raise ModelFolderError(f"cannot read the weights {path} (it {odd}): {RESTORE_OR_TRAIN}") from None


def weights_of(file: BinaryIO, path: Path) -> Weights:
    """The weights in an opened file, which may be closed afterwards.

    Raises:
        ModelFolderError: when the header is damaged.
        OSError: when the file cannot be read.
    """
    try:
        file.seek(0)
        length = int.from_bytes(file.read(_LENGTH), "little")
        size = file.seek(0, 2)
        if not 2 <= length <= min(_MOST_HEADER, size - _LENGTH):
            raise _OddHeaderError(f"a header of {length:,} bytes in a file of {size:,}")
        file.seek(_LENGTH)
        entries = _entries(file.read(length), _LENGTH + length, size)
    except _OddHeaderError as odd:
        raise ModelFolderError(f"cannot read the weights {path} ({odd}): {RESTORE_OR_TRAIN}") from None
    # A private view: torch wants one that could be written to, and nothing of it reaches the file.
    return Weights(path, entries, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))


def _entries(header: bytes, first: int, size: int) -> dict[str, Entry]:
    """The tensors of a header whose numbers lie from `first` to `size`, without gaps."""
    try:
        tree = json.loads(header.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _OddHeaderError("its header is not JSON") from None
    if not isinstance(tree, dict):
        raise _OddHeaderError("its header is no JSON object")
    tree.pop("__metadata__", None)
    entries: dict[str, Entry] = {}
    places = []
    for name, given in tree.items():
        kind, shape, (start, end) = _described(given)
        if end - start != math.prod(shape) * _BYTES[kind]:
            raise _OddHeaderError(f"{_shown(name)} has not as many bytes as its shape needs")
        if tensor_name(name) in entries:
            raise _OddHeaderError(f"{_shown(name)} is there twice")
        entries[tensor_name(name)] = Entry(_TYPES.get(kind, kind), shape, first + start)
        places.append((start, end))
    places.sort()
    ends = [0, *(end for _, end in places)]
    if [start for start, _ in places] != ends[:-1] or ends[-1] != size - first:
        raise _OddHeaderError("its tensors do not fill the file")
    return entries


def _described(given: Any) -> tuple[str, Shape, tuple[int, int]]:
    """Type, shape and place of a tensor as a header has them."""
    if isinstance(given, dict) and given.keys() == {"dtype", "shape", "data_offsets"}:
        kind, shape, place = given["dtype"], given["shape"], given["data_offsets"]
        known = isinstance(kind, str) and kind in _BYTES
        if known and _are_counts(shape) and len(shape) <= 8 and _are_counts(place) and len(place) == 2:
            return kind, tuple(shape), (place[0], place[1])
    raise _OddHeaderError("its header describes a tensor in another way than safetensors does")


def _are_counts(given: Any) -> bool:
    return isinstance(given, list) and all(type(one) is int and 0 <= one < 1 << 48 for one in given)


def _shown(name: str, most: int = 80) -> str:
    """A name from a damaged file, fit for a message."""
    text = name if name.isprintable() else ascii(name)[1:-1]
    return text if len(text) <= most else f"{text[:most]}..."


def some(problems: Sequence[str], most: int = 8) -> str:
    """Problems in one phrase, cut when there are too many to read."""
    more = len(problems) - most
    return ", ".join(problems[:most]) + (f", and {more} more" if more > 0 else "")
