"""Lines of a file as bytes: split on the newline byte only, plain or gzip, with bounded memory.

One rule for every input file: lines end with the byte `\n` and nothing else (a form feed, U+2028
or a lone carriage return is text), a byte order mark at the start of the file and one `\r` at the
end of a line are taken away, a last line without newline counts, a final newline starts no line.
"""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from seqweave.errors import DataError

BOM = b"\xef\xbb\xbf"
_CHUNK_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 16
# What a file begins with that is not text: nothing of it could be used, so it is refused as a whole.
FOREIGN = {  # how files begin that are no UTF-8 text
    b"\xff\xfe\0\0": "UTF-32 text",
    b"\0\0\xfe\xff": "UTF-32 text",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"\x1f\x8b": "gzip without .gz at the end of its name",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "a zip archive (or a spreadsheet)",
}
# A byte order mark, `\r\n`, and one byte more which proves that a line without its newline is too long.
_SLACK_BYTES = len(BOM) + 2 + 1


def is_gzip(path: Path) -> bool:
    """Whether the file name says that the file is compressed."""
    return path.name.lower().endswith(".gz")


def check_file(path: Path) -> None:
    """Refuse a path which cannot be read again and again as a file.

    Raises:
        DataError: when it is missing, a folder, a pipe or a device, may not be read, or begins as something else
            than UTF-8 text does (UTF-16, or compressed in a way that its name does not tell).
    """
    if not is_regular(path):
        raise DataError("must be a regular file, because it is read more than once; save it as a file first", path)
    with _reading(path) as file:
        # Only the name says gzip, and an empty .gz file of 0 bytes is read as no lines.
        head = b"" if is_gzip(path) else file.read(max(map(len, FOREIGN)))
    for begin, what in FOREIGN.items():
        if head.startswith(begin):
            raise DataError(f"must be UTF-8 text, plain or in a .gz file, but it is {what}; convert or rename it", path)


def is_regular(path: Path) -> bool:
    """Whether a path is that of a regular file; a pipe and a device are none.

    Raises:
        DataError: when it is missing, or a folder.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _unreadable(path, error) from None
    if stat.S_ISDIR(mode):
        raise DataError("must be a file, but it is a folder; name a file in it", path)
    return stat.S_ISREG(mode)


def read_lines(path: Path, max_bytes: int) -> Iterator[bytes | None]:
    """Yield each line without its line end; `None` for a line of more than `max_bytes` bytes.

    Memory is bounded by `max_bytes`, whatever the file holds.

    Raises:
        DataError: when the file cannot be read, or is damaged gzip.
    """
    with _reading(path) as file:
        yield from split_lines(file, max_bytes)


def read_blocks(path: Path) -> Iterator[bytes]:
    """Yield the content of a plain or gzip file, a part at a time.

    Raises:
        DataError: when the file cannot be read, or is damaged gzip.
    """
    with _reading(path) as file:
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


def count_lines(path: Path) -> int:
    """Count the lines that `read_lines` gives, without looking at them.

    Raises:
        DataError: when the file cannot be read, or is damaged gzip.
    """
    lines = 0
    last = b"\n"
    with _reading(path) as file:
        chunk = file.read(_CHUNK_BYTES).removeprefix(BOM)
        while chunk:
            lines += chunk.count(b"\n")
            last = chunk[-1:]
            chunk = file.read(_CHUNK_BYTES)
    return lines + (last != b"\n")


def _skip_line(file: BinaryIO) -> None:
    while (chunk := file.readline(_CHUNK_BYTES)) and not chunk.endswith(b"\n"):
        pass


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    """Open a plain or gzip file; whatever goes wrong until it is closed becomes a `DataError`."""
    try:
        if is_gzip(path):
            with gzip.open(path, "rb") as packed:
                yield cast(BinaryIO, packed)
        else:
            with path.open("rb") as plain:
                yield plain
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"must be a gzip file, but it is damaged ({error}); download or compress it again", path
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError("must be a file, but there is no such file; check the path", path)
    return DataError(f"cannot be read ({error.strerror or error}); check the path and its permissions", path)
