"""The dev split is a property of the source text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqweave.data.split import dev_fraction, is_dev

SOURCES = [f"source {number}" for number in range(20_000)]


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("seed", [0, 1, 2**63])
def test_the_share_is_close_to_the_fraction(seed: int, fraction: float) -> None:
    share = sum(is_dev(source, seed, fraction) for source in SOURCES) / len(SOURCES)
    # Five standard deviations of a binomial: wrong once in a million seeds.
    assert abs(share - fraction) < 5 * (fraction * (1 - fraction) / len(SOURCES)) ** 0.5


@given(st.text(), st.integers(0, 2**70))
def test_nobody_or_everybody_at_the_ends(source: str, seed: int) -> None:
    assert not is_dev(source, seed, 0.0)
    assert is_dev(source, seed, 1.0)


@given(st.text(), st.integers(0, 9), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_fraction_only_adds(source: str, seed: int, one: float, other: float) -> None:
    assert is_dev(source, seed, min(one, other)) <= is_dev(source, seed, max(one, other))


def test_the_split_stays_the_same_for_ever() -> None:
    # A format: another function would put training data of older models into dev.
    assert [number for number in range(60) if is_dev(f"source {number}", 1, 0.1)] == FIXED


FIXED = [41, 46]


def test_seeds_draw_different_splits() -> None:
    drawn = {tuple(is_dev(source, seed, 0.5) for source in SOURCES[:64]) for seed in range(10)}
    assert len(drawn) == 10


@pytest.mark.parametrize(("pairs", "fraction"), [(0, 0.0), (100, 0.1), (10_000, 0.1), (100_000, 0.01)])
def test_at_most_a_tenth_is_held_out(pairs: int, fraction: float) -> None:
    assert dev_fraction(pairs, 1000) == fraction
