"""Lines as they come: from a pipe or a terminal, in batches of what is there, without waiting for more.

A thread reads while the batch before is being worked on, so nothing is lost in speed, and a program that writes one
line and waits is answered at once. Memory is bounded by the longest line and `MOST_BYTES`.
"""

from __future__ import annotations

import codecs
import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from seqweave.config.data import is_encoding
from seqweave.errors import DataError

MAX_LINE_BYTES = 10_000_000
MOST_LINES = 1000  # in a batch
MOST_BYTES = 1 << 22  # in a batch, but for a line that is longer
_BLOCK_BYTES = 1 << 16
_BLOCKS_AHEAD = 64
_WAKE_SECONDS = 0.5  # Windows hears Ctrl-C only between two waits


def blocks_as_they_come(read: Callable[[], bytes], place: Path) -> Iterator[bytes]:
    """The blocks that `read` gives until it gives an empty one; an empty block says that nothing more is there yet.

    Raises:
        DataError: when reading fails.
    """
    found: queue.Queue[bytes | OSError] = queue.Queue(_BLOCKS_AHEAD)

    def fetch() -> None:
        try:
            while block := read():
                found.put(block)
            found.put(b"")
        except OSError as error:
            found.put(error)

    threading.Thread(target=fetch, name="seqweave input", daemon=True).start()
    while True:
        if found.empty():
            yield b""
        block = _next(found)
        if isinstance(block, OSError):
            raise DataError(f"cannot be read ({block.strerror or block}); name a file, or pipe text in", place)
        if not block:
            return
        yield block


def reader_of(stream: TextIO) -> Callable[[], bytes]:
    """A function that gives what is there on a stream, waiting only where there is nothing, and "" at the end."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # no file of the system's, as in a test
        return lambda: stream.buffer.read(_BLOCK_BYTES)
    return lambda: os.read(descriptor, _BLOCK_BYTES)


def reader_of_pipe(path: Path) -> Callable[[], bytes]:
    """The same for a named pipe or a device."""
    file = path.open("rb", buffering=0)
    return lambda: file.read(_BLOCK_BYTES) or b""


def transcoded(blocks: Iterator[bytes], encoding: str, place: Path) -> Iterator[bytes]:
    """Blocks of another encoding as UTF-8.

    Raises:
        DataError: when there is no such encoding, or a byte does not belong to it.
    """
    if not is_encoding(encoding):
        raise DataError(
            f"--encoding must be one that Python knows, such as cp949, shift_jis, utf-16 or latin-1, but it is "
            f"{encoding!r}: name another",
            place,
        )
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    for block in blocks:
        if not block:
            yield b""
            continue
        text = _decoded(decoder, block, encoding, (place, line))
        line += text.count("\n")
        if text:
            yield text.encode("utf-8", "replace")
    if rest := _decoded(decoder, b"", encoding, (place, line), final=True):
        yield rest.encode("utf-8", "replace")


def batches_of_lines(blocks: Iterator[bytes], place: Path) -> Iterator[list[bytes]]:
    """Lines without their line ends, in batches: what is there when a block is empty, or as many as a batch may have.

    Lines end with the byte `\\n`, and `\\r` before it counts as part of the end; so does the end of the last line.

    Raises:
        DataError: at a line of more than `MAX_LINE_BYTES` bytes, after the lines before it; or when there is no line
            end but `\r`.
    """
    ready: list[bytes] = []
    parts: list[bytes] = []  # of the line that has not ended yet
    number = size = begun = 0
    for block in blocks:
        *ended, rest = block.split(b"\n")
        for piece in ended:
            line = b"".join((*parts, piece)).rstrip(b"\r")
            parts, begun = [], 0
            number += 1
            if len(line) > MAX_LINE_BYTES:
                if ready:
                    yield ready
                raise _too_long(place, number)
            size += len(line)
            ready.append(line)
            if len(ready) == MOST_LINES or size >= MOST_BYTES:
                yield ready
                ready, size = [], 0
        if rest:
            parts.append(rest)
            begun += len(rest)
        if ready and (not block or begun > MAX_LINE_BYTES):
            yield ready
            ready, size = [], 0
        if begun > MAX_LINE_BYTES:
            raise _too_long(place, number + 1)
    if parts:
        ready.append(b"".join(parts).rstrip(b"\r"))
        if number == 0 and b"\r" in ready[0]:
            raise DataError(
                r"lines must end with \n, but these end with \r alone: convert them, as in `tr '\r' '\n' < FILE`", place
            )
    if ready:
        yield ready


def _too_long(place: Path, line: int) -> DataError:
    return DataError(f"a line must have at most {MAX_LINE_BYTES:,} bytes, but this one has more; cut it", place, line)


def _next(found: queue.Queue[bytes | OSError]) -> bytes | OSError:
    while True:
        try:
            return found.get(timeout=_WAKE_SECONDS)
        except queue.Empty:
            continue


def _decoded(
    decoder: codecs.IncrementalDecoder, block: bytes, encoding: str, where: tuple[Path, int], final: bool = False
) -> str:
    try:
        return decoder.decode(block, final)
    except UnicodeError:
        place, line = where
        raise DataError(
            f"must be text in {encoding}, but from here on it is not: name another --encoding", place, line
        ) from None
