"""The subsets that the tests run over leave no pair out."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterable, Mapping

import hypothesis.strategies as st
from hypothesis import given

from architectures import AXES, CASES, PLAIN, config_of, idle, quick_settings
from pairwise import pairwise

Pairs = set[tuple[tuple[str, object], tuple[str, object]]]


def pairs_of(combination: Mapping[str, object], idle: Collection[str] = ()) -> Pairs:
    return set(itertools.combinations(((name, value) for name, value in combination.items() if name not in idle), 2))


def all_pairs(combinations: Iterable[Mapping[str, object]]) -> Pairs:
    return set().union(*map(pairs_of, combinations))


@st.composite
def products(draw: st.DrawFn) -> tuple[dict[str, list[int]], list[dict[str, int]]]:
    """Axes with some values each, and which of all their combinations are valid."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    axes = {f"axis{number}": list(range(size)) for number, size in enumerate(sizes)}
    full = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    share = draw(st.sampled_from([0.05, 0.3, 0.8, 1.0]))
    rng = draw(st.randoms(use_true_random=False))
    return axes, [combination for combination in full if rng.random() < share]


@given(products())
def test_every_pair_of_a_valid_combination_is_met(product: tuple[dict[str, list[int]], list[dict[str, int]]]) -> None:
    axes, valid = product
    chosen = pairwise(axes, lambda combination: combination in valid)
    assert all(combination in valid for combination in chosen)
    assert pairwise(axes, lambda combination: combination in valid) == chosen
    assert all_pairs(chosen) == all_pairs(valid)
    assert len(chosen) <= len(all_pairs(valid))


def test_idle_values_meet_nobody() -> None:
    axes: dict[str, list[object]] = {"kind": ["plain", "rich"], "colour": ["red", "blue"], "size": [1, 2]}

    def idle(combination: dict[str, object]) -> list[str]:
        return ["colour"] if combination["kind"] == "plain" else []

    chosen = pairwise(axes, idle=idle)
    rich = {(one["colour"], one["size"]) for one in chosen if one["kind"] == "rich"}
    assert rich == {*itertools.product(["red", "blue"], [1, 2])}
    assert {one["size"] for one in chosen if one["kind"] == "plain"} == {1, 2}


def test_few_combinations_are_enough() -> None:
    axes = {f"axis{number}": [0, 1, 2] for number in range(13)}
    assert len(pairwise(axes)) <= 27  # of 1,594,323; the least is 15


def test_no_move_leaves_out_what_needs_one() -> None:
    axes = {"a": [0, 1], "b": [0, 1], "c": [0, 1]}

    def valid(combination: dict[str, int]) -> bool:
        return combination["a"] + combination["b"] < 2 or combination["c"] == 1

    without, some = pairwise(axes, valid, moves=0), pairwise(axes, valid, moves=1)
    assert {"a": 1, "b": 1, "c": 1} in some
    assert all(map(valid, without))


def test_architectures_leave_no_pair_out() -> None:
    """Drawn architectures that can be built have no two settings that no quick one has."""
    met = set().union(*(pairs_of(settings, idle(settings)) for settings in quick_settings()))
    rng = random.Random(1)
    built = 0
    while built < 300:
        # Some axes at any value, the others at their first: drawn all at once, hardly any would be valid.
        moved = rng.sample(sorted(AXES), rng.randint(2, 7))
        settings = {name: rng.choice(values) if name in moved else values[0] for name, values in AXES.items()}
        if config_of(settings) is not None:
            built += 1
            assert pairs_of(settings, idle(settings)) <= met


def test_plain_cases_are_cases() -> None:
    assert set(CASES) >= PLAIN
