"""Lines of a file as bytes: split on the newline byte only, with bounded memory, packed or not.

One rule for every input file: lines end with the byte `\n` and nothing else (a form feed, U+2028
or a lone carriage return is text), a byte order mark at the start of the file and one `\r` at the
end of a line are taken away, a last line without newline counts, a final newline starts no line.
Files of another encoding, or with lines that end with CR alone, come through `seqweave.data.encodings` first.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from seqweave.data.containers import check_file, is_regular, opened
from seqweave.data.dialect import Dialect
from seqweave.data.encodings import opened_text

__all__ = ["BOM", "check_file", "count_lines", "is_regular", "read_blocks", "read_lines", "split_lines"]

BOM = b"\xef\xbb\xbf"
_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 16
# A byte order mark, `\r\n`, and one byte more which proves that a line without its newline is too long.
_SLACK_BYTES = len(BOM) + 2 + 1
_PLAIN = Dialect("lines")


def read_lines(path: Path, max_bytes: int, dialect: Dialect | None = None) -> Iterator[bytes | None]:
    """Yield each line in UTF-8 without its line end; `None` for a line of more than `max_bytes` bytes.

    Memory is bounded by `max_bytes`, whatever the file holds.

    Args:
        path: the file.
        max_bytes: the longest line.
        dialect: container, encoding and line ends of the file; None: UTF-8, packed as its first bytes say.

    Raises:
        DataError: when the file cannot be read, or is damaged.
    """
    container = None if dialect is None else dialect.container
    found = dialect or _PLAIN
    with opened_text(path, container, found.encoding, found.line_ends) as file:
        yield from split_lines(file, max_bytes)


def read_blocks(path: Path) -> Iterator[bytes]:
    """Yield the content of a file, unpacked, a part at a time.

    Raises:
        DataError: when the file cannot be read, or is damaged.
    """
    with opened(path) as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def split_lines(file: BinaryIO, max_bytes: int) -> Iterator[bytes | None]:
    """Yield the lines of an open binary file as `read_lines` does."""
    limit = max_bytes + _SLACK_BYTES
    first = True
    while chunk := file.readline(limit):
        complete = chunk.endswith(b"\n") or len(chunk) < limit
        if first:
            first = False
            chunk = chunk.removeprefix(BOM)
            if not chunk:
                return
        line = chunk.removesuffix(b"\n").removesuffix(b"\r")
        if not complete:
            _skip_line(file)
        yield line if complete and len(line) <= max_bytes else None


def count_lines(path: Path, dialect: Dialect | None = None) -> int:
    """Count the lines that `read_lines` gives, without looking at them.

    Raises:
        DataError: when the file cannot be read, or is damaged.
    """
    lines = 0
    last = b"\n"
    container = None if dialect is None else dialect.container
    found = dialect or _PLAIN
    with opened_text(path, container, found.encoding, found.line_ends) as file:
        chunk = file.read(_CHUNK_BYTES).removeprefix(BOM)
        while chunk:
            lines += chunk.count(b"\n")
            last = chunk[-1:]
            chunk = file.read(_CHUNK_BYTES)
    return lines + (last != b"\n")


def _skip_line(file: BinaryIO) -> None:
    while (chunk := file.readline(_CHUNK_BYTES)) and not chunk.endswith(b"\n"):
        pass
