"""Padded batches of pairs, made of a data set or of lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqweave.data.dataset import PairDataset
from seqweave.data.source import Ids, Source, flattened, padded
from seqweave.data.source_batch import SourceBatch, moved, pad_sources, source_batch
from seqweave.errors import DataError
from seqweave.text.vocabulary import BOS, EOS, PAD

# A side and indices of pairs to the values of many rows one after the other, and their lengths: (sum, ...), (B,).
Flat = Callable[[str, Ids], tuple[NDArray[Any], Ids]]


@dataclass(frozen=True)
class Batch:
    """B pairs. Padding is `PAD`; what is real follows from the lengths.

    Attributes:
        source: what the encoder reads.
        target_in: `<bos> y`; (B, T) int64.
        target_out: `y <eos>`; (B, T) int64.
        target_lengths: real positions of `target_out`, `<eos>` counted; (B,) int64.
        indices: which pairs of the dataset; (B,), on the host.
        source_tokens: sum of the sources' lengths, known on the host.
        target_tokens: sum of `target_lengths`, known on the host.
    """

    source: SourceBatch
    target_in: Tensor
    target_out: Tensor
    target_lengths: Tensor
    indices: Ids
    source_tokens: int
    target_tokens: int

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on a device; to a GPU from pinned memory, without waiting for the copy."""
        return replace(
            self,
            source=self.source.to(device),
            target_in=moved(self.target_in, device),
            target_out=moved(self.target_out, device),
            target_lengths=moved(self.target_lengths, device),
        )


def collate(dataset: PairDataset, indices: Ids, flat: Flat | None = None) -> Batch:
    """Make the batch of these pairs of a dataset, on the CPU; `flat` gives other ids than `dataset.flat` does."""
    flat = dataset.flat if flat is None else flat
    values, lengths = flat("source", indices)
    copies = dataset.flat("source_copies", indices)[0] if dataset.copying else None
    return _batch(source_batch(values, lengths, copies), lengths, *flat("target", indices), indices)


def make_batch(sources: Sequence[Source], targets: Sequence[Sequence[int]]) -> Batch:
    """Make a batch of sources and of lists of ids (targets without `<bos>` and `<eos>`), on the CPU."""
    if len(sources) != len(targets):
        raise DataError(f"a batch needs as many targets as sources, but got {len(sources)} and {len(targets)}")
    source = pad_sources(sources)
    return _batch(source, source.lengths.numpy(), *flattened(targets), np.arange(len(sources), dtype=np.int64))


def _batch(source: SourceBatch, source_lengths: Ids, target_ids: Ids, target_lengths: Ids, indices: Ids) -> Batch:
    lengths = target_lengths + 1  # with <eos>
    target_out = padded(target_ids, target_lengths, room=1)  # (sum,) -> (B, T)
    target_in = np.full_like(target_out, PAD)
    target_in[:, 0] = BOS
    target_in[:, 1:] = target_out[:, :-1]  # target_out has no <eos> yet
    target_out[np.arange(len(lengths)), target_lengths] = EOS
    return Batch(
        source=source,
        target_in=torch.from_numpy(target_in),
        target_out=torch.from_numpy(target_out),
        target_lengths=torch.from_numpy(lengths),
        indices=indices,
        source_tokens=int(source_lengths.sum()),
        target_tokens=int(lengths.sum()),
    )
