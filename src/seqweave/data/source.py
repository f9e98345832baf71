"""A source: what an encoder reads at each position, ids of items or frames (float vectors).

Readers make sources, an encoder reads them, and nothing between asks what they are of: data sets, batches,
search, proofs and traces pass them on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

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


class SourceBatch(NamedTuple):
    """Padded sources of B sentences, as `encode` takes them. Padding is 0; what is real follows from the lengths.

    Attributes:
        values: ids (B, S) int64, or frames (B, S, F) float32.
        lengths: positions of each; (B,) int64.
        copies: as of `Source`; (B, S) int64, or None.
    """

    values: Tensor
    lengths: Tensor
    copies: Tensor | None = None

    @property
    def width(self) -> int:
        """Positions of the batch, padding counted."""
        return self.values.shape[1]

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return self.values.device

    def to(self, device: torch.device | str) -> SourceBatch:
        """The same batch on a device; to a GPU from pinned memory, without waiting for the copy."""
        copies = None if self.copies is None else moved(self.copies, device)
        return SourceBatch(moved(self.values, device), moved(self.lengths, device), copies)

    def repeated(self, times: int) -> SourceBatch:
        """Each source so many times, next to each other, in tensors of their own."""
        copies = None if self.copies is None else self.copies.repeat_interleave(times, 0)
        return SourceBatch(self.values.repeat_interleave(times, 0), self.lengths.repeat_interleave(times, 0), copies)

    def widened(self, positions: int) -> SourceBatch:
        """The same sources with so many more positions of padding."""
        room = [0, 0] * (self.values.dim() - 2) + [0, positions]  # from the last dimension on
        copies = None if self.copies is None else functional.pad(self.copies, (0, positions))
        return SourceBatch(functional.pad(self.values, room), self.lengths, copies)


def make_sources(rows: Sequence[Sequence[int] | NDArray[Any]]) -> list[Source]:
    """Sources of lists of ids, or of arrays: ids (S,) or frames (S, F).

    Raises:
        DataError: when an array is neither.
    """
    return [_made(row, number) for number, row in enumerate(rows, 1)]


def pad_sources(sources: Sequence[Source]) -> SourceBatch:
    """Put sources into a batch on the CPU, at least one position wide."""
    lengths = np.fromiter(map(len, sources), dtype=np.int64, count=len(sources))
    values = np.concatenate([source.values for source in sources]) if sources else np.zeros(0, dtype=np.int64)
    copies = [source.copies for source in sources if source.copies is not None]
    if copies and len(copies) != len(sources):
        raise DataError(f"all sources of a batch must have copies or none, but {len(copies)} of {len(sources)} do")
    return source_batch(values, lengths, np.concatenate(copies) if copies else None)


def source_batch(values: NDArray[Any], lengths: Ids, copies: Ids | None) -> SourceBatch:
    """A batch of sources that lie one after the other. Shape: values (sum,) or (sum, F), lengths (B,)."""
    return SourceBatch(
        torch.from_numpy(padded(values, lengths)),
        torch.from_numpy(lengths),
        None if copies is None else torch.from_numpy(padded(copies, lengths)),
    )


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


def moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A tensor on a device; only a copy from pinned memory runs beside the host's work."""
    pinned = tensor.pin_memory() if torch.device(device).type == "cuda" and not tensor.is_cuda else tensor
    return pinned.to(device, non_blocking=True)


def _made(row: Sequence[int] | NDArray[Any], number: int) -> Source:
    values = np.asarray(row)
    if values.ndim == 1 and (values.size == 0 or np.issubdtype(values.dtype, np.integer)):
        return Source(values.astype(np.int64, copy=False))
    if values.ndim == 2 and np.issubdtype(values.dtype, np.floating):
        return Source(values.astype(np.float32, copy=False))
    raise DataError(
        f"source {number} must be ids (S,) or frames (S, F), but it is an array {values.shape} of {values.dtype}"
    )
