"""Padding of an epoch: a case counted by hand, and a slow twin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqweave.data.batching import epoch_batches
from seqweave.data.facts import padding as module
from seqweave.data.facts.padding import Padding, padding_of

LIMITS = {"batch_tokens": 4096, "max_pairs": 256, "seed": 1}


def lengths(*counts: tuple[int, int]) -> NDArray[np.int32]:
    return np.repeat(np.array([length for length, _ in counts], np.int32), [count for _, count in counts])


def test_two_long_sources() -> None:
    """192 short pairs fill a batch; the other 8 are padded from 13 positions to 307 beside the two long ones."""
    found = padding_of(lengths((6, 200), (300, 2)), lengths((6, 202)), **LIMITS)
    assert found.share == pytest.approx(8 * 294 / (192 * 13 + 10 * 307))
    assert (found.share_without, found.longest, found.side, found.length) == (0.0, 2, "source", 6)


def test_the_side_that_stands_out() -> None:
    found = padding_of(lengths((6, 200), (9, 1)), lengths((6, 200), (30, 1)), **LIMITS)
    assert (found.longest, found.side, found.length) == (2, "target", 6)


@pytest.mark.parametrize("pairs", [1, 2])
def test_hardly_any_pairs(pairs: int) -> None:
    found = padding_of(lengths((5, pairs)), lengths((3, pairs)), **LIMITS)
    assert (found.share, found.share_without, found.longest) == (0.0, 0.0, 1)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=150))
def test_the_share_equals_the_slow_twin(rows: list[tuple[int, int]]) -> None:
    sources, targets = np.array(rows, np.int32).T
    limits = {"batch_tokens": 200, "max_pairs": 20, "seed": 3}
    padded = positions = 0
    for batch in epoch_batches(sources, targets, epoch=0, **limits):
        widest = max(rows[i][0] for i in batch) + max(rows[i][1] + 1 for i in batch)
        positions += widest * len(batch)
        padded += sum(widest - rows[i][0] - rows[i][1] - 1 for i in batch)
    found = padding_of(sources, targets, **limits)
    assert found.share == pytest.approx(padded / positions)
    assert found.longest == max(1, len(rows) // 100)


def test_of_very_many_pairs_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POOL_PAIRS", 100)
    found = padding_of(lengths((6, 1000)), lengths((6, 1000)), **LIMITS)
    assert found == Padding(0.0, 0.0, 1, "source", 6)
