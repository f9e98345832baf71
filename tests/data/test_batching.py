"""Batches: every index once, within the budget, little padding, a pure function of the arguments."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqweave.data import batching
from seqweave.data.batching import count_batches, epoch_batches, sequential_batches

Lengths = NDArray[np.int32]
LENGTHS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=300)


def skewed(pairs: int, seed: int = 0) -> tuple[Lengths, Lengths]:
    """Log-normal lengths, targets correlated with sources, as in translation data."""
    random = np.random.default_rng(seed)
    targets = np.clip(random.lognormal(2.5, 0.6, pairs), 1, 300)
    sources = np.clip(targets * random.lognormal(0, 0.25, pairs), 1, 300)
    return sources.astype(np.int32), targets.astype(np.int32)


def positions(batch: NDArray[np.int64], sources: Lengths, targets: Lengths) -> int:
    return len(batch) * int(sources[batch].max() + targets[batch].max() + 1)


def epoch(
    lengths: tuple[Lengths, Lengths], budget: int = 500, most: int = 16, seed: int = 1, number: int = 0
) -> list[list[int]]:
    batches = epoch_batches(*lengths, batch_tokens=budget, max_pairs=most, seed=seed, epoch=number)
    return [batch.tolist() for batch in batches]


@given(LENGTHS, st.integers(1, 400), st.integers(1, 40), st.integers(0, 9), st.integers(0, 9))
def test_every_index_once_and_the_budget_holds(
    rows: list[tuple[int, int]], budget: int, most: int, seed: int, number: int
) -> None:
    sources = np.array([source for source, _ in rows], dtype=np.int32)
    targets = np.array([target for _, target in rows], dtype=np.int32)
    batches = list(epoch_batches(sources, targets, batch_tokens=budget, max_pairs=most, seed=seed, epoch=number))
    assert sorted(index for batch in batches for index in batch.tolist()) == list(range(len(rows)))
    for batch in batches:
        assert 1 <= len(batch) <= most
        assert len(batch) == 1 or positions(batch, sources, targets) <= budget
    assert len(batches) == count_batches(sources, targets, batch_tokens=budget, max_pairs=most, seed=seed, epoch=number)


@pytest.mark.parametrize("most", [64, 256])
def test_little_padding(most: int) -> None:
    sources, targets = skewed(20_000)
    batches = list(epoch_batches(sources, targets, batch_tokens=4096, max_pairs=most, seed=1, epoch=0))
    real = int(sources.sum() + targets.sum()) + len(targets)
    assert real / sum(positions(batch, sources, targets) for batch in batches) > 0.92


def test_a_batch_is_as_large_as_the_budget_lets_it_be() -> None:
    equal = np.full(100, 5, dtype=np.int32)
    # Two sides of 5 and one <eos> are 11 positions a pair: 9 pairs fit into 100.
    sizes = [len(batch) for batch in epoch((equal, equal), budget=100, most=50)]
    assert sorted(sizes) == [1] + [9] * 11


def test_equal_arguments_give_the_equal_order() -> None:
    lengths = skewed(3000)
    assert epoch(lengths) == epoch(lengths)


def test_seed_and_epoch_change_order_and_company() -> None:
    lengths = skewed(3000)
    orders = [epoch(lengths, seed=seed, number=number) for seed in (1, 2) for number in (0, 1)]
    for place, one in enumerate(orders):
        for other in orders[place + 1 :]:
            assert one != other
            companies = {tuple(sorted(batch)) for batch in one} & {tuple(sorted(batch)) for batch in other}
            assert len(companies) < len(one) / 2


def test_lengths_do_not_come_in_order() -> None:
    sources, _ = lengths = skewed(5000)
    longest = np.array([sources[batch].max() for batch in epoch(lengths)])
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.3


def test_many_pools_and_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "POOL_PAIRS", 100)
    monkeypatch.setattr(batching, "MAX_BLOCKS", 300)
    lengths = skewed(1003)  # blocks of 4, the last one short
    batches = epoch(lengths)
    assert sorted(index for batch in batches for index in batch) == list(range(1003))
    assert epoch(lengths, number=1) != batches
    # A pool is drawn from the whole data, not from one end of it.
    first = np.concatenate([np.array(batch) for batch in islice(batches, 5)])
    assert first.min() < 300
    assert first.max() > 700


def test_ranks_share_an_epoch_without_overlap() -> None:
    lengths = skewed(1000)
    parts = [list(islice(epoch(lengths), rank, None, 3)) for rank in range(3)]
    assert sorted(index for part in parts for batch in part for index in batch) == list(range(1000))


@given(st.lists(st.integers(0, 50), max_size=200), st.integers(1, 300), st.integers(1, 30))
def test_decoding_batches(values: list[int], budget: int, most: int) -> None:
    lengths = np.array(values, dtype=np.int64)
    batches = sequential_batches(lengths, budget, most)
    assert sorted(index for batch in batches for index in batch.tolist()) == list(range(len(values)))
    longest = [max(1, int(lengths[batch].max())) for batch in batches]  # an empty item counts as one position
    assert longest == sorted(longest, reverse=True)
    for batch, width in zip(batches, longest, strict=True):
        assert 1 <= len(batch) <= most
        assert len(batch) == 1 or len(batch) * width <= budget
