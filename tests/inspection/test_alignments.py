"""Links from weights, Pharaoh's form, two directions put together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seqweave.errors import ConfigError, DataError
from seqweave.inspection.alignments import (
    METHODS,
    SYMMETRIES,
    Links,
    Weights,
    average,
    from_pharaoh,
    hard_links,
    monotone_links,
    pool,
    symmetrise,
    to_pharaoh,
    token_rows,
    turned,
)

LINKS = st.frozensets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)
MATRICES = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.integers(0, 10).map(lambda n: n / 10)
)
# Targets down, sources across.
WEIGHTS = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])


@pytest.mark.parametrize(
    ("method", "threshold", "expected"),
    [
        ("argmax", 0.0, "0-0 0-1 2-2"),
        ("argmax", 0.65, "0-0 2-2"),
        ("threshold", 0.25, "0-0 0-1 1-1 2-2"),
        ("mutual", 0.0, "0-0 2-2"),
        ("monotone", 0.0, "0-0 0-1 2-2"),
    ],
)
def test_methods_by_hand(method: str, threshold: float, expected: str) -> None:
    assert to_pharaoh(hard_links(WEIGHTS, method, threshold)) == expected


def best_path(weights: Weights) -> float:
    """By trying all paths."""
    rows, columns = weights.shape
    paths = itertools.combinations_with_replacement(range(columns), rows)
    return max(sum(float(weights[j, i]) for j, i in enumerate(path)) for path in paths)


@given(MATRICES)
def test_the_monotone_path_is_the_best_and_never_goes_back(weights: Weights) -> None:
    path = [i for i, _ in sorted(monotone_links(weights), key=lambda link: link[1])]
    assert len(path) == len(weights)
    assert path == sorted(path)
    assert sum(weights[j, i] for j, i in enumerate(path)) == pytest.approx(best_path(weights))


@given(MATRICES, st.sampled_from(sorted(METHODS)))
def test_a_threshold_only_takes_away(weights: Weights, method: str) -> None:
    if method != "threshold":
        assert hard_links(weights, method, 0.5) <= hard_links(weights, method, 0.0)
    assert all(weights[j, i] >= 0.5 for i, j in hard_links(weights, method, 0.5))


@pytest.mark.parametrize("method", METHODS)
def test_nothing_gives_nothing(method: str) -> None:
    for shape in ((0, 3), (3, 0), (0, 0)):
        assert hard_links(np.zeros(shape), method) == frozenset()


@given(LINKS)
def test_pharaoh_round_trip(links: Links) -> None:
    assert from_pharaoh(to_pharaoh(links)) == links
    assert turned(turned(links)) == links


@pytest.mark.parametrize("part", ["1", "1-", "-1", "a-b", "1-2-3", "1p2", "1–2", "²-1"])
def test_what_is_no_link_is_refused(part: str) -> None:
    with pytest.raises(DataError, match=f"two whole numbers from 0 as in 0-2, but it is {part}"):
        from_pharaoh(f"0-0 {part}")


def test_symmetrisation_by_hand() -> None:
    """The example of grow-diag: the intersection grows to neighbours of the union; final-and adds what is alone."""
    forward, backward = from_pharaoh("0-0 1-1 2-1 4-4 6-5"), from_pharaoh("0-0 1-1 1-2 5-3")
    assert to_pharaoh(symmetrise(forward, backward, "intersection")) == "0-0 1-1"
    assert to_pharaoh(symmetrise(forward, backward, "union")) == "0-0 1-1 1-2 2-1 4-4 5-3 6-5"
    assert to_pharaoh(symmetrise(forward, backward, "grow-diag")) == "0-0 1-1 1-2 2-1"
    assert to_pharaoh(symmetrise(forward, backward, "grow-diag-final-and")) == "0-0 1-1 1-2 2-1 4-4 5-3 6-5"
    # Final-and leaves out a link of which one side has a partner already.
    assert to_pharaoh(symmetrise(from_pharaoh("0-0 5-0"), from_pharaoh("0-0"))) == "0-0"


@given(LINKS, LINKS)
def test_symmetries_lie_between_intersection_and_union(forward: Links, backward: Links) -> None:
    found = {method: symmetrise(forward, backward, method) for method in SYMMETRIES}
    assert found["intersection"] <= found["grow-diag"] <= found["grow-diag-final-and"] <= found["union"]
    assert symmetrise(forward, forward) == forward
    opposite = {method: symmetrise(backward, forward, method) for method in ("intersection", "union", "grow-diag")}
    assert opposite == {method: found[method] for method in opposite}


def test_shift_takes_the_row_of_the_next_step() -> None:
    rows = np.arange(8.0).reshape(4, 2)
    assert token_rows(rows).tolist() == [[0, 1], [2, 3], [4, 5]]
    assert token_rows(rows, shift=True).tolist() == [[2, 3], [4, 5], [6, 7]]


def test_pool_sums_sources_and_takes_the_mean_of_targets() -> None:
    weights = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.0, 0.0, 1.0]])
    pooled = pool(weights, [0, 0, 1], [0, 0, -1], (2, 2))
    assert pooled == pytest.approx(np.array([[0.5, 0.5], [0.0, 0.0]]))


def test_average() -> None:
    assert average([np.eye(2), np.zeros((2, 2))]).tolist() == [[0.5, 0], [0, 0.5]]
    with pytest.raises(DataError, match=r"the same items .* the shapes \(2, 2\), \(3, 3\)"):
        average([np.eye(2), np.eye(3)])


def test_mistakes_are_told() -> None:
    with pytest.raises(ConfigError, match="one of argmax, threshold, mutual, monotone, but it is best"):
        hard_links(np.eye(2), "best")
    with pytest.raises(ConfigError, match=r"must lie between 0 and 1, but it is 1\.5"):
        hard_links(np.eye(2), "argmax", 1.5)
    with pytest.raises(ConfigError, match="union, intersection, grow-diag, grow-diag-final-and, but it is both"):
        symmetrise(frozenset(), frozenset(), "both")
