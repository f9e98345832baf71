"""Which sources are held out: by distinct source, so that no source is on both sides.

Each distinct source has a place, a hash of its text alone. Those with the smallest places are held out. So the side
of a pair depends on the sources of the file and the share held out, not on the order of the file, nor on repeats,
nor on the seed of the weights: models of several seeds are measured on the same pairs, and never trained on them.

Model folders of format 0 go by `is_dev`, which depends on `training.seed`.
"""

from __future__ import annotations

import unicodedata
from hashlib import blake2b

from seqweave.data.smallest import Smallest
from seqweave.text.ends import trimmed

MAX_DEV_FRACTION = 0.1
LEAST_HELD_OUT = 2
"""Distinct sources on the dev side: a single pair measures nothing."""
LEAST_SOURCES = 2 * LEAST_HELD_OUT
_PLACES = 2**64
_KEPT = 65_536  # distinct sources up to which the share is exact


def source_key(source: str) -> str:
    """What sources that count as the same have in common: the text without its ends (`trimmed`), in NFC."""
    return unicodedata.normalize("NFC", trimmed(source))


def place_of(source: str, seed: int | None = None) -> int:
    """Where a source stands, from 0 to 2^64 - 1; a function of its `source_key`.

    Args:
        source: the source text, without tags.
        seed: another one puts all sources elsewhere; None: the order of the dev split inside training, which has
            nothing to do with that of any seed.
    """
    salt = b"" if seed is None else (seed % 2**64).to_bytes(8, "little")
    text = source_key(source).encode("utf-8", "surrogatepass")
    person = b"seqweave dev" if seed is None else b"seqweave split"
    return int.from_bytes(blake2b(text, digest_size=8, salt=salt, person=person).digest(), "little")


class DevBoundary:
    """Finds the place below which sources are held out, in memory that does not grow with the corpus."""

    def __init__(self) -> None:
        self._places = Smallest(_KEPT)

    def add(self, source: str) -> None:
        """Count a source, if it has not been there."""
        self._places.add(place_of(source))

    @property
    def few(self) -> int | None:
        """How many distinct sources there are, where they are too few to hold some out; else None."""
        sources = len(self._places.sorted())
        return sources if sources < LEAST_SOURCES else None

    def of(self, fraction: float) -> int:
        """The boundary that holds out this share of the distinct sources, `LEAST_HELD_OUT` at least.

        The share is exact up to 65,536 distinct sources. With more, each is held out with that probability.
        """
        assert self.few is None
        places = self._places.sorted()
        if self._places.complete:
            return places[max(LEAST_HELD_OUT, int(fraction * len(places) + 0.5))]
        return max(places[LEAST_HELD_OUT], int(fraction * _PLACES))


def dev_fraction(pairs: int, dev_size: int) -> float:
    """The fraction which holds out about `dev_size` of `pairs`, at most a tenth; 0 without pairs."""
    return min(dev_size / pairs, MAX_DEV_FRACTION) if pairs > 0 else 0.0


def is_dev(source: str, seed: int, fraction: float) -> bool:
    """Whether pairs with this source text belong to the dev side, in folders of format 0.

    Args:
        source: the source text, as read.
        seed: another seed draws another split; 0 or more.
        fraction: the expected share of distinct sources on the dev side, 0 to 1.
    """
    salt = (seed % 2**64).to_bytes(8, "little")
    digest = blake2b(source.encode("utf-8", "surrogatepass"), digest_size=8, salt=salt).digest()
    # Integers, because 2**64 - 1 divided by 2**64 is 1.0 as a float, which no fraction would include.
    return int.from_bytes(digest, "little") < int(fraction * _PLACES)
