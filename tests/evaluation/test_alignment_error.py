"""Alignment error rate: by hand, its bounds, and the real gold files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqweave.errors import DataError
from seqweave.evaluation.alignment_error import Gold, alignment_error, read_gold

LINKS = st.frozensets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8)


def test_by_hand() -> None:
    gold = [read_gold("1-1 2-2 3p2"), read_gold("1-2")]
    found = [frozenset({(0, 0), (2, 1), (4, 4)}), frozenset({(0, 1)})]
    error = alignment_error(found, gold)
    # |A| = 4, |S| = 3, |P| = 4, |A & S| = 2, |A & P| = 3
    assert (error.pairs, error.links, error.sure, error.possible) == (2, 4, 3, 4)
    assert error.precision == pytest.approx(75)
    assert error.recall == pytest.approx(100 * 2 / 3)
    assert error.aer == pytest.approx(100 * (1 - 5 / 7))


@given(st.lists(st.tuples(LINKS, LINKS, LINKS), min_size=1, max_size=5))
def test_bounds(rows: list[tuple[frozenset[tuple[int, int]], ...]]) -> None:
    gold = [Gold(sure, sure | extra) for _, sure, extra in rows]
    error = alignment_error([found for found, _, _ in rows], gold, samples=20)
    for figure in (error.aer, error.precision, error.recall):
        assert -1e-9 <= figure <= 100 + 1e-9
    assert error.interval is not None
    assert error.interval[0] <= error.interval[1]
    # Between the sure and the possible links nothing is wrong.
    for links in ([one.sure for one in gold], [one.possible for one in gold]):
        assert alignment_error(links, gold).aer == pytest.approx(0)


def test_order_of_links_and_pairs_means_nothing() -> None:
    one, other = read_gold("1-2 3p4 2-2"), read_gold("2-2 1-2 3p4")
    assert one == other
    links = [frozenset({(0, 1)}), frozenset({(3, 3)})]
    gold = [one, read_gold("4-4")]
    assert alignment_error(links, gold) == alignment_error(links[::-1], gold[::-1])


def test_links_past_the_end_are_ignored() -> None:
    assert read_gold("1-1 3-1 1p9", lengths=(2, 3)) == read_gold("1-1")
    assert read_gold("0-0 1p2", first=0) == read_gold("1-1 2p3")


@pytest.mark.parametrize("part", ["1", "1_2", "0-1", "a-1", "1-1-1", "-1-2"])
def test_what_is_no_gold_is_refused(part: str) -> None:
    with pytest.raises(DataError, match=f"i-j .sure. or ipj .possible. with numbers from 1, but it is {part}"):
        read_gold(f"1-1 {part}")


def test_unequal_counts_are_refused() -> None:
    with pytest.raises(DataError, match="must be of the same pairs, at least one, but there are 1 and 0"):
        alignment_error([frozenset()], [])


@pytest.mark.parametrize("pair", ["enfr", "roen", "jaen", "encs"])
def test_real_gold_is_read(pair: str, data_folder: Path) -> None:
    folder = data_folder / "word-alignments"
    if not folder.is_dir():
        pytest.skip(f"no word alignments at {folder}")
    texts = gzip.decompress((folder / f"{pair}.src-tgt.gz").read_bytes()).decode().strip("\n").split("\n")
    lines = gzip.decompress((folder / f"{pair}.gold.gz").read_bytes()).decode().strip("\n").split("\n")
    lengths = [tuple(len(side.split()) for side in text.split(" ||| ")) for text in texts]
    gold = [read_gold(line, lengths=(s, t)) for line, (s, t) in zip(lines, lengths, strict=True)]
    whole = [read_gold(line) for line in lines]
    past = sum(len(a.possible) - len(b.possible) for a, b in zip(whole, gold, strict=True))
    assert past == (5 if pair == "jaen" else 0)  # as its README says
    assert any(one.possible > one.sure for one in gold) == (pair == "enfr")
    assert alignment_error([one.sure for one in gold], gold).aer == pytest.approx(0)
