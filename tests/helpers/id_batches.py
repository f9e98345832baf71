"""Batches of lists of ids, as most tests want them."""

from __future__ import annotations

from collections.abc import Sequence

from seqweave.data.batch import Batch, make_batch
from seqweave.data.source import make_sources
from seqweave.data.source_batch import SourceBatch, pad_sources


def pad_ids(sources: Sequence[Sequence[int]]) -> SourceBatch:
    """Sources of ids, padded."""
    return pad_sources(make_sources(sources))


def ids_batch(sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> Batch:
    """Pairs of ids as a batch."""
    return make_batch(make_sources(sources), targets)
