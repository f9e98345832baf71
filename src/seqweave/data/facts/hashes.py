"""Which sources were trained on, in half a mebibyte at most: the smallest of their hashes.

A text is its 64-bit BLAKE2b hash. The `MOST` smallest distinct ones are kept (a bottom-k sketch: Cohen and
Kaplan 2007). While there are no more distinct sources than that, all are known. With more, it is known of
every text whose hash is not above the largest kept one, which is as good as a random choice of texts.
With n distinct sources, the chance that a text which is not among them has the hash of one is about n / 2^64.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

import numpy as np

from seqweave.data.smallest import Smallest
from seqweave.errors import ModelFolderError
from seqweave.wording import RESTORE

MOST = 65_536
_BYTES = 8  # of a hash


def text_hash(text: str) -> int:
    """The hash of a text."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest(), "little")


class SourceHashes:
    """A set of texts that remembers the smallest hashes only.

    Args:
        hashes: those to begin with, as `from_file` reads them.
    """

    def __init__(self, hashes: Iterable[int] = ()):
        self._smallest = Smallest(MOST, hashes)

    def add(self, text: str) -> None:
        """Remember a text."""
        self._smallest.add(text_hash(text))

    def knows(self, text: str) -> bool | None:
        """Whether a text was added; None when its hash is too large to have been kept."""
        return self._smallest.knows(text_hash(text))

    def to_bytes(self) -> bytes:
        """The hashes kept, ascending, as little-endian 64-bit numbers."""
        return np.array(self._smallest.sorted(), dtype="<u8").tobytes()

    @classmethod
    def from_file(cls, path: Path) -> SourceHashes:
        """Read what `to_bytes` gave.

        Raises:
            ModelFolderError: when the file cannot be read, or is cut short.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelFolderError(f"cannot read {path} ({error.strerror}): {RESTORE}") from None
        if len(content) % _BYTES:
            raise ModelFolderError(
                f"{path} must hold numbers of {_BYTES} bytes, but it has {len(content)} bytes: {RESTORE}"
            )
        return cls(np.frombuffer(content, dtype="<u8").tolist())
