"""A dev split by distinct source, so that no source is on both sides.

The side of a pair depends on its source text and the seed alone: not on the order of the file,
nor on other pairs, so data added later never moves a pair from one side to the other as long as
the fraction stays.
"""

from __future__ import annotations

from hashlib import blake2b

MAX_DEV_FRACTION = 0.1


def is_dev(source: str, seed: int, fraction: float) -> bool:
    """Whether pairs with this source text belong to the dev side.

    Args:
        source: the source text, as read.
        seed: another seed draws another split; 0 or more.
        fraction: the expected share of distinct sources on the dev side, 0 to 1.
    """
    salt = (seed % 2**64).to_bytes(8, "little")
    digest = blake2b(source.encode("utf-8", "surrogatepass"), digest_size=8, salt=salt).digest()
    # Integers, because 2**64 - 1 divided by 2**64 is 1.0 as a float, which no fraction would include.
    return int.from_bytes(digest, "little") < int(fraction * 2**64)


def dev_fraction(pairs: int, dev_size: int) -> float:
    """The fraction which holds out about `dev_size` of `pairs`, at most a tenth; 0 without pairs."""
    return min(dev_size / pairs, MAX_DEV_FRACTION) if pairs > 0 else 0.0
