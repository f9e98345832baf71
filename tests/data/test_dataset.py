"""Datasets on disk, and the batches made of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from id_batches import ids_batch, pad_ids
from seqweave.config import TextConfig
from seqweave.data import dataset as dataset_module
from seqweave.data.batch import Batch, collate
from seqweave.data.dataset import PairDataset, write_dataset
from seqweave.errors import DataError
from seqweave.text.tokenizers import Tokenizer, train_tokenizer
from seqweave.text.vocabulary import BOS, EOS, PAD

PAIRS = [("abc", "cba"), ("a", "aa"), ("bcab", "b"), ("cc", "abcab")]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(["abc"], TextConfig(units="char"))


@pytest.fixture
def small(tokenizer: Tokenizer, tmp_path: Path) -> PairDataset:
    return write_dataset(PAIRS, tokenizer, tokenizer, tmp_path / "data", 10, 10)[0]


def test_ids_come_back(small: PairDataset, tokenizer: Tokenizer) -> None:
    assert len(small) == 4
    for index, (source, target) in enumerate(PAIRS):
        assert small.source(index).values.tolist() == tokenizer.encode(source)
        assert small.target(index).tolist() == tokenizer.encode(target)
    assert small.source_lengths.tolist() == [3, 1, 4, 2]
    assert small.target_lengths.tolist() == [3, 2, 1, 5]
    assert small.source_lengths.dtype == np.int32


def test_a_folder_opens_again(small: PairDataset, tmp_path: Path) -> None:
    again = PairDataset.open(tmp_path / "data")
    assert again.target(3).tolist() == small.target(3).tolist()
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"meta.json"} | {
        f"{side}{what}.bin" for side in ("source", "target") for what in ("", "_lengths", "_offsets")
    }
    assert (tmp_path / "data" / "source.bin").stat().st_size == 2 * 10


def test_chunks_leave_no_trace(tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [("ab" * (1 + number % 5), "c" * (1 + number % 3)) for number in range(50)]
    write_dataset(pairs, tokenizer, tokenizer, tmp_path / "one", 8, 8)
    monkeypatch.setattr(dataset_module, "CHUNK_PAIRS", 7)
    monkeypatch.setattr(dataset_module, "CHUNK_CHARACTERS", 30)
    write_dataset(pairs, tokenizer, tokenizer, tmp_path / "many", 8, 8)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "many" / path.name).read_bytes()


class WideTokenizer(Tokenizer):
    """A tokenizer which only claims to be large."""

    size = 70_000


def test_large_vocabularies_take_four_bytes(tokenizer: Tokenizer, tmp_path: Path) -> None:
    wide = WideTokenizer.from_json(tokenizer.to_json(), "test", tokenizer.config)
    made, _ = write_dataset(PAIRS, wide, tokenizer, tmp_path / "data", 10, 10)
    assert (tmp_path / "data" / "source.bin").stat().st_size == 4 * 10
    assert (tmp_path / "data" / "target.bin").stat().st_size == 2 * 11
    assert made.source(0).values.tolist() == tokenizer.encode("abc")


def test_unusable_pairs_are_dropped_and_counted(tokenizer: Tokenizer, tmp_path: Path) -> None:
    pairs = [("abc", "ab"), ("abca", "a"), ("a", "abc"), ("", "a"), ("a", ""), ("abca", "abc"), ("c", "c")]
    made, dropped = write_dataset(pairs, tokenizer, tokenizer, tmp_path / "data", 3, 2)
    assert dropped == {
        "source_too_long": 2,
        "target_too_long": 1,
        "source_without_items": 1,
        "target_without_items": 1,
    }
    assert len(made) + sum(dropped.values()) == len(pairs)
    assert [made.source(index).values.tolist() for index in range(2)] == [
        tokenizer.encode("abc"),
        tokenizer.encode("c"),
    ]


def test_nothing_is_a_dataset_too(tokenizer: Tokenizer, tmp_path: Path) -> None:
    made, dropped = write_dataset([], tokenizer, tokenizer, tmp_path / "data", 3, 2)
    assert (len(made), dropped) == (0, {})


def test_an_older_dataset_is_replaced(small: PairDataset, tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_dataset(PAIRS[:1], tokenizer, tokenizer, tmp_path / "data", 10, 10)
    assert len(PairDataset.open(tmp_path / "data")) == 1


def test_a_broken_write_leaves_the_old_and_nothing_else(
    small: PairDataset, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    def broken() -> Iterator[tuple[str, str]]:
        yield "a", "b"
        raise DataError("stop")

    with pytest.raises(DataError, match="stop"):
        write_dataset(broken(), tokenizer, tokenizer, tmp_path / "data", 10, 10)
    assert len(PairDataset.open(tmp_path / "data")) == 4
    assert list(tmp_path.iterdir()) == [tmp_path / "data"]


def test_other_files_are_not_overwritten(tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="must be free for tokenised data, but it holds something else; choose another"):
        write_dataset(PAIRS, tokenizer, tokenizer, tmp_path, 10, 10)
    assert (tmp_path / "thesis.txt").exists()


def test_a_full_disk_is_one_sentence(tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("seqweave.data.storage.os.fsync", full)
    with pytest.raises(DataError, match=r"cannot write the tokenised data \(No space left on device\); free"):
        write_dataset(PAIRS, tokenizer, tokenizer, tmp_path / "data", 10, 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["source.bin", "target_lengths.bin", "source_offsets.bin"])
def test_an_incomplete_folder_is_refused(small: PairDataset, name: str, tmp_path: Path) -> None:
    path = tmp_path / "data" / name
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(
        DataError, match=rf"{name}: must have {len(content)} bytes, but it has {len(content) - 1}; remove"
    ):
        PairDataset.open(tmp_path / "data")
    path.unlink()
    with pytest.raises(DataError, match=rf"{name}: must have {len(content)} bytes, but there is no such file; remove"):
        PairDataset.open(tmp_path / "data")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 2, "arrays": {}}', '{"format": 2, "arrays": 3}', "\x80"]
)
def test_damaged_counts_are_refused(small: PairDataset, content: str, tmp_path: Path) -> None:
    (tmp_path / "data" / "meta.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=r"meta\.json: must describe a tokenised dataset, but it is damaged; remove"):
        PairDataset.open(tmp_path / "data")


def test_another_format_is_refused(small: PairDataset, tmp_path: Path) -> None:
    path = tmp_path / "data" / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}))
    with pytest.raises(DataError, match="must have format 2, but it is 1; remove"):
        PairDataset.open(tmp_path / "data")


def test_disagreeing_counts_are_refused(small: PairDataset, tmp_path: Path) -> None:
    path = tmp_path / "data" / "meta.json"
    meta = json.loads(path.read_text())
    meta["arrays"]["target_lengths"]["count"] = 3
    path.write_text(json.dumps(meta))
    with pytest.raises(DataError, match="but its counts do not agree; remove"):
        PairDataset.open(tmp_path / "data")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        PairDataset.open(tmp_path / "none")


def test_a_batch_by_hand() -> None:
    batch = ids_batch([[5, 6, 7], [8]], [[9], [10, 11]])
    assert batch.source.values.tolist() == [[5, 6, 7], [8, PAD, PAD]]
    assert batch.source.lengths.tolist() == [3, 1]
    assert batch.target_in.tolist() == [[BOS, 9, PAD], [BOS, 10, 11]]
    assert batch.target_out.tolist() == [[9, EOS, PAD], [10, 11, EOS]]
    assert batch.target_lengths.tolist() == [2, 3]
    assert (batch.source_tokens, batch.target_tokens) == (4, 5)
    assert batch.indices.tolist() == [0, 1]


def tensors_of(batch: Batch) -> list[torch.Tensor]:
    assert batch.source.copies is None
    return [batch.source.values, batch.source.lengths, batch.target_in, batch.target_out, batch.target_lengths]


ROWS = st.lists(st.integers(4, 70_000), max_size=7)


@given(st.lists(st.tuples(ROWS, ROWS), max_size=6))
def test_a_batch_gives_its_rows_back(pairs: list[tuple[list[int], list[int]]]) -> None:
    batch = ids_batch([source for source, _ in pairs], [target for _, target in pairs])
    for row, (source, target) in enumerate(pairs):
        length = int(batch.target_lengths[row])
        assert batch.source.values[row].tolist() == source + [PAD] * (batch.source.width - len(source))
        padding = [PAD] * (batch.target_in.shape[1] - length)
        assert batch.target_in[row].tolist() == [BOS, *target, *padding]
        assert batch.target_out[row].tolist() == [*target, EOS, *padding]
    for tensor in (batch.source.values, batch.source.lengths, batch.target_in, batch.target_out, batch.target_lengths):
        assert tensor.dtype == torch.int64
        assert tensor.is_contiguous()
    assert batch.source_tokens == int(batch.source.lengths.sum())
    assert batch.target_tokens == int(batch.target_lengths.sum())


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_collate_equals_a_batch_of_lists(indices: list[int]) -> None:
    small = SHARED.dataset
    batch = collate(small, np.array(indices))
    twin = ids_batch(
        [small.source(index).values.tolist() for index in indices], [small.target(index).tolist() for index in indices]
    )
    assert batch.indices.tolist() == indices
    for one, other in zip(tensors_of(batch), tensors_of(twin), strict=True):
        assert torch.equal(one, other)
    assert (batch.source_tokens, batch.target_tokens) == (twin.source_tokens, twin.target_tokens)


class SHARED:
    """Hypothesis does not take a fixture of function scope; this one is made once."""

    dataset: PairDataset


@pytest.fixture(scope="module", autouse=True)
def shared(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("shared") / "data"
    SHARED.dataset = write_dataset(PAIRS, tokenizer, tokenizer, folder, 10, 10)[0]


def test_the_dataset_is_not_changed_by_its_batches(small: PairDataset, tmp_path: Path) -> None:
    before = (tmp_path / "data" / "source.bin").read_bytes()
    batch = collate(small, np.arange(4))
    batch.source.values.zero_()
    batch.source.lengths.zero_()
    assert (tmp_path / "data" / "source.bin").read_bytes() == before
    assert small.source_lengths.tolist() == [3, 1, 4, 2]


def test_a_batch_moves_as_a_whole(small: PairDataset) -> None:
    batch = collate(small, np.array([2, 0]))
    moved = batch.to("meta")
    for tensor, before in zip(tensors_of(moved), tensors_of(batch), strict=True):
        assert tensor.device.type == "meta"
        assert tensor.shape == before.shape
    assert moved.indices is batch.indices
    assert (moved.source_tokens, moved.target_tokens) == (batch.source_tokens, batch.target_tokens)


def test_empty_sources_still_have_one_position() -> None:
    source = pad_ids([[], []])
    assert source.values.tolist() == [[PAD], [PAD]]
    assert source.lengths.tolist() == [0, 0]


def test_padded_sources() -> None:
    source = pad_ids([[5], [6, 7]])
    assert source.values.tolist() == [[5, PAD], [6, 7]]
    assert source.lengths.tolist() == [1, 2]


def test_uneven_sides_are_refused() -> None:
    with pytest.raises(DataError, match="a batch needs as many targets as sources, but got 2 and 1"):
        ids_batch([[5], [6]], [[7]])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_batch_on_a_gpu_is_the_same_batch(small: PairDataset) -> None:
    batch = collate(small, np.arange(4))
    moved = batch.to("cuda")
    for one, other in zip(tensors_of(moved), tensors_of(batch), strict=True):
        assert one.is_cuda
        assert torch.equal(one.cpu(), other)
    assert moved.to("cuda").source.values.is_cuda
