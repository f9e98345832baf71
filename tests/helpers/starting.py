"""A model to start from, new pairs for it, and runs that start from it: tiny, with every option that has state."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from seqweave.loading import load
from seqweave.predictor import Model
from seqweave.training.events import Listener, TrainEvent, ignore
from seqweave.training.run import TrainResult, train

OLD: dict[str, Any] = {
    "data.source.units": "char",
    "data.target.units": "char",
    "model.cell": "gru",
    "model.embedding_size": 12,
    "model.encoder_hidden_size": 12,
    "model.decoder_hidden_size": 24,
    "model.dropout": 0.1,
    "training.learning_rate": 0.01,
    "training.warmup_steps": 10,
    "training.batch_tokens": 512,
    "training.max_steps": 120,
    "training.validate_every": 40,
    "training.max_dev_pairs": 20,
    "training.label_smoothing": 0.0,
    "training.precision": "fp32",
}
"""The settings of the model to start from, which learns some of its task."""

NEW: dict[str, Any] = {
    "training.max_steps": 6,
    "training.validate_every": 3,
    "training.checkpoint_every": 2,
    "training.batch_tokens": 128,
    "training.max_dev_pairs": 8,
    "training.precision": "fp32",
}
"""The settings of a run that starts from it."""

LETTERS, MORE = "abcdef", "abcdefxyz"


def words(letters: str, count: int, seed: int) -> list[str]:
    """Distinct words of 2 to 5 letters."""
    draw = random.Random(seed)
    found = dict.fromkeys("".join(draw.choices(letters, k=draw.randint(2, 5))) for _ in range(3 * count))
    return list(found)[:count]


def write(path: Path, sources: Sequence[str], rows: str = "{0}\t{1}\n") -> Path:
    """Words and the same backwards, each in a row of that form."""
    path.write_text("".join(rows.format(source, source[::-1]) for source in sources), encoding="utf-8")
    return path


def write_old(place: Path, count: int = 150) -> Path:
    """The pairs of the model to start from."""
    return write(place / "old.tsv", words(LETTERS, count, 1))


def write_new(place: Path, count: int = 40) -> Path:
    """New pairs, some of whose letters that model does not know."""
    return write(place / "new.tsv", words(MORE, count, 2))


def old_model(place: Path, settings: Mapping[str, Any] | None = None) -> Path:
    """Train the model to start from, in `place / "old"`."""
    train(write_old(place), place / "old", settings={**OLD, **(settings or {})}, device="cpu")
    return place / "old"


def start(
    data: Path,
    folder: Path,
    old: Path | None,
    settings: Mapping[str, Any] | None = None,
    listen: Listener = ignore,
    mix: Path | None = None,
    restart: bool = False,
) -> TrainResult:
    """Start from a model, with `NEW` and other settings."""
    given = {**NEW, **(settings or {})}
    return train(data, folder, settings=given, device="cpu", listen=listen, start_from=old, mix=mix, restart=restart)


def said(
    data: Path, folder: Path, old: Path | None, settings: Mapping[str, Any] | None = None, mix: Path | None = None
) -> list[TrainEvent]:
    """The same; gives what was told."""
    events: list[TrainEvent] = []
    start(data, folder, old, settings, events.append, mix)
    return events


def contents(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder; of a folder, nothing."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a model folder, by the names in its file."""
    return safetensors.torch.load_file(folder / "model.safetensors")


def answers(model: Model | Path, texts: Sequence[str], beam_size: int = 1) -> list[tuple[str, float]]:
    """Texts and scores, which equal those of the same weights bit for bit."""
    found = load(model, "cpu") if isinstance(model, Path) else model
    return [(one.text, one.score) for one in found.predict(list(texts), beam_size=beam_size)]
