"""Lines as bytes: the newline rules, the limit, gzip, and what cannot be read."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqweave.data.lines import check_file, count_lines, read_lines, split_lines
from seqweave.errors import DataError

ALPHABET = st.sampled_from([b"\n", b"\r", b"\t", b"a", b"\xef\xbb\xbf", b"\x0c", b"\xe2\x80\xa8", b"\xff", b"\0"])
CONTENT = st.lists(ALPHABET, max_size=40).map(b"".join)


def whole_file_lines(content: bytes, limit: int) -> list[bytes | None]:
    """The slow twin: everything in memory."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    parts = content.split(b"\n")
    if parts[-1] == b"":
        parts.pop()
    lines = [part.removesuffix(b"\r") for part in parts]
    return [line if len(line) <= limit else None for line in lines]


@given(CONTENT, st.integers(1, 12))
def test_lines_equal_splitting_the_whole_file(content: bytes, limit: int) -> None:
    assert list(split_lines(io.BytesIO(content), limit)) == whole_file_lines(content, limit)


@given(CONTENT)
def test_counted_lines_are_the_lines_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("lines") / "a"
    path.write_bytes(content)
    assert count_lines(path) == len(list(read_lines(path, 10)))


def test_only_the_newline_byte_ends_a_line() -> None:
    content = "a\u2028b\x0bc\x0cd\x85e\rf\nlast".encode()
    assert list(split_lines(io.BytesIO(content), 100)) == ["a\u2028b\x0bc\x0cd\x85e\rf".encode(), b"last"]


def test_a_byte_order_mark_counts_only_at_the_start() -> None:
    assert list(split_lines(io.BytesIO(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n"), 100)) == [b"a", b"\xef\xbb\xbfb"]


class CountingFile(io.BytesIO):
    """Remembers the most bytes handed out at once."""

    largest = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(-1 if size is None else size)
        self.largest = max(self.largest, len(line))
        return line


def test_a_very_long_line_is_never_in_memory() -> None:
    file = CountingFile(b"x" * 5_000_000 + b"\nshort\n")
    assert list(split_lines(file, 100)) == [None, b"short"]
    assert file.largest <= 1 << 20


def test_gzip_gives_the_same_lines(tmp_path: Path) -> None:
    content = b"one\t1\r\n\ntwo\t2"
    (tmp_path / "a.tsv").write_bytes(content)
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(content))
    assert list(read_lines(tmp_path / "a.tsv.gz", 100)) == list(read_lines(tmp_path / "a.tsv", 100))
    assert count_lines(tmp_path / "a.tsv.gz") == 3


@pytest.mark.parametrize(
    "damage",
    [lambda packed: packed[:-9], lambda packed: packed[:20] + b"\xff" * 20 + packed[40:]],
    ids=["cut", "overwritten"],
)
def test_damaged_gzip_is_refused(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    path = tmp_path / "a.gz"
    path.write_bytes(damage(gzip.compress(bytes(range(1, 200)) * 50)))
    with pytest.raises(DataError, match=r"a\.gz: must be a gzip file, but it is damaged .* again"):
        list(read_lines(path, 100))
    with pytest.raises(DataError, match="damaged"):
        count_lines(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.tsv: must be a file, but there is no such file"):
        check_file(tmp_path / "none.tsv")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="but it is a folder; name a file in it"):
        check_file(tmp_path)


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="must be a regular file, because it is read more than once"):
        check_file(tmp_path / "pipe")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a\tb\n")
    (tmp_path / "a").chmod(0)
    with pytest.raises(DataError, match=r"cannot be read .* check the path and its permissions"):
        check_file(tmp_path / "a")


@pytest.mark.parametrize("content", [b"", b"PK\tx\n", b"\xef\xbb\xbfa\tb\n", b"\xff\tb\n", b"\0"])
def test_text_that_begins_almost_so_is_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tsv").write_bytes(content)
    check_file(tmp_path / "a.tsv")
