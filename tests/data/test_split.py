"""What is held out is a property of the distinct sources; and what it was in format 0."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqweave.data import split
from seqweave.data.split import DevBoundary, dev_fraction, is_dev, place_of

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


def boundary_of(sources: Iterable[str], fraction: float) -> int:
    found = DevBoundary()
    for source in sources:
        found.add(source)
    return found.of(fraction)


def held_out(sources: Sequence[str], fraction: float) -> set[str]:
    boundary = boundary_of(sources, fraction)
    return {source for source in sources if place_of(source) < boundary}


@pytest.mark.parametrize("number", [4, 5, 10, 19, 24, 25, 40, 1000])
def test_the_share_of_few_sources_is_exact_and_never_a_single_one(number: int) -> None:
    assert len(held_out(SOURCES[:number], 0.1)) == max(2, int(number / 10 + 0.5))
    assert len(held_out(SOURCES[:number], 1e-9)) == 2


def test_the_share_of_many_sources_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "_KEPT", 100)
    found = len(held_out(SOURCES, 0.1))
    assert abs(found - 2000) < 5 * (2000 * 0.9) ** 0.5
    assert len(held_out(SOURCES, 1e-9)) == 2


def test_neither_order_nor_repeats_nor_ends_change_what_is_held_out() -> None:
    draw = random.Random(1)
    sources = [f"café {number}" for number in range(50)]
    forms = [" {}", "{}\u00a0", "{}\u200b", "\ufeff{}", "{}"]
    many = [draw.choice(forms).format(source) for source in sources for _ in range(draw.randint(1, 9))] + sources
    draw.shuffle(many)
    assert boundary_of(many, 0.1) == boundary_of(sources, 0.1)
    assert place_of(unicodedata.normalize("NFD", sources[0])) == place_of(sources[0])
    assert place_of("a") != place_of("A")


@pytest.mark.parametrize(("number", "few"), [(0, 0), (1, 1), (3, 3), (4, None), (5, None)])
def test_too_few_sources_are_counted(number: int, few: int | None) -> None:
    found = DevBoundary()
    for source in SOURCES[:number] * 3:
        found.add(source)
    assert found.few == few


def test_the_places_stay_the_same_for_ever() -> None:
    assert [place_of("cat"), place_of("cat", 0), place_of("cat", 1)] == PLACES


PLACES = [886291764627394971, 4425746054624006072, 10108378816018294792]
