"""Readers: every line is kept or dropped with its reason; formats, columns, parallel files."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seqweave.config import DataConfig
from seqweave.data import sources
from seqweave.data.readers import DROP_REASONS, Pair, PairReader, read_sources
from seqweave.errors import DataError
from seqweave.text.ends import trimmed


def read(path: Path, config: DataConfig | None = None) -> tuple[list[tuple[str, str, int]], dict[str, list[int]]]:
    reader = PairReader(path, None, config or DataConfig())
    pairs = [(pair.source, pair.target, pair.line) for pair in reader]
    assert reader.report.kept == len(pairs)
    assert reader.report.kept + reader.report.dropped_records == reader.report.records
    return pairs, {reason: found.lines for reason, found in reader.report.dropped.items()}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_every_reason_of_a_tsv(tmp_path: Path) -> None:
    content = "é\tb\n\n no tab\n\tb\né\t \r\na\tb\tc\n".encode() + b"\xff\tb\na\0\tb\n" + b"x" * 50 + b"\tb\nlast\tline"
    pairs, dropped = read(write(tmp_path / "a.tsv", content), DataConfig(max_line_bytes=40))
    assert pairs == [("é", "b", 1), ("last", "line", 10)]
    assert dropped == {
        "empty_line": [2],
        "missing_column": [3],
        "empty_source": [4],
        "empty_target": [5],
        "too_many_columns": [6],
        "invalid_encoding": [7],
        "nul_character": [8],
        "line_too_long": [9],
    }


def test_every_reason_of_json_lines(tmp_path: Path) -> None:
    lines = [
        '{"source": "a", "target": "b", "more": 1}',
        "",
        "[1]",
        '{"source": "a"}',
        '{"source": "a", "target": null}',
        '{"source": "a", "target": NaN}',
        '{"source": "", "target": "b"}',
        '{"source": "a", "target": "\\t"}',
        '{"source": "\\ud800", "target": "b"}',
        '{"source": "\\u0000", "target": "b"}',
        "1" * 5000,
        "[" * 20_000,
        '{"source": "a", "target": "b", "source": "c"}',
    ]
    pairs, dropped = read(write(tmp_path / "a.jsonl", "\n".join(lines).encode()))
    assert pairs == [("a", "b", 1)]
    assert dropped == {
        "empty_line": [2],
        "invalid_json": [3, 6, 11, 12],
        "missing_field": [4, 5],
        "empty_source": [7],
        "empty_target": [8],
        "invalid_encoding": [9],
        "nul_character": [10],
        "repeated_field": [13],
    }


PIECES = st.sampled_from(
    [b"\t", b"\n", b"\r\n", b"a", b" ", b"\0", b"\xff", b"\xc3\xa9", b'{"source":"a"', b',"target":"b"}']
)


@given(
    st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=30).map(b"".join)), st.sampled_from(["tsv", "jsonl"])
)
def test_kept_and_dropped_are_all_lines(tmp_path_factory: pytest.TempPathFactory, content: bytes, kind: str) -> None:
    path = write(tmp_path_factory.mktemp("any") / f"a.{kind}", content)
    chosen = DataConfig(max_line_bytes=12, format=kind, quoting="no", header="no")
    try:
        reader = PairReader(path, None, chosen)
    except DataError:
        assume(False)  # refused as a whole: another encoding, other fields
    pairs = list(reader)
    report = reader.report
    ended = (b"\r", b"\n")["\n" in content.decode("latin-1")]
    text = content.removeprefix(b"\xef\xbb\xbf")
    assume(reader.dialect.encoding == "utf-8")
    lines = text.count(ended) + (text != b"" and not text.endswith(ended))
    assert report.kept + report.dropped_records == report.records == report.lines == lines
    assert set(report.dropped) <= set(DROP_REASONS)
    assert all(pair.source.strip() and pair.target.strip() for pair in pairs)


@given(st.lists(st.tuples(st.text(), st.text()), max_size=8))
def test_json_lines_keep_any_text(tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]]) -> None:
    rows = [json.dumps({"source": source, "target": target}) for source, target in texts]
    pairs, _ = read(write(tmp_path_factory.mktemp("json") / "a.json", "\n".join(rows).encode()))
    ends = [(trimmed(s), trimmed(t)) for s, t in texts if "\0" not in s + t]
    usable = [(s, t) for s, t in ends if s and t]
    assert [(source, target) for source, target, _ in pairs] == usable


def test_text_is_kept_as_it_is_but_for_its_ends(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", '\ufeff "a\u2028b" \t<eos>\x85\r\n'.encode())
    assert read(path)[0] == [('"a\u2028b"', "<eos>", 1)]
    assert read(path, DataConfig(trim_ends=False, recognize=False))[0] == [(' "a\u2028b" ', "<eos>\x85", 1)]


@pytest.mark.parametrize("suffix", ["tsv", "txt", "TSV"])
def test_anything_else_is_tsv_and_gz_is_unpacked(tmp_path: Path, suffix: str) -> None:
    content = b"a\tb\n"
    plain = read(write(tmp_path / f"a.{suffix}", content))
    assert plain == read(write(tmp_path / f"a.{suffix}.gz", gzip.compress(content))) == ([("a", "b", 1)], {})


def test_gzip_json_lines(tmp_path: Path) -> None:
    content = gzip.compress(b'{"source": "a", "target": "b"}\n')
    assert read(write(tmp_path / "a.jsonl.gz", content))[0] == [("a", "b", 1)]


def test_json_fields_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", b'{"source": "x", "de": "a", "target": "b"}\n')
    assert read(path, DataConfig(source_column="de"))[0] == [("a", "b", 1)]


@pytest.mark.parametrize(
    ("config", "expected", "reasons"),
    [
        (DataConfig(), [("a", "b", 1)], {"missing_column": [2]}),
        (DataConfig(recognize=False), [], {"too_many_columns": [1], "missing_column": [2]}),
        (DataConfig(source_column="3", target_column="1"), [("c", "a", 1)], {"missing_column": [2]}),
        (DataConfig(source_column="2", target_column="1"), [("b", "a", 1)], {"missing_column": [2]}),
        (DataConfig(column_names=("x", "y", "z")), [("a", "b", 1)], {"missing_column": [2]}),
        (DataConfig(column_names=("x", "y", "z"), target_column="z"), [("a", "c", 1)], {"missing_column": [2]}),
        (DataConfig(column_names=("x", "y")), [], {"too_many_columns": [1], "missing_column": [2]}),
    ],
)
def test_columns(
    tmp_path: Path, config: DataConfig, expected: list[tuple[str, str, int]], reasons: dict[str, list[int]]
) -> None:
    assert read(write(tmp_path / "a.tsv", b"a\tb\tc\na\n"), config) == (expected, reasons)


@pytest.mark.parametrize("column", ["0", "-1", "word", "", "\u0663", "9" * 5000])
def test_an_unknown_column_number_is_refused(tmp_path: Path, column: str) -> None:
    path = write(tmp_path / "a.tsv", b"a\tb\n")
    with pytest.raises(
        DataError, match=r"data\.source_column must be a column number from 1, but it is .*column_names"
    ):
        PairReader(path, None, DataConfig(source_column=column))


def test_an_unknown_column_name_lists_the_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", b"a\tb\n")
    with pytest.raises(
        DataError, match=r"data\.target_column must be one of x, y or a number from 1 to 2, but it is 'z'"
    ):
        PairReader(path, None, DataConfig(target_column="z", column_names=("x", "y")))


def test_parallel_files(tmp_path: Path) -> None:
    source = write(tmp_path / "a.de", "ä\tstill a\n\nb\n".encode() + b"c\xff\nd")
    target = write(tmp_path / "a.en.gz", gzip.compress(b"A\nB\n \nC\nD\n"))
    reader = PairReader(source, target)
    assert list(reader) == [Pair("ä\tstill a", "A", 1), Pair("d", "D", 5)]
    assert reader.report.counts == {"empty_source": 1, "empty_target": 1, "invalid_encoding": 1}
    assert (reader.report.lines, reader.report.kept) == (5, 2)


def test_where_nothing_is_usable_the_command_reads_the_same_files(tmp_path: Path) -> None:
    config = DataConfig(source_column="3")
    table, source, target = (write(tmp_path / name, b"\n") for name in ("a.tsv", "a.de", "a.en"))
    for second, options in ((None, True), (target, False)):
        reader = PairReader(source if second else table, second, config)
        assert list(reader) == []
        assert ("source_column" in str(reader.nothing_usable())) == options


def test_misaligned_parallel_files_are_refused_with_both_counts(tmp_path: Path) -> None:
    source, target = write(tmp_path / "a.de", b"a\nb\n"), write(tmp_path / "a.en", b"A\nB\nC")
    with pytest.raises(DataError, match=r"a\.de: parallel files must .* it has 2 and .*a\.en has 3; align them first"):
        PairReader(source, target)


@pytest.mark.parametrize("later", [b"A\n", b"A\nB\nC\n"])
def test_a_file_which_changes_is_refused(tmp_path: Path, later: bytes) -> None:
    source, target = write(tmp_path / "a.de", b"a\nb\n"), write(tmp_path / "a.en", b"A\nB\n")
    reader = PairReader(source, target)
    target.write_bytes(later)
    with pytest.raises(DataError, match="same number of lines"):
        list(reader)


def test_missing_files_are_refused_at_once(tmp_path: Path) -> None:
    source = write(tmp_path / "a.de", b"a\n")
    with pytest.raises(DataError, match="no such file"):
        PairReader(tmp_path / "none")
    with pytest.raises(DataError, match="no such file"):
        PairReader(source, tmp_path / "none")


def test_every_pass_has_its_own_report(tmp_path: Path) -> None:
    reader = PairReader(write(tmp_path / "a.tsv", b"a\tb\nbad\nc\td\n"))
    first = list(reader)
    report = reader.report
    assert list(reader) == first
    assert reader.report == report
    assert reader.report is not report
    next(iter(reader))
    assert (reader.report.lines, reader.report.kept) == (1, 1)


def test_prediction_input_keeps_every_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = b"\xef\xbb\xbfone\r\n\n\xfftwo\n\0\n\xff\nlast"
    expected = ["one", "", "\ufffdtwo", "\0", "\ufffd", "last"]
    path = write(tmp_path / "a.txt", content)
    with caplog.at_level(logging.WARNING, logger="seqweave"):
        assert list(read_sources(path)) == expected
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}:3: not valid UTF-8; such bytes are read as U+FFFD, here and below"
    ]


def test_a_prediction_line_beyond_all_bounds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_PREDICT_LINE_BYTES", 10)
    path = write(tmp_path / "a.txt", b"short\n" + b"x" * 11)
    with pytest.raises(DataError, match=r"a\.txt:2: a line must have at most 10 bytes, but this one has more; cut it"):
        list(read_sources(path))


def test_prediction_input_must_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_sources(tmp_path / "none")
