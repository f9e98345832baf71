"""The numbers that draws are made of; without torch, because every backend draws with the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def chances_of(parts: Sequence[Array], positions: int, seed: int, draw: int) -> Array:
    """Numbers in [0, 1) for the positions of one output, (positions,).

    They depend on the seed, `draw` and the source only: the generator is keyed by a hash of them.

    Args:
        parts: what the model reads of the source, ids (S,) or frames (S, F); and where it copies, what each position
            stands for, (S,).
        positions: how many.
        seed: random seed.
        draw: which of several outputs of the same source.
    """
    hashed = hashlib.blake2b(f"{seed} {draw}".encode(), digest_size=16)
    for part in parts:
        hashed.update(_hashed(part))
    key = int.from_bytes(hashed.digest(), "little")
    return np.random.Generator(np.random.Philox(key=key)).random(positions)


def _hashed(values: Array) -> bytes:
    """Ids of a source, or its frames, for the hash; ids as text, so that draws are those of earlier versions."""
    if values.ndim == 1:
        return "".join(f" {id_}" for id_ in values.tolist()).encode()
    return np.ascontiguousarray(values).tobytes()
