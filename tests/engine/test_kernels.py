"""The inner loops beside products: every instruction set against float64, at every width."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from native_kernels import SETS, Numbers, kernels

Doubles = npt.NDArray[np.float64]
GAP = np.float32(77.25)  # stands where nothing may be written
WIDTHS = [*range(1, 71), 300]
ODD = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e-45, -1e-40, 3e38, -3e38, 88.7, -88, 9.1, -9.1], np.float32)
pytestmark = pytest.mark.parametrize("name", SETS)


def some(random: np.random.Generator, *shape: int, scale: float = 1.0) -> Numbers:
    return (random.standard_normal(shape) * scale).astype(np.float32)


def changed(loop: Callable[..., None], numbers: Numbers, *more: Numbers) -> Numbers:
    """What a loop makes of numbers in place; it may touch nothing after them."""
    room = np.append(numbers, [GAP] * 3).astype(np.float32)
    loop(room.ctypes.data, len(numbers), *(other.ctypes.data for other in more))
    assert (room[len(numbers) :] == GAP).all()
    return room[: len(numbers)]


def sigmoid(numbers: Doubles) -> Doubles:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-numbers))


def everywhere() -> Iterator[Numbers]:
    """Numbers of every size, with both signs."""
    random = np.random.default_rng(1)
    yield np.linspace(-20, 20, 200_001, dtype=np.float32)
    yield np.float32(10) ** random.uniform(-38, 2, 50_000).astype(np.float32) * random.choice([-1, 1], 50_000)


def test_tanh_lies_within_three_tenths_of_a_millionth(name: str) -> None:
    for numbers in everywhere():
        numbers = numbers.astype(np.float32)
        exact = np.tanh(numbers.astype(np.float64))
        made = changed(kernels(name).tanh, numbers)
        assert np.abs(made - exact).max() < 1.5e-7
        assert np.abs(made - exact).max(where=np.abs(exact) < 1e-3, initial=0) < 3e-10
        np.testing.assert_allclose(made, exact, rtol=3e-7, atol=1e-45)


def test_sigmoid_lies_within_two_tenths_of_a_millionth(name: str) -> None:
    """As the gate of an LSTM that keeps: the next state is the gate times 1."""
    for numbers in everywhere():
        gates = np.full((4, len(numbers)), -np.inf, np.float32)
        gates[1], gates[2] = numbers, 0
        hidden, cell = np.zeros(len(numbers), np.float32), np.ones(len(numbers), np.float32)
        _cell(name, "lstm", gates, np.zeros_like(gates), hidden, cell)
        np.testing.assert_allclose(cell, sigmoid(numbers.astype(np.float64)), rtol=3e-7, atol=1e-37)


def test_exponentials_lie_within_two_tenths_of_a_millionth(name: str) -> None:
    """In pairs with 0, where softmax divides both by the same sum."""
    for number in np.concatenate([np.linspace(-87, 0, 3_001), -(10 ** np.linspace(-30, 0, 500))]).astype(np.float32):
        pair = changed(kernels(name).softmax, np.array([0, number], np.float32))
        assert pair[1] == pytest.approx(float(pair[0]) * math.exp(number), rel=3e-7)


def test_tanh_of_strange_numbers(name: str) -> None:
    np.testing.assert_allclose(changed(kernels(name).tanh, ODD), np.tanh(ODD), rtol=3e-7)


def _cell(name: str, cell: str, given: Numbers, recurrent: Numbers, hidden: Numbers, *state: Numbers) -> None:
    parts = [given, recurrent, hidden, *state]
    getattr(kernels(name), cell)(*(part.ctypes.data for part in parts), hidden.shape[-1])


@pytest.mark.parametrize("strange", [False, True])
def test_cells(name: str, strange: bool) -> None:
    random = np.random.default_rng(2)
    for size in WIDTHS:
        given, recurrent = some(random, 4, size, scale=2), some(random, 4, size, scale=2)
        hidden, state = some(random, size), some(random, size)
        if strange:
            places = random.integers(0, 4 * size, 1 + size // 8)
            given.ravel()[places] = random.choice(ODD, len(places))
        for cell, want in _expected_cells(given, recurrent, hidden, state).items():
            gates = {"lstm": 4, "gru": 3}.get(cell, 1)
            room = [np.append(hidden, GAP), *([np.append(state, GAP)] if cell == "lstm" else [])]
            parts = [np.ascontiguousarray(given[:gates]), np.ascontiguousarray(recurrent[:gates]), *room]
            getattr(kernels(name), cell)(*(part.ctypes.data for part in parts), size)
            for made, exact in zip(room, want, strict=True):
                assert made[size] == GAP
                np.testing.assert_allclose(made[:size], exact, rtol=2e-6, atol=1e-6)


def _expected_cells(given: Numbers, recurrent: Numbers, hidden: Numbers, state: Numbers) -> dict[str, list[Doubles]]:
    a, b = given.astype(np.float64), recurrent.astype(np.float64)
    with np.errstate(all="ignore"):
        sums = a + b
        reset, update = sigmoid(sums[0]), sigmoid(sums[1])
        made = np.tanh(a[2] + reset * b[2])
        now = sigmoid(sums[1]) * state + sigmoid(sums[0]) * np.tanh(sums[2])
        return {
            "rnn": [np.tanh(sums[0])],
            "irnn": [np.where(sums[0] < 0, 0, sums[0])],
            "gru": [(1 - update) * made + update * hidden],
            "lstm": [sigmoid(sums[3]) * np.tanh(now), now],
        }


def test_softmax_and_its_logarithm(name: str) -> None:
    random = np.random.default_rng(3)
    for width in [*WIDTHS, 6000]:
        numbers = some(random, width, scale=5)
        numbers[random.random(width) < 0.1] = -np.inf
        if np.isneginf(numbers).all():
            numbers[0] = 100
        exact = np.exp(numbers.astype(np.float64) - numbers.max())
        exact /= exact.sum()
        np.testing.assert_allclose(changed(kernels(name).softmax, numbers), exact, rtol=4e-6, atol=1e-37)
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(changed(kernels(name).log_softmax, numbers), np.log(exact), rtol=1e-6, atol=4e-6)


def test_softmax_of_nothing_possible_and_of_what_is_none(name: str) -> None:
    for width in WIDTHS:
        nothing = np.full(width, -np.inf, np.float32)
        assert (changed(kernels(name).softmax, nothing) == 0).all()
        assert np.isnan(changed(kernels(name).log_softmax, nothing)).all()
        nothing[width // 2] = np.nan
        assert np.isnan(changed(kernels(name).softmax, nothing)).all()
        assert np.isnan(changed(kernels(name).log_softmax, nothing)).all()
        numbers = np.arange(width, dtype=np.float32)
        numbers[width // 3] = np.nan
        assert np.isnan(changed(kernels(name).softmax, numbers)).all()
        numbers[width // 3] = np.inf
        assert np.isnan(changed(kernels(name).softmax, numbers)[width // 3])


def test_dots(name: str) -> None:
    random = np.random.default_rng(4)
    for width in WIDTHS:
        count, gap = int(random.integers(0, 15)), int(random.integers(0, 4))
        query, keys, direction = some(random, width), some(random, count, width + gap), some(random, width)
        keys[:, width:] = np.nan
        out = np.full((2, count + 1), GAP)
        at = (query.ctypes.data, keys.ctypes.data, width + gap, count, width)
        kernels(name).dots(*at, out[0].ctypes.data)
        kernels(name).tanh_dots(*at, direction.ctypes.data, out[1].ctypes.data)
        wide, asked = keys[:, :width].astype(np.float64), query.astype(np.float64)
        np.testing.assert_allclose(out[0, :-1], wide @ asked, rtol=1e-5, atol=2e-6 * width**0.5)
        np.testing.assert_allclose(out[1, :-1], np.tanh(wide + asked) @ direction, rtol=1e-5, atol=2e-6 * width**0.5)
        assert (out[:, -1] == GAP).all()


def test_a_dot_is_the_same_wherever_its_key_stands(name: str) -> None:
    random = np.random.default_rng(5)
    query, key, out = some(random, 45), some(random, 45), np.zeros(11, np.float32)
    keys = np.repeat(key[None], 11, 0)
    kernels(name).dots(query.ctypes.data, keys.ctypes.data, 45, 11, 45, out.ctypes.data)
    assert len(set(out.tolist())) == 1


def test_mixtures(name: str) -> None:
    random = np.random.default_rng(6)
    for width in [*WIDTHS, 64, 65, 128, 131]:
        count, gap = int(random.integers(0, 15)), int(random.integers(0, 4))
        weights, values = some(random, count), some(random, count, width + gap)
        values[:, width:] = np.nan
        out = np.full(width + 1, GAP)
        kernels(name).mix(weights.ctypes.data, values.ctypes.data, width + gap, count, width, out.ctypes.data)
        exact = weights.astype(np.float64) @ values[:, :width].astype(np.float64)
        np.testing.assert_allclose(out[:width], exact, rtol=1e-5, atol=1e-5)
        assert out[width] == GAP


def test_normalisation(name: str) -> None:
    random = np.random.default_rng(7)
    for width in WIDTHS:
        numbers, gain, shift = some(random, width, scale=3) + np.float32(5), some(random, width), some(random, width)
        wide = numbers.astype(np.float64)
        exact = (wide - wide.mean()) / np.sqrt(wide.var() + 1e-5) * gain + shift
        np.testing.assert_allclose(changed(kernels(name).normalize, numbers, gain, shift), exact, rtol=1e-4, atol=1e-5)


def test_larger_of_pairs(name: str) -> None:
    random = np.random.default_rng(8)
    for width in WIDTHS:
        pairs, out = some(random, width, 2), np.full(width + 1, GAP)
        pairs.ravel()[random.integers(0, 2 * width, 1 + width // 8)] = random.choice(ODD, 1 + width // 8)
        kernels(name).larger_of_pairs(pairs.ctypes.data, out.ctypes.data, width)
        np.testing.assert_array_equal(out[:width], pairs.max(1))
        assert out[width] == GAP


@given(numbers=arrays(np.float32, st.integers(1, 70), elements=st.floats(width=32)))
def test_any_numbers_give_what_scalar_gives(name: str, numbers: Numbers) -> None:
    for loop in ("tanh", "softmax", "log_softmax"):
        one = changed(getattr(kernels("scalar"), loop), numbers)
        other = changed(getattr(kernels(name), loop), numbers)
        np.testing.assert_allclose(other, one, rtol=3e-6, atol=3e-6)
