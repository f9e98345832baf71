"""Products with packed weights: every instruction set against float64."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import pytest

from native_kernels import (
    CHUNK,
    EIGHT_BITS,
    SETS,
    Map,
    Numbers,
    fp32_map,
    int8_map,
    kernels,
    kernels_library,
    rounded_inputs,
)
from seqweave.engine.library import CHow

GAP = np.float32(77.25)  # stands where nothing may be written
PACK: dict[str, Callable[[Numbers, Numbers], Map]] = {"fp32": fp32_map, "int8": int8_map}


def some(random: np.random.Generator, *shape: int) -> Numbers:
    return random.standard_normal(shape).astype(np.float32)


def a_map(random: np.random.Generator, precision: str, outputs: int, inputs: int) -> Map:
    return PACK[precision](some(random, outputs, inputs), some(random, outputs))


def expected(made: Map, inputs: Numbers, name: str, before: Numbers | None = None) -> np.ndarray:
    """What a product is in float64, of inputs as they are rounded."""
    read = rounded_inputs(inputs, name) if made.linear.precision else inputs
    return read.astype(np.float64) @ made.weights.T.astype(np.float64) + (made.bias if before is None else before)


def check(name: str, made: Map, inputs: Numbers, extra: int = 0) -> None:
    """Both kinds of a product, with columns between the rows that nobody may touch."""
    outputs, rows = len(made.weights), len(inputs)
    wide = np.full((rows, inputs.shape[1] + extra), np.nan, np.float32)
    wide[:, : inputs.shape[1]] = inputs
    read = wide[:, : inputs.shape[1]]
    out = np.full((rows, outputs + extra), GAP)
    bound = 3e-6 * (1 + inputs.shape[1] ** 0.5) * max(1, float(np.abs(inputs).max(initial=0)))
    made(kernels(name), read, out[:, :outputs])
    np.testing.assert_allclose(out[:, :outputs], expected(made, inputs, name), rtol=1e-5, atol=bound)
    before = out[:, :outputs].copy()
    made(kernels(name), read, out[:, :outputs], add=True)
    np.testing.assert_allclose(out[:, :outputs], expected(made, inputs, name, before), rtol=1e-5, atol=bound)
    assert (out[:, outputs:] == GAP).all()


@pytest.mark.parametrize("precision", PACK)
@pytest.mark.parametrize("name", SETS)
class TestEverySet:
    def test_all_widths_and_rows(self, name: str, precision: str) -> None:
        random = np.random.default_rng(1)
        for width in range(1, 71):
            other, rows = int(random.integers(1, 90)), int(random.integers(1, 21))
            check(name, a_map(random, precision, width, other), some(random, rows, other), extra=width % 4)
            check(name, a_map(random, precision, other, width), some(random, rows, width), extra=width % 3)

    @pytest.mark.parametrize("rows", [*range(1, 21), 33, 64])
    def test_every_number_of_rows(self, name: str, precision: str, rows: int) -> None:
        random = np.random.default_rng(rows)
        for outputs in (*range(16, 16 * 11, 16), 200):
            check(name, a_map(random, precision, outputs, 37), some(random, rows, 37), extra=rows % 2)

    @pytest.mark.parametrize("inputs", [256, 257, 600, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 6])
    def test_many_inputs(self, name: str, precision: str, inputs: int) -> None:
        random = np.random.default_rng(inputs)
        for rows in (1, 7, 19):
            check(name, a_map(random, precision, 50, inputs), some(random, rows, inputs))

    def test_a_row_is_the_same_alone_and_among_others(self, name: str, precision: str) -> None:
        random = np.random.default_rng(2)
        for outputs, inputs in ((40, 300), (129, 513), (7, 2060)):
            made, inputs_of = a_map(random, precision, outputs, inputs), some(random, 23, inputs)
            together, alone = np.zeros((23, outputs), np.float32), np.zeros((23, outputs), np.float32)
            made(kernels(name), inputs_of, together)
            for row in range(23):
                made(kernels(name), inputs_of[row : row + 1], alone[row : row + 1])
            assert (together == alone).all()

    def test_one_row_that_serves_several(self, name: str, precision: str) -> None:
        random = np.random.default_rng(3)
        made, one, out = a_map(random, precision, 30, 20), some(random, 1, 20), np.zeros((9, 30), np.float32)
        made(kernels(name), np.broadcast_to(one, (9, 20)), out)
        np.testing.assert_allclose(out, np.repeat(expected(made, one, name), 9, 0), rtol=1e-5, atol=1e-5)

    def test_what_is_not_finite_stays_so_in_its_row(self, name: str, precision: str) -> None:
        random = np.random.default_rng(4)
        made, inputs, out = a_map(random, precision, 21, 30), some(random, 5, 30), np.zeros((5, 21), np.float32)
        inputs[1, 29], inputs[3, 4] = np.nan, np.inf
        made(kernels(name), inputs, out)
        assert np.isfinite(out[[0, 2, 4]]).all()
        assert np.isnan(out[1]).all()
        assert not np.isfinite(out[3]).any()

    @pytest.mark.parametrize("scale", [0.0, 1e-42, 1e-38, 1e-20, 1e20])
    def test_large_and_small_inputs(self, name: str, precision: str, scale: float) -> None:
        random = np.random.default_rng(5)
        check(name, a_map(random, precision, 21, 30), some(random, 4, 30) * np.float32(scale))

    def test_no_inputs_and_no_rows(self, name: str, precision: str) -> None:
        random = np.random.default_rng(6)
        made, out = a_map(random, precision, 5, 0), np.zeros((2, 5), np.float32)
        made(kernels(name), np.zeros((2, 0), np.float32), out)
        assert (out == made.bias).all()
        made(kernels(name), np.zeros((0, 0), np.float32), np.zeros((0, 5), np.float32))


@pytest.mark.parametrize("name", SETS)
def test_sums_of_the_largest_levels_have_room(name: str) -> None:
    for inputs in (16, 700, CHUNK, 3 * CHUNK):
        for sign in (-1, 1):
            made = int8_map(np.ones((17, inputs), np.float32), np.zeros(17, np.float32))
            out = np.zeros((3, 17), np.float32)
            made(kernels(name), np.full((3, inputs), sign, np.float32), out)
            np.testing.assert_allclose(out, sign * inputs, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in SETS[1:] if name not in EIGHT_BITS])
def test_whole_sums_are_those_of_scalar(name: str) -> None:
    """Equal but for the last roundings: the levels and their sums are the same numbers."""
    random = np.random.default_rng(7)
    for inputs in (5, 512, 2500):
        made, read = a_map(random, "int8", 45, inputs), some(random, 6, inputs)
        one, other = np.zeros((6, 45), np.float32), np.zeros((6, 45), np.float32)
        made(kernels("scalar"), read, one)
        made(kernels(name), read, other)
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-6 * inputs**0.5)


def test_an_instruction_set_that_is_not_here_is_refused_by_name() -> None:
    library = kernels_library()
    model, said, how = ctypes.c_void_p(), ctypes.create_string_buffer(400), CHow(0, b"mmx")
    library.sw_instructions.restype = ctypes.c_char_p
    size = ctypes.c_size_t(2)
    assert library.sw_open(b"{}", size, b"{}", size, ctypes.byref(how), ctypes.byref(model), said) == 3
    best = library.sw_instructions().decode()
    assert said.value.decode() == (
        f"instructions must be a set that this machine has, such as {best}, but they are mmx"
    )
    assert not model.value
