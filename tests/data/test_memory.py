"""Memory does not grow with the corpus: the same peak for ten times the pairs (allocations, not timing)."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from seqweave.config import TextConfig
from seqweave.data import batching, recognition
from seqweave.data import dataset as dataset_module
from seqweave.data.batch import collate
from seqweave.data.batching import epoch_batches
from seqweave.data.dataset import write_dataset
from seqweave.data.readers import PairReader
from seqweave.text.tokenizers import train_tokenizer


def peak_bytes(folder: Path, pairs: int) -> int:
    """What reading, tokenising and one epoch of batches allocate at most at a time."""
    folder.mkdir()
    path = folder / "pairs.tsv"
    path.write_text("".join(f"{number}\t{number * 7}\n" for number in range(1000, 1000 + pairs)))
    tokenizer = train_tokenizer(["0123456789"], TextConfig(units="char"))
    tracemalloc.start()
    texts = ((pair.source, pair.target) for pair in PairReader(path))
    dataset, _ = write_dataset(texts, tokenizer, tokenizer, folder / "tokens", 50, 50)
    lengths = dataset.source_lengths, dataset.target_lengths
    for indices in epoch_batches(*lengths, batch_tokens=512, max_pairs=64, seed=1, epoch=0):
        collate(dataset, indices)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(dataset) == pairs
    return peak


@pytest.mark.slow
def test_ten_times_the_pairs_take_the_same_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_module, "CHUNK_PAIRS", 500)
    monkeypatch.setattr(batching, "POOL_PAIRS", 500)
    monkeypatch.setattr(recognition, "SAMPLE_BYTES", 1 << 12)
    monkeypatch.setattr(batching, "MAX_BLOCKS", 500)
    peak_bytes(tmp_path / "first", 1000)  # what is allocated only once
    few, many = peak_bytes(tmp_path / "few", 1000), peak_bytes(tmp_path / "many", 10_000)
    assert many < 1.2 * few


def test_a_long_line_does_not_enter_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.tsv"
    path.write_bytes(b"x" * 30_000_000 + b"\ty\na\tb\n")
    reader = PairReader(path)
    tracemalloc.start()
    kept = [pair.line for pair in reader]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept == [2]
    assert reader.report.counts == {"line_too_long": 1}
    assert peak < 4_000_000
