"""The engine's inner loops as Python functions, and what they should give in float64."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from native_library import library

SETS = ("scalar", "avx2", "avx512", "neon", "dotprod", "wasm")
EIGHT_BITS = ("avx512", "dotprod")  # int8: their inputs have 8 bits, those of the others 16
PANEL, CHUNK = 16, 2048
Numbers = npt.NDArray[np.float32]
SIZE, POINTER = ctypes.c_size_t, ctypes.c_void_p
LOOPS = {
    "linear": (POINTER, POINTER, SIZE, POINTER, SIZE, SIZE, ctypes.c_int),
    "dots": (POINTER, POINTER, SIZE, SIZE, SIZE, POINTER),
    "tanh_dots": (POINTER, POINTER, SIZE, SIZE, SIZE, POINTER, POINTER),
    "mix": (POINTER, POINTER, SIZE, SIZE, SIZE, POINTER),
    "tanh": (POINTER, SIZE),
    "softmax": (POINTER, SIZE),
    "log_softmax": (POINTER, SIZE),
    "rnn": (POINTER, POINTER, POINTER, SIZE),
    "irnn": (POINTER, POINTER, POINTER, SIZE),
    "gru": (POINTER, POINTER, POINTER, SIZE),
    "lstm": (POINTER, POINTER, POINTER, POINTER, SIZE),
    "normalize": (POINTER, SIZE, POINTER, POINTER),
    "larger_of_pairs": (POINTER, POINTER, SIZE),
}


class _Kernels(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), *((name, ctypes.CFUNCTYPE(None, *types)) for name, types in LOOPS.items())]


class _Linear(ctypes.Structure):
    _fields_ = [
        ("outputs", SIZE),
        ("inputs", SIZE),
        ("precision", ctypes.c_int),
        ("weights", POINTER),
        ("levels", POINTER),
        ("scales", POINTER),
        ("bias", POINTER),
    ]


@cache
def kernels_library() -> ctypes.CDLL:
    """The engine with the calls that only tests have."""
    found = library()
    found.sw_testing_kernels.restype = ctypes.POINTER(_Kernels)
    return found


def kernels(name: str) -> Any:
    """The inner loops of an instruction set by their names; the test is skipped where the machine has no such set."""
    found = kernels_library().sw_testing_kernels(name.encode())
    if not found:
        pytest.skip(f"this machine does not have {name}")
    return found.contents


@dataclass
class Map:
    """W x + b, packed as native/kernels.h says."""

    weights: Numbers  # (outputs, inputs): what the packed ones stand for
    bias: Numbers
    packed: tuple[npt.NDArray[Any], ...]
    linear: _Linear

    def __call__(self, loops: Any, inputs: Numbers, out: Numbers, add: bool = False) -> None:
        """Call the inner loop for all rows of `inputs` and `out`, which may have columns that are not meant."""
        loops.linear(
            ctypes.addressof(self.linear),
            inputs.ctypes.data,
            inputs.strides[0] // 4,
            out.ctypes.data,
            out.strides[0] // 4,
            len(inputs),
            int(add),
        )


def _panels(rows: npt.NDArray[Any], multiple: int) -> npt.NDArray[Any]:
    outputs, inputs = rows.shape
    full = np.zeros((-(-outputs // PANEL) * PANEL, -(-inputs // multiple) * multiple), rows.dtype)
    full[:outputs, :inputs] = rows
    return np.ascontiguousarray(
        full.reshape(len(full) // PANEL, PANEL, full.shape[1] // multiple, multiple).transpose(0, 2, 1, 3)
    )


def _filled(numbers: Numbers) -> Numbers:
    return np.pad(numbers, (0, -len(numbers) % PANEL))


def fp32_map(weights: Numbers, bias: Numbers) -> Map:
    """A map of fp32."""
    packed, filled = _panels(weights, 1), _filled(bias)
    linear = _Linear(*weights.shape, 0, packed.ctypes.data, None, None, filled.ctypes.data)
    return Map(weights, bias, (packed, filled), linear)


def int8_map(weights: Numbers, bias: Numbers) -> Map:
    """A map of int8; its `weights` are the levels times their scales."""
    scales = np.abs(weights).max(1, initial=0) / np.float32(127)
    levels = np.rint(weights / np.where(scales > 0, scales, 1)[:, None]).astype(np.int8)
    packed, filled, steps = _panels(levels, 4), _filled(bias), _filled(scales)
    linear = _Linear(*weights.shape, 1, None, packed.ctypes.data, steps.ctypes.data, filled.ctypes.data)
    return Map(levels * scales[:, None], bias, (packed, filled, steps), linear)


def rounded_inputs(inputs: Numbers, name: str) -> Numbers:
    """Inputs as an instruction set rounds them for int8: whole levels, a chunk of a row at a time."""
    made = np.zeros_like(inputs)
    for first in range(0, inputs.shape[1], CHUNK):
        chunk = inputs[:, first : first + CHUNK]
        most = 127 if name in EIGHT_BITS else 32767
        levels = np.float32(min(most, np.floor(2147480000 / (127 * chunk.shape[1]))))
        largest = np.abs(chunk).max(1, keepdims=True)
        inverse = np.where(largest > 1e-30, levels / np.maximum(largest, 1e-30), 0).astype(np.float32)
        step = np.where(largest > 1e-30, largest / levels, 0).astype(np.float32)
        made[:, first : first + CHUNK] = np.rint(chunk * inverse) * step
    return made
