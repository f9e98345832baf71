"""The check of a file of pairs, against figures counted by hand and by a slow twin."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqweave.config import DataConfig
from seqweave.data.check import check_data
from seqweave.data.readers import Pair
from seqweave.errors import DataError

Rows = list[tuple[str, str]]


def write(path: Path, rows: Rows) -> Path:
    path.write_bytes("".join(f"{source}\t{target}\n" for source, target in rows).encode())
    return path


TEXT = st.text(st.sampled_from("ab "), min_size=1, max_size=8).filter(lambda text: bool(text.strip()))


@given(st.lists(st.tuples(TEXT, TEXT), max_size=30), st.lists(st.tuples(TEXT, TEXT), max_size=10))
def test_counts_equal_the_slow_twin(tmp_path_factory: pytest.TempPathFactory, rows: Rows, others: Rows) -> None:
    folder = tmp_path_factory.mktemp("check")
    found = check_data(write(folder / "a.tsv", rows), splits={"test": write(folder / "b.tsv", others)})
    assert (found.lines, found.kept, found.ok) == (len(rows), len(rows), True)
    assert found.duplicates == len(rows) - len(set(rows))
    repeated = [line for line, row in enumerate(rows, start=1) if row in rows[: line - 1]]
    assert found.duplicate_lines == repeated[:10]
    targets = {source: {target for other, target in rows if other == source} for source, _ in rows}
    conflicting = [source for source in targets if len(targets[source]) > 1]
    assert found.conflicting_sources == len(conflicting)
    for conflict, source in zip(found.conflicts, conflicting, strict=False):
        assert conflict.targets == len(targets[source])
        assert conflict.lines == [line for line, row in enumerate(rows, start=1) if row[0] == source][:10]
    shared = [(source, line) for line, (source, _) in enumerate(others, start=1) if source in targets]
    (leak,) = found.leakage
    assert (leak.first, leak.second, leak.pairs) == ("data", "test", len(shared))
    assert leak.share == (len(shared) / len(others) if others else 0)
    first = {source: line for line, (source, _) in reversed(list(enumerate(rows, start=1)))}
    assert leak.lines == [(first[source], line) for source, line in shared[:10]]
    for side, texts in enumerate(zip(*rows, strict=True)) if rows else []:
        for measure, measured in (("characters", map(len, texts)), ("items", (len(text.split()) for text in texts))):
            lengths = found.lengths["source" if side == 0 else "target"][measure]
            counted = Counter(measured)
            assert sum(lengths.counts) == len(rows)
            for low, high, count in zip(lengths.edges[:-1], lengths.edges[1:], lengths.counts, strict=True):
                assert count == sum(number for length, number in counted.items() if low <= length < high)
            assert lengths.quantiles["0"] == min(counted)
            assert lengths.quantiles["1"] == max(counted)


def test_dropped_lines_are_named_and_json_holds_all(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"one two\teins zwei\nbad\n\tx\nthree\tdrei\n")
    found = check_data(path)
    assert not found.ok
    assert found.dropped == {"missing_column": [2], "empty_source": [3]}
    assert (found.lines, found.kept) == (4, 2)
    assert found.samples == [Pair("one two", "eins zwei", 1), Pair("three", "drei", 4)]
    assert found.lengths["source"]["items"].mean == 1.5
    data = json.loads(json.dumps(found.to_json()))
    assert data["dropped"] == {"missing_column": [2], "empty_source": [3]}
    assert (data["lines"], data["kept"], data["ok"]) == (4, 2, False)
    assert data["samples"][1] == {"source": "three", "target": "drei", "line": 4}
    assert data["lengths"]["source"]["characters"]["quantiles"]["1"] == 7


def test_one_long_text_does_not_squeeze_the_histogram(tmp_path: Path) -> None:
    rows = [("a" * (1 + number % 24), "b") for number in range(480)] + [("a" * 5000, "b")]
    lengths = check_data(write(tmp_path / "a.tsv", rows)).lengths["source"]["characters"]
    assert lengths.counts == [40] * 11 + [41]
    assert lengths.edges == [*range(1, 25, 2), 5001]


def test_ratio_outliers(tmp_path: Path) -> None:
    rows = [("abcd", "abcd")] * 20 + [("a", "abcd"), ("a", "abcde"), ("abcde", "a"), ("abcd", "a")]
    found = check_data(write(tmp_path / "a.tsv", rows))
    assert found.median_ratio == 1
    assert (found.ratio_outliers, found.ratio_outlier_lines) == (2, [22, 23])


def test_splits_are_also_compared_with_each_other(tmp_path: Path) -> None:
    data = write(tmp_path / "a.tsv", [("a", "x"), ("b", "y")])
    dev = write(tmp_path / "dev.tsv", [("c", "x"), ("b", "z")])
    test = write(tmp_path / "test.tsv", [("c", "q"), ("c", "q"), ("d", "q"), ("b", "q")])
    found = check_data(data, splits={"dev": dev, "test": test}).leakage
    assert [(leak.first, leak.second, leak.pairs, leak.share, leak.lines) for leak in found] == [
        ("data", "dev", 1, 0.5, [(2, 2)]),
        ("data", "test", 1, 0.25, [(2, 4)]),
        ("dev", "test", 3, 0.75, [(1, 1), (1, 2), (2, 4)]),
    ]


def test_parallel_files_are_compared_by_their_source_side(tmp_path: Path) -> None:
    (tmp_path / "a.de").write_bytes(b"eins\nzwei\tdrei\n")
    (tmp_path / "a.en").write_bytes(b"one\ntwo\n")
    (tmp_path / "test.de").write_bytes(b"vier\n \r\nzwei\tdrei\r\n")
    found = check_data(tmp_path / "a.de", tmp_path / "a.en", splits={"test": tmp_path / "test.de"})
    assert [(leak.pairs, leak.share, leak.lines) for leak in found.leakage] == [(1, 0.5, [(2, 3)])]


def test_columns_of_the_config_are_used(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"x\ty\tz\n")
    assert not check_data(path).ok
    found = check_data(path, config=DataConfig(source_column="3", target_column="1"))
    assert found.samples == [Pair("z", "x", 1)]


def test_an_empty_file_is_ok(tmp_path: Path) -> None:
    found = check_data(write(tmp_path / "a.tsv", []))
    assert (found.ok, found.lines, found.samples, found.conflicts) == (True, 0, [], [])


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", [("a", "b")])
    with pytest.raises(DataError, match=r"none\.tsv: must be a file, but there is no such file"):
        check_data(path, splits={"dev": tmp_path / "none.tsv"})
