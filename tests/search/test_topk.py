from __future__ import annotations

import pytest
import torch

from seqweave.search.topk import top_k


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
