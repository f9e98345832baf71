"""Sources: ids or frames, one by one and in batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqweave.data.batch import collate, make_batch
from seqweave.data.dataset import PairDataset
from seqweave.data.source import Source, make_sources
from seqweave.data.source_batch import pad_sources
from seqweave.errors import DataError

FRAMES: list[np.ndarray] = [np.arange(6, dtype=np.float64).reshape(3, 2) + 1, np.full((1, 2), 0.5, dtype=np.float32)]


def test_frames_are_padded_with_zeros() -> None:
    batch = pad_sources(make_sources(FRAMES))
    assert batch.values.dtype == torch.float32
    assert batch.values.tolist() == [[[1, 2], [3, 4], [5, 6]], [[0.5, 0.5], [0, 0], [0, 0]]]
    assert batch.lengths.tolist() == [3, 1]
    assert (batch.width, batch.copies) == (3, None)


def test_a_batch_is_widened() -> None:
    frames = pad_sources(make_sources(FRAMES)).widened(2)
    assert frames.values.shape == (2, 5, 2)
    assert frames.values[:, 3:].abs().sum() == 0
    assert frames.lengths.tolist() == [3, 1]
    copied = pad_sources([Source(np.array([5, 1]), np.array([9, 7]))]).widened(1)
    assert copied.values.tolist() == [[5, 1, 0]]
    assert copied.copies is not None
    assert copied.copies.tolist() == [[9, 7, 0]]


def test_a_source_is_cut_with_what_it_stands_for() -> None:
    cut = Source(np.array([5, 1, 6]), np.array([9, 7, 8])).first(2)
    assert cut.values.tolist() == [5, 1]
    assert cut.copies is not None
    assert cut.copies.tolist() == [9, 7]
    assert len(make_sources(FRAMES)[0].first(2)) == 2


def test_all_sources_of_a_batch_have_copies_or_none() -> None:
    ids = np.array([5])
    with pytest.raises(DataError, match="must have copies or none, but 1 of 2 do"):
        pad_sources([Source(ids, ids), Source(ids)])


@pytest.mark.parametrize("row", [np.zeros((2, 2), dtype=np.int64), np.zeros(2), np.zeros((1, 2, 3)), np.array("a")])
def test_what_is_neither_ids_nor_frames_is_refused(row: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"source 2 must be ids \(S,\) or frames \(S, F\), but it is an array"):
        make_sources([[4], row])


def test_a_dataset_in_memory_gives_the_batches_of_its_pairs() -> None:
    sources, targets = make_sources(FRAMES), [[4, 5], [6]]
    dataset = PairDataset.of(sources, targets)
    assert (len(dataset), dataset.source_lengths.tolist(), dataset.target_lengths.tolist()) == (2, [3, 1], [2, 1])
    assert np.array_equal(dataset.source(1).values, FRAMES[1])
    assert dataset.target(0).tolist() == targets[0]
    batch, twin = collate(dataset, np.array([1, 0])), make_batch(sources[::-1], targets[::-1])
    assert torch.equal(batch.source.values, twin.source.values)
    assert torch.equal(batch.target_out, twin.target_out)
    assert (batch.source_tokens, batch.target_tokens) == (4, 5)
    copies = PairDataset.of([Source(np.array([5, 1]), np.array([9, 7]))], [[4]])
    assert copies.copying
    assert copies.source(0).copies is not None


@pytest.mark.parametrize("targets", [[], [[4], [5], [6]]])
def test_a_dataset_in_memory_needs_a_target_for_each_source(targets: list[list[int]]) -> None:
    with pytest.raises(DataError, match=f"a target for each source, but got 2 and {len(targets)}"):
        PairDataset.of(make_sources(FRAMES), targets)
