"""Pretrained vectors of items, in the text format of word2vec, GloVe and fastText, read as a stream.

A line is an item and its numbers, separated by single blanks; a blank after the last number does not count,
and an item may hold blanks itself, or be one. A first line of two whole numbers, how many vectors follow and how wide
they are, is a header. Lines are those of `seqweave.data.lines`; a `.gz` file is unpacked on the way.

Only the vectors of a vocabulary are kept, so memory does not grow with the file. For the same reason the
numbers of other items are counted but not read.

What this leaves out: the binary format of word2vec, and vectors for pieces of words which fastText makes up
from its `.bin` files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqweave.data.lines import check_file, read_lines
from seqweave.errors import DataError
from seqweave.text.tokenizers import Tokenizer
from seqweave.text.vocabulary import BLANK_MARK, SPECIALS, display_name

MAX_LINE_BYTES = 10_000_000
_EXAMPLES = 3


@dataclass(frozen=True)
class Vectors:
    """The vectors that a file has for a vocabulary.

    Attributes:
        ids: entries that have a vector, ascending; shape (N,).
        values: their vectors; shape (N, M).
    """

    ids: NDArray[np.int64]
    values: NDArray[np.float32]


def read_vectors(path: Path, tokenizer: Tokenizer, size: int) -> Vectors:
    """The vectors of the entries of a vocabulary; specials and source tags have none.

    An item is of the entries that are shown by its name (`dog`, `▁dog`, `ing`), and of those that its text
    becomes: `dog` is `▁dog` in vocabularies of words, and `Dog` too where text is lower-cased. For an entry
    the item closest to its name wins; of equally close ones, the first in the file.

    Args:
        path: the file, plain or `.gz`.
        tokenizer: has the vocabulary.
        size: numbers of a vector (M).

    Raises:
        DataError: when the file cannot be read, a line is broken or not UTF-8, the vectors are not `size` wide,
            there are fewer than the header says, or no entry has one.
    """
    check_file(path)
    entries = _Entries(tokenizer)
    found: dict[int, tuple[int, NDArray[np.float32]]] = {}  # how far from the name, and the vector
    items: list[str] = []
    for number, item, numbers in _lines(path, size):
        if len(items) < _EXAMPLES:
            items.append(item)
        hits = [(id_, far) for id_, far in entries.of(item) if id_ not in found or far < found[id_][0]]
        if hits:
            vector = _vector(numbers, path, number)
            found.update({id_: (far, vector) for id_, far in reversed(hits)})  # the closest name last
    if not found:
        there = f"only those of others, such as {_some(items)}" if items else "none"
        raise DataError(
            f"must hold the vector of some entry of the vocabulary, such as {_some(entries.names)}, but it holds "
            f"{there}: take vectors for these units and this language",
            path,
        )
    ids = sorted(found)
    return Vectors(np.array(ids, dtype=np.int64), np.stack([found[id_][1] for id_ in ids]))


class _Entries:
    """The entries of a vocabulary by their names."""

    def __init__(self, tokenizer: Tokenizer):
        self.names = tokenizer.names(range(len(SPECIALS), tokenizer.size - tokenizer.feature_count))
        self._ids = {name: id_ for id_, name in enumerate(self.names, len(SPECIALS))}
        self._normalizer: Any = tokenizer.pipeline.normalizer

    def of(self, item: str) -> Iterator[tuple[int, int]]:
        """Entries that an item of a file may be, and how far it is from their names."""
        normal = display_name(self._normalizer.normalize_str(item))
        for far, name in enumerate((item, BLANK_MARK + item, normal, normal.removeprefix(BLANK_MARK))):
            id_ = self._ids.get(name)
            if id_ is not None:
                yield id_, far


def _lines(path: Path, size: int) -> Iterator[tuple[int, str, bytes]]:
    """Line number, item and numbers of each vector.

    Raises:
        DataError: see `read_vectors`.
    """
    announced = vectors = 0
    for number, line in enumerate(read_lines(path, MAX_LINE_BYTES), 1):
        if line is None:
            raise DataError(
                f"a line must have at most {MAX_LINE_BYTES:,} bytes, but it has more: this is no text file of vectors",
                path,
                number,
            )
        line = line.rstrip(b" ")
        header = line.split(b" ") if number == 1 else []
        if len(header) == 2 and all(part.isdigit() for part in header):
            announced, width = int(header[0]), int(header[1])
            if width != size:
                raise _other_width(width, size, path)
            continue
        vectors += 1
        yield number, *_cut(line, size, path, number)
    if vectors < announced:
        raise DataError(
            f"must hold {announced:,} vectors, as its first line says, but it ends after {vectors:,}: "
            "it was cut short, so download it again",
            path,
        )


def _cut(line: bytes, size: int, path: Path, number: int) -> tuple[str, bytes]:
    """The item and the numbers of a line."""
    blanks = line.count(b" ")
    words, numbers = [b""], b""
    if blanks >= size:
        *words, numbers = line.split(b" ", blanks - size + 1)
    item = b" ".join(words)
    if wrong := _wrong_item(words, line):
        found = _numbers_at_the_end(line)
        if number == 1 and found not in (0, size):
            raise _other_width(found, size, path)
        raise DataError(
            f"a line must be an item and {size} numbers, separated by single blanks, but {wrong}: correct or remove it",
            path,
            number,
        )
    try:
        return item.decode("utf-8"), numbers
    except UnicodeDecodeError:
        raise DataError(
            "a line must be UTF-8, but its item is not: convert the file, or remove the line", path, number
        ) from None


def _wrong_item(words: list[bytes], line: bytes) -> str | None:
    """What is wrong with the words before the numbers of a line; an item may be a blank, or have blanks in it."""
    if words == [b""]:
        count = _numbers_at_the_end(line)
        return "its item is empty" if line.startswith(b" ") else f"{count} numbers follow its item"
    if not any(words):
        return None
    if not words[-1]:
        return "two blanks follow its item"
    # No item has been seen to end in a number: such a line is too wide.
    if len(words) > 1 and _is_number(words[-1]):
        return f"{_numbers_at_the_end(line)} numbers follow its item"
    return None


def _numbers_at_the_end(line: bytes) -> int:
    """How many numbers a line has behind its item."""
    parts = line.split(b" ")
    others = next((place for place, part in enumerate(reversed(parts)) if not _is_number(part)), len(parts))
    return min(others, len(parts) - 1)


def _other_width(found: int, size: int, path: Path) -> DataError:
    return DataError(
        f"vectors must be as wide as model.embedding_size, which is {size}, but these have {found} numbers: "
        f"set model.embedding_size={found}, or use others",
        path,
        1,
    )


def _vector(numbers: bytes, path: Path, number: int) -> NDArray[np.float32]:
    """Shape: (M,)."""
    try:
        with np.errstate(over="ignore"):  # becomes infinite, and is refused below
            vector = np.array([float(part) for part in numbers.split(b" ")], dtype=np.float32)
    except ValueError:
        wrong = next(part for part in numbers.split(b" ") if not _is_number(part)).decode("utf-8", "replace")
        raise DataError(
            f"a line must be an item and numbers, but {wrong!r} is not a number: correct or remove it", path, number
        ) from None
    if not np.isfinite(vector).all():
        raise DataError(
            "the numbers of a vector must be finite, but one is not: correct or remove the line", path, number
        )
    return vector


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _some(names: list[str]) -> str:
    return ", ".join(names[:_EXAMPLES])
