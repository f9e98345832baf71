"""The engine as tests call it: open a network, and run it over given outputs or row by row."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import nn

from native_library import library
from seqweave.config import ModelConfig
from seqweave.engine.library import CError as Problem
from seqweave.engine.library import CHow as How
from seqweave.engine.library import CSources as Sources
from seqweave.engine.library import CTargets as Targets

BEGIN = 2
OK, BAD_MODEL, BAD_ARGUMENT, TOO_LONG = 0, 2, 3, 4
SIZE, POINTER = ctypes.c_size_t, ctypes.c_void_p


class Sizes(ctypes.Structure):
    _fields_ = (
        ("source_entries", SIZE),
        ("source_tags", SIZE),
        ("target_entries", SIZE),
        ("copies", ctypes.c_int32),
        ("attends", ctypes.c_int32),
    )


class RefusedError(Exception):
    """The engine's sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(sentence)
        self.status = status


def declare(library: ctypes.CDLL) -> ctypes.CDLL:
    """Tell ctypes what the calls take."""
    library.sw_open.argtypes = [ctypes.c_char_p, SIZE, ctypes.c_char_p, SIZE, POINTER, POINTER, POINTER]
    library.sw_close.argtypes = [POINTER]
    library.sw_close.restype = None
    library.sw_sizes_of.argtypes = [POINTER, POINTER]
    library.sw_sizes_of.restype = None
    library.sw_force.argtypes = [POINTER] * 6
    return library


def stepping_library() -> ctypes.CDLL:
    """The engine with `sw_run_steps` (tests/engine/stepping.c)."""
    found = declare(library())
    found.sw_run_steps.argtypes = [POINTER, POINTER, SIZE, SIZE, *[POINTER] * 6]
    return found


def settings_of(config: ModelConfig) -> bytes:
    """The settings alone, which the engine takes as well as a whole config.json."""
    return config.model_dump_json().encode()


def weights_of(model: nn.Module) -> bytes:
    """The bytes of model.safetensors."""
    return save({name: tensor.contiguous() for name, tensor in model.state_dict().items()})


@dataclass(frozen=True)
class Call:
    """Sources as the engine takes them, whose arrays live as long as this does."""

    sources: Sources
    arrays: tuple[NDArray[Any], ...]
    lengths: list[int]

    @classmethod
    def of(cls, sources: Sequence[Sequence[int]], copies: Sequence[Sequence[int]] | None = None) -> Call:
        lengths, ids = joined(sources)
        places = None if copies is None else joined(copies)[1]
        arrays = (lengths, ids) if places is None else (lengths, ids, places)
        structure = Sources(len(sources), pointer(lengths), pointer(ids), None if places is None else pointer(places))
        return cls(structure, arrays, [len(source) for source in sources])

    @property
    def longest(self) -> int:
        return max(self.lengths, default=0)


def joined(lists: Sequence[Sequence[int]]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Lengths, and all ids one after the other."""
    lengths = np.array([len(one) for one in lists], np.uint64)
    return lengths, np.array([item for one in lists for item in one], np.int32)


def pointer(array: NDArray[Any]) -> int:
    return int(array.ctypes.data)


def checked(status: int, problem: Problem) -> None:
    if status != OK:
        raise RefusedError(status, problem.text.decode())


@dataclass(frozen=True)
class Network:
    """An open network."""

    library: ctypes.CDLL
    handle: ctypes.c_void_p

    def sizes(self) -> Sizes:
        sizes = Sizes()
        self.library.sw_sizes_of(self.handle, ctypes.byref(sizes))
        return sizes

    def columns(self, call: Call) -> int:
        sizes = self.sizes()
        return int(sizes.target_entries) + (call.longest if sizes.copies else 0)

    def force(
        self, call: Call, targets: Sequence[Sequence[int]], attention: bool = True
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Logits (steps of all, columns) and attention (steps of all, longest source), teacher forced."""
        lengths, ids = joined(targets)
        steps = sum(len(target) + 1 for target in targets)
        logits = np.zeros((steps, self.columns(call)), np.float32)
        weights = np.zeros((steps, call.longest), np.float32) if attention else None
        problem = Problem()
        status = self.library.sw_force(
            self.handle,
            ctypes.byref(call.sources),
            ctypes.byref(Targets(pointer(lengths), pointer(ids))),
            pointer(logits),
            None if weights is None else pointer(weights),
            ctypes.byref(problem),
        )
        checked(status, problem)
        return logits, weights

    def steps(
        self, call: Call, parents: Sequence[Sequence[int]], ids: Sequence[Sequence[int]], room: int | None = None
    ) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
        """Logits (rows, columns) and attention (rows, longest) of each step; each row's parent is taken before it.

        `room` is the number of steps that are announced.
        """
        counts, every_id = joined(ids)
        every_parent = np.array([parent for row in parents for parent in row], np.uint64)
        logits = np.zeros((len(every_id), self.columns(call)), np.float32)
        weights = np.zeros((len(every_id), call.longest), np.float32)
        problem = Problem()
        status = self.library.sw_run_steps(
            self.handle,
            ctypes.byref(call.sources),
            len(ids) if room is None else room,
            len(ids),
            *(pointer(array) for array in (counts, every_parent, every_id, logits, weights)),
            ctypes.byref(problem),
        )
        checked(status, problem)
        ends = np.cumsum([len(step) for step in ids])[:-1]
        return np.split(logits, ends), np.split(weights, ends)


@contextmanager
def opened(library: ctypes.CDLL, settings: bytes, weights: bytes, precision: int = 0) -> Iterator[Network]:
    """A network, closed at the end."""
    handle, problem, how = ctypes.c_void_p(), Problem(), How(precision, None)
    status = declare(library).sw_open(
        settings, len(settings), weights, len(weights), ctypes.byref(how), ctypes.byref(handle), ctypes.byref(problem)
    )
    checked(status, problem)
    try:
        yield Network(library, handle)
    finally:
        library.sw_close(handle)


@contextmanager
def opened_model(library: ctypes.CDLL, config: ModelConfig, model: nn.Module, precision: int = 0) -> Iterator[Network]:
    """A torch model in the engine."""
    with opened(library, settings_of(config), weights_of(model), precision) as network:
        yield network


def padded(lists: Sequence[Sequence[int]], least: int = 1) -> torch.Tensor:
    """Ids of all, filled up with padding. Shape: (B, longest, at least `least`)."""
    width = max([least, *map(len, lists)])
    return torch.tensor([[*one, *[0] * (width - len(one))] for one in lists])
