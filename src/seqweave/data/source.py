"""A source: what an encoder reads at each position, ids of items or frames (float vectors).

Readers make sources, an encoder reads them, and nothing between asks what they are of: data sets, batches,
search, proofs and traces pass them on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqweave.errors import DataError
from seqweave.text.vocabulary import PAD

Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Source:
    """One source, on the host.

    Attributes:
        values: ids (S,) int64, or frames (S, F) float32.
        copies: of a model that copies: what each position stands for in an output (`seqweave.data.copying`).
            Shape: (S,) int64, or None.
    """

    values: NDArray[Any]
    copies: Ids | None = None

    def __len__(self) -> int:
        return len(self.values)

    def first(self, positions: int | None) -> Source:
        """The source cut to so many positions; None: all of it."""
        return Source(self.values[:positions], None if self.copies is None else self.copies[:positions])


def make_sources(rows: Sequence[Sequence[int] | NDArray[Any]]) -> list[Source]:
    """Sources of lists of ids, or of arrays: ids (S,) or frames (S, F).

    Raises:
        DataError: when an array is neither.
    """
    return [_made(row, number) for number, row in enumerate(rows, 1)]


def flattened(rows: Sequence[Sequence[int]]) -> tuple[Ids, Ids]:
    """Lists of ids one after the other, and their lengths; shapes (sum,), (B,)."""
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    return np.fromiter(chain.from_iterable(rows), dtype=np.int64, count=int(lengths.sum())), lengths


def padded(values: NDArray[Any], lengths: Ids, room: int = 0) -> NDArray[Any]:
    """Rows that lie one after the other, padded to the longest row plus `room`, at least one position wide.

    Shape: values (sum, ...), lengths (B,) -> (B, width, ...).
    """
    width = max(1, int(lengths.max(initial=0)) + room)
    rows = np.full((len(lengths), width, *values.shape[1:]), PAD, dtype=values.dtype)
    rows[np.arange(width) < lengths[:, None]] = values  # -> the real positions, row by row
    return rows


def _made(row: Sequence[int] | NDArray[Any], number: int) -> Source:
    values = np.asarray(row)
    if values.ndim == 1 and (values.size == 0 or np.issubdtype(values.dtype, np.integer)):
        return Source(values.astype(np.int64, copy=False))
    if values.ndim == 2 and np.issubdtype(values.dtype, np.floating):
        return Source(values.astype(np.float32, copy=False))
    raise DataError(
        f"source {number} must be ids (S,) or frames (S, F), but it is an array {values.shape} of {values.dtype}"
    )
