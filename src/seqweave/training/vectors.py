"""Pretrained vectors in a run: read, reported, put into the embeddings, and frozen if they shall stay."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqweave.config import Config
from seqweave.data.dataset import PairDataset
from seqweave.data.lines import check_file
from seqweave.data.vectors import Vectors, read_vectors
from seqweave.model.input.embeddings import text_table
from seqweave.model.seq2seq import Seq2Seq
from seqweave.text.tokenizers import Tokenizer
from seqweave.text.vocabulary import SPECIALS, UNK
from seqweave.training.events import Listener, TrainEvent
from seqweave.training.optimizer import FrozenRows

_CHUNK = 10_000  # pairs counted at once


def vector_files(config: Config) -> dict[str, Path]:
    """The files of pretrained vectors, by the side they are for."""
    named = {"source": config.training.source_vectors, "target": config.training.target_vectors}
    return {side: Path(name).expanduser() for side, name in named.items() if name is not None}


def vector_fingerprints(config: Config) -> dict[str, str]:
    """SHA-256 of the file of each side, so that a resumed run finds the same vectors.

    Raises:
        DataError: when a file is missing, or is none that can be read again.
    """
    found = {}
    for side, path in vector_files(config).items():
        check_file(path)
        with path.open("rb") as file:
            found[side] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def all_vectors(config: Config, tokenizers: tuple[Tokenizer, Tokenizer], listen: Listener) -> dict[str, Vectors]:
    """The vectors of each side that has a file of them.

    Raises:
        DataError: see `seqweave.data.vectors.read_vectors`.
    """
    found = {}
    by_side = dict(zip(("source", "target"), tokenizers, strict=True))
    for side, path in vector_files(config).items():
        listen(TrainEvent("reading", {"text": f"reading {path.name}"}))
        found[side] = read_vectors(path, by_side[side], config.model.embedding_size)
    return found


def vector_facts(
    vectors: Mapping[str, Vectors], tokenizers: tuple[Tokenizer, Tokenizer], dataset: PairDataset, config: Config
) -> dict[str, Any]:
    """How far the vectors of each side cover the vocabulary (without specials), and the items that are trained on."""
    facts = {}
    sums = vector_fingerprints(config)
    for side, tokenizer in zip(("source", "target"), tokenizers, strict=True):
        if side in vectors:
            entries = tokenizer.size - tokenizer.feature_count
            counts = _counts(dataset, side, tokenizer.size)[:entries]  # unknown items among them
            facts[side] = {
                "found": len(vectors[side].ids),
                "entries": entries - len(SPECIALS),
                "token_rate": float(counts[vectors[side].ids].sum() / max(1, counts.sum())),
                "frozen": config.training.freeze_vectors,
                "sha256": sums[side],
            }
    return {"vectors": facts} if facts else {}


def set_vectors(model: Seq2Seq, vectors: Mapping[str, Vectors], freeze: bool) -> list[FrozenRows]:
    """Put vectors into the embeddings, as they are; returns the rows that must stay so."""
    frozen = []
    for side, found in vectors.items():
        weight = text_table(model.source_input if side == "source" else model.target_input)
        rows, values = torch.from_numpy(found.ids).to(weight.device), torch.from_numpy(found.values).to(weight)
        placed = FrozenRows(weight, rows, values)
        placed.restore()
        if freeze:
            frozen.append(placed)
    return frozen


def _counts(dataset: PairDataset, side: str, size: int) -> NDArray[np.int64]:
    """How often each entry occurs in the training pairs; shape (V,).

    In a dataset of a model that copies (`seqweave.data.copying`), by what is read: ids of a sentence's own are `<unk>`.
    """
    counts = np.zeros(size, dtype=np.int64)
    for begin in range(0, len(dataset), _CHUNK):
        ids, _ = dataset.flat(side, np.arange(begin, min(begin + _CHUNK, len(dataset))))
        read = ids % size if side == "source" else np.where(ids < size, ids, UNK)
        counts += np.bincount(read, minlength=size)
    return counts
