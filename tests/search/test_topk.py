from __future__ import annotations

import numpy as np
import pytest
import torch

from seqweave.search.topk import best_continuations, top_k


@pytest.mark.parametrize("columns", [5, 40, 1000, 1024, 1031])
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ties", [False, True])
def test_equals_a_stable_sort(columns: int, k: int, dtype: torch.dtype, ties: bool) -> None:
    values = torch.randn((20, columns), generator=torch.Generator().manual_seed(columns + k), dtype=dtype)
    if ties:
        values = values.round()  # also makes -0 and 0, which are equal
    values[:, 0] = float("-inf")
    best, where = top_k(values, k)
    expected = values.sort(dim=1, descending=True, stable=True)
    assert torch.equal(where, expected.indices[:, :k])
    assert torch.equal(best, expected.values[:, :k])


def test_all_equal_gives_the_first() -> None:
    best, where = top_k(torch.zeros((2, 2000)), 4)
    assert where.tolist() == [[0, 1, 2, 3]] * 2
    assert best.tolist() == [[0.0] * 4] * 2


@pytest.mark.parametrize("columns", [7, 73, 700, 1031, 2048])
@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize("ties", [False, True])
def test_best_continuations_are_those_of_a_stable_sort(columns: int, width: int, ties: bool) -> None:
    log_probs = -torch.rand((3 * width, columns), generator=torch.Generator().manual_seed(columns)) * 9
    if ties:
        log_probs = log_probs.round()
    log_probs[:, 0] = float("-inf")
    totals = -np.arange(3.0 * width).reshape(3, width)
    if width > 1:
        totals[1, 2] = float("-inf")  # a dead hypothesis
    sums, places = best_continuations(log_probs, totals, 6)
    expected = (log_probs.double().view(3, width, columns) + torch.from_numpy(totals)[:, :, None]).flatten(1)
    ordered = expected.sort(dim=1, descending=True, stable=True)
    assert np.array_equal(places, ordered.indices[:, :6].numpy())
    assert np.array_equal(sums, ordered.values[:, :6].numpy())
