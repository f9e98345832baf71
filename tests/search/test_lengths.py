from __future__ import annotations

import pytest
import torch

from seqweave.search.lengths import max_lengths
from seqweave.search.penalties import length_normalised


def test_length_penalty_by_hand() -> None:
    """Wu et al. 2016, eq. 14: ((5 + 7) / 6) ** 2 = 4; a single item has penalty 1."""
    assert length_normalised(-8.0, 7, 2.0) == -2.0
    assert length_normalised(-8.0, 1, 2.0) == -8.0
    assert length_normalised(-8.0, 7, 0.0) == -8.0
    both = length_normalised(torch.tensor([-8.0, -8.0]), torch.tensor([7.0, 1.0]), 2.0)
    assert both.tolist() == [-2.0, -8.0]


@pytest.mark.parametrize(
    ("ratio", "longest", "expected"),
    [(1.5, 20, [12, 18, 20]), (None, None, [13, 25, 70]), (0.1, None, [11, 11, 12]), (None, 5, [5, 5, 5])],
)
def test_max_lengths(ratio: float | None, longest: int | None, expected: list[int]) -> None:
    assert max_lengths([1, 5, 20], ratio, longest) == expected
