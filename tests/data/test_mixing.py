"""Mixed batches: the share, every own pair once an epoch, the others pass after pass, the limits, and no state."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqweave.config import TrainConfig
from seqweave.data.batching import Indices
from seqweave.data.dataset import PairDataset
from seqweave.data.mixing import mixed_batches
from seqweave.training.epochs import batches_of_epoch, epoch_size
from seqweave.training.step import step_stream


@dataclass(frozen=True)
class Setup:
    """Lengths of both sides of own pairs and of others, and how they are mixed."""

    own: list[tuple[int, int]]
    others: list[tuple[int, int]]
    share: float
    tokens: int
    pairs: int
    seed: int = 1

    def dataset(self) -> PairDataset:
        rows = [*self.own, *self.others]
        lengths = {
            "source_lengths": np.array([source for source, _ in rows], dtype=np.int32),
            "target_lengths": np.array([target for _, target in rows], dtype=np.int32),
        }
        return PairDataset(lengths, len(self.others))

    def epoch(self, epoch: int) -> list[list[Indices]]:
        return list(
            mixed_batches(
                self.dataset(), share=self.share, batch_tokens=self.tokens, max_pairs=self.pairs, seed=self.seed,
                epoch=epoch,
            )
        )  # fmt: skip


LENGTHS = st.tuples(st.integers(1, 20), st.integers(1, 20))
SETUPS = st.builds(
    Setup,
    st.lists(LENGTHS, min_size=1, max_size=80),
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=60),
    st.floats(0.02, 0.95),
    st.integers(8, 400),
    st.integers(1, 30),
    st.integers(0, 5),
)


def parts(made: list[Indices], own: int) -> tuple[list[int], list[int]]:
    """The own pairs and the others of what takes the place of one batch."""
    indices = np.concatenate(made).tolist()
    return [index for index in indices if index < own], [index for index in indices if index >= own]


@settings(max_examples=60)
@given(SETUPS)
def test_the_share_holds_in_every_batch_and_every_own_pair_comes_once(setup: Setup) -> None:
    ratio = setup.share / (1 - setup.share)
    seen: Counter[int] = Counter()
    for epoch in range(2):
        own_done = others_done = 0
        for made in setup.epoch(epoch):
            own, others = parts(made, len(setup.own))
            own_done, others_done = own_done + len(own), others_done + len(others)
            assert own
            assert others_done == math.floor(own_done * ratio + 0.5)  # exact up to here
            assert abs(len(others) - len(own) * ratio) <= 1
            seen.update(own)
            seen.update(others)
            # None has come again before all had come.
            times = [seen[index] for index in range(len(setup.own), len(setup.own) + len(setup.others))]
            assert max(times) - min(times) <= 1
        assert all(seen[index] == epoch + 1 for index in range(len(setup.own)))


@settings(max_examples=60)
@given(SETUPS)
def test_the_limits_hold(setup: Setup) -> None:
    """Also where the others are much longer; only a single pair may be longer than a batch."""
    dataset = setup.dataset()
    for made in setup.epoch(0):
        for batch in made:
            widest = int(dataset.source_lengths[batch].max() + dataset.target_lengths[batch].max()) + 1
            assert len(batch) == 1 or (len(batch) <= setup.pairs and len(batch) * widest <= setup.tokens)


LONG = Setup([(3, 3)] * 50, [(40, 50), (45, 45), (2, 60), (60, 2)] * 5, 0.5, 400, 64)


def test_longer_others_come_in_batches_of_their_own() -> None:
    made = LONG.epoch(0)
    assert any(len(batches) > 1 for batches in made)
    for batches in made:
        kinds = [set((batch >= len(LONG.own)).tolist()) for batch in batches]
        assert kinds == [{False, True}] or kinds == [{False}, *[{True}] * (len(batches) - 1)]


def test_others_of_like_length_go_along() -> None:
    """Where both kinds have the same lengths, most batches hold both, and little of them is padding."""
    draw = np.random.default_rng(1)
    lengths = [(int(length), int(length)) for length in draw.integers(2, 40, 2000)]
    setup = Setup(lengths[:1500], lengths[1500:], 0.2, 1000, 256)
    dataset, whole, padded, together = setup.dataset(), 0, 0, 0
    made = setup.epoch(0)
    for batches in made:
        together += len(batches) == 1
        for batch in batches:
            whole += int((dataset.source_lengths[batch] + dataset.target_lengths[batch] + 1).sum())
            padded += len(batch) * int(dataset.source_lengths[batch].max() + dataset.target_lengths[batch].max() + 1)
    assert together / len(made) > 0.5
    assert whole / padded > 0.85


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 0.9])
def test_a_pass_over_the_others_goes_on_in_the_next_epoch(share: float) -> None:
    setup = Setup([(2, 2)] * 30, [(3, 3)] * 17, share, 60, 8)
    taken = [index for epoch in range(12) for made in setup.epoch(epoch) for index in parts(made, 30)[1]]
    per_epoch = math.floor(30 * share / (1 - share) + 0.5)
    assert len(taken) == 12 * per_epoch
    for begin in range(0, len(taken) - 16, 17):
        assert sorted(taken[begin : begin + 17]) == list(range(30, 47))
    assert taken[:17] != taken[17:34]  # another order


def test_seed_and_epoch_decide() -> None:
    def flat(setup: Setup, epoch: int) -> list[list[int]]:
        return [np.concatenate(made).tolist() for made in setup.epoch(epoch)]

    setup = Setup([(3, 3)] * 40, [(3, 4)] * 40, 0.4, 60, 8)
    assert flat(setup, 3) == flat(setup, 3)
    assert flat(setup, 3) != flat(setup, 4)
    assert flat(setup, 3) != flat(replace(setup, seed=2), 3)


DATASET = Setup([(2, 3)] * 40 + [(9, 9)] * 10, [(4, 4)] * 20 + [(30, 30)] * 5, 0.3, 80, 8).dataset()


@pytest.mark.parametrize("accumulate", [1, 2, 3])
@pytest.mark.parametrize("world", [1, 2])
def test_a_stream_goes_on_from_anywhere(accumulate: int, world: int) -> None:
    """As a resume does, with the two numbers that the state of a run has."""
    training = TrainConfig(batch_tokens=80, max_batch_pairs=8, mix_share=0.3, accumulate=accumulate)

    def steps(epoch: int, batch: int, count: int) -> list[list[list[int]]]:
        stream = step_stream(DATASET, training, world, epoch, batch)
        return [[each.tolist() for each in step.batches] for step in islice(stream, count)]

    whole = list(islice(step_stream(DATASET, training, world, 0, 0), 24))
    expected = steps(0, 0, 24)
    assert len({step.next_epoch for step in whole}) > 1
    for done in (1, 5, 9, 20):
        assert steps(whole[done - 1].next_epoch, whole[done - 1].next_batch, 24 - done) == expected[done:]
    own = sum(index < 50 for step in expected for batch in step for index in batch)
    others = sum(index >= 50 for step in expected for batch in step for index in batch)
    assert abs(others - own * 0.3 / 0.7) <= 1 + whole[-1].next_epoch  # rounded once an epoch
    for step in whole:
        assert len(step.epochs) == len(step.batches) >= accumulate * world


def test_processes_share_the_batches_of_one() -> None:
    """Two processes take what one with twice as many batches a step takes."""
    settings_of = {"batch_tokens": 80, "max_batch_pairs": 8, "mix_share": 0.3}
    one = step_stream(DATASET, TrainConfig(accumulate=4, **settings_of), 1, 0, 0)
    two = step_stream(DATASET, TrainConfig(accumulate=2, **settings_of), 2, 0, 0)
    for first, second in islice(zip(one, two, strict=True), 8):
        assert [batch.tolist() for batch in first.batches] == [batch.tolist() for batch in second.batches]


def test_the_epoch_is_as_long_as_its_own_batches() -> None:
    training = TrainConfig(batch_tokens=80, max_batch_pairs=8, mix_share=0.3)
    assert epoch_size(DATASET, training) == len(list(batches_of_epoch(DATASET, training, 0)))
    alone = PairDataset({"source_lengths": lengths(50), "target_lengths": lengths(50)})
    assert (alone.own, alone.mixed) == (50, 0)
    assert all(len(made) == 1 for made in batches_of_epoch(alone, training, 0))


def lengths(count: int) -> NDArray[np.int32]:
    return np.full(count, 3, dtype=np.int32)
