"""Positions: the papers' numbers, and what rotations promise."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from seqweave.model.transformer.positions import LearnedPositions, RotaryPositions, SinusoidalPositions, angles, rotate

ZEROS = torch.zeros(1, 3, 4, dtype=torch.float64)


def test_sinusoids_by_hand() -> None:
    found = SinusoidalPositions()(ZEROS)[0]
    assert found[0].tolist() == [0, 1, 0, 1]
    # Width 4: the second pair is 10000^(2 / 4) = 100 times slower.
    expected = [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)]
    torch.testing.assert_close(found[2], torch.tensor(expected, dtype=torch.float64))


def test_sinusoids_of_odd_width_end_in_a_sine() -> None:
    found = SinusoidalPositions()(torch.zeros(1, 2, 5, dtype=torch.float64))[0, 1]
    assert found.shape == (5,)
    assert float(found[4]) == math.sin(1 / 10000 ** (4 / 5))


def test_learned_vectors_by_hand() -> None:
    positions = LearnedPositions(3, 2, "target").double()
    with torch.no_grad():
        positions.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    found = positions(torch.ones(1, 2, 2, dtype=torch.float64), 1)
    assert found[0].tolist() == [[4, 5], [6, 7]]


def test_starting_later_continues() -> None:
    for positions in (SinusoidalPositions(), LearnedPositions(9, 4, "target")):
        whole = positions(torch.zeros(2, 7, 4))
        torch.testing.assert_close(positions(torch.zeros(2, 3, 4), 4), whole[:, 4:])
    whole_turns, later = RotaryPositions(4).rotation(0, 7, ZEROS), RotaryPositions(4).rotation(5, 2, ZEROS)
    for one, other in zip(whole_turns, later, strict=True):
        torch.testing.assert_close(other, one[5:])


def test_a_rotation_by_hand() -> None:
    quarter = (torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]]))  # a quarter turn, and none
    values = torch.tensor([[3.0, 4.0, 5.0, 6.0]])
    assert rotate(values, quarter).tolist() == [[-4.0, 3.0, 5.0, 6.0]]


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 100))
def test_scores_depend_on_distances_alone(one: int, other: int, shift: int) -> None:
    generator = torch.Generator().manual_seed(1)
    query, key = torch.randn(2, 1, 6, generator=generator, dtype=torch.float64)

    def score(query_at: int, key_at: int) -> float:
        turned = []
        for value, at in ((query, query_at), (key, key_at)):
            turned.append(rotate(value, RotaryPositions(6).rotation(at, 1, ZEROS)))
        return float((turned[0] * turned[1]).sum())

    assert abs(score(one, other) - score(one + shift, other + shift)) < 1e-9


def test_angles_are_exact_enough_in_half_precision() -> None:
    half = angles(500, 3, 8, torch.zeros(1, dtype=torch.bfloat16))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half.double(), angles(500, 3, 8, ZEROS), atol=1e-4, rtol=1e-6)
