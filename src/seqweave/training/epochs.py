"""The batches of an epoch, as the settings of a run have them."""

from __future__ import annotations

from collections.abc import Iterator

from seqweave.config import TrainConfig
from seqweave.data.batching import Indices, epoch_batches
from seqweave.data.dataset import PairDataset
from seqweave.data.mixing import mixed_batches


def batches_of_epoch(dataset: PairDataset, training: TrainConfig, epoch: int) -> Iterator[list[Indices]]:
    """For each batch of an epoch's own pairs: itself, or what it becomes with the pairs that are mixed in."""
    limits = {"batch_tokens": training.batch_tokens, "max_pairs": training.max_batch_pairs}
    order = {"seed": training.seed, "epoch": epoch}
    if dataset.mixed:
        return mixed_batches(dataset, share=training.mix_share, **limits, **order)
    return ([batch] for batch in epoch_batches(dataset.source_lengths, dataset.target_lengths, **limits, **order))


def epoch_size(dataset: PairDataset, training: TrainConfig) -> int:
    """How many batches of its own pairs the first epoch has."""
    return sum(1 for _ in batches_of_epoch(dataset, training, 0))
