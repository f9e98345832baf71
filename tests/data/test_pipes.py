"""Lines as they come."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqweave.data import pipes
from seqweave.data.pipes import batches_of_lines, blocks_as_they_come, transcoded
from seqweave.errors import DataError

PLACE = Path("here")


@given(st.lists(st.binary(max_size=6)), st.integers(1, 5))
def test_cutting_into_blocks_changes_no_line(lines: list[bytes], size: int) -> None:
    lines = [line.replace(b"\n", b"").replace(b"\r", b"") for line in lines]
    content = b"".join(line + b"\r\n" for line in lines)
    blocks = (content[start : start + size] for start in range(0, len(content), size))
    assert [line for batch in batches_of_lines(blocks, PLACE) for line in batch] == lines


def test_an_empty_block_gives_what_is_there() -> None:
    given_blocks = [b"", b"a\nb\nc", b"", b"", b"d\n", b"", b"e"]
    assert list(batches_of_lines(iter(given_blocks), PLACE)) == [[b"a", b"b"], [b"cd"], [b"e"]]


def test_batches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes, "MOST_LINES", 2)
    assert list(batches_of_lines(iter([b"a\nb\nc\nd\ne\n"]), PLACE)) == [[b"a", b"b"], [b"c", b"d"], [b"e"]]
    monkeypatch.setattr(pipes, "MOST_BYTES", 3)
    assert list(batches_of_lines(iter([b"aaaa\nb\n"]), PLACE)) == [[b"aaaa"], [b"b"]]


@pytest.mark.parametrize("blocks", [[b"ab\nlonger\n"], [b"ab\n", b"longer", b"er"]])
def test_a_line_that_is_too_long_is_refused_after_those_before(
    monkeypatch: pytest.MonkeyPatch, blocks: list[bytes]
) -> None:
    monkeypatch.setattr(pipes, "MAX_LINE_BYTES", 4)
    found = batches_of_lines(iter(blocks), PLACE)
    assert next(found) == [b"ab"]
    with pytest.raises(DataError, match="here:2: a line must have at most 4 bytes"):
        next(found)


def test_reading_that_fails_is_an_error() -> None:
    def fails() -> bytes:
        raise IsADirectoryError(21, "Is a directory")

    with pytest.raises(DataError, match="here: cannot be read"):
        list(blocks_as_they_come(fails, PLACE))


def test_other_encodings_across_blocks() -> None:
    content = "고양이\n개\n".encode("cp949")
    blocks = [content[place : place + 1] for place in range(len(content))]
    assert b"".join(transcoded(iter(blocks), "cp949", PLACE)).decode() == "고양이\n개\n"
    with pytest.raises(DataError, match="here:2: must be text in cp949"):
        list(transcoded(iter([b"a\n", b"\xff\xff\n"]), "cp949", PLACE))
    with pytest.raises(DataError, match="must be text in utf-8"):
        list(transcoded(iter([b"a\xe2"]), "utf-8", PLACE))
    for name in ("nothing", "base64", "", "rot13"):
        with pytest.raises(DataError, match="--encoding must be one that Python knows"):
            list(transcoded(iter([b"a"]), name, PLACE))
