"""Sources in a batch, padded, as the network's `encode` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from seqweave.data.source import Ids, Source, padded
from seqweave.errors import DataError


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


def moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A tensor on a device; only a copy from pinned memory runs beside the host's work."""
    pinned = tensor.pin_memory() if torch.device(device).type == "cuda" and not tensor.is_cuda else tensor
    return pinned.to(device, non_blocking=True)
