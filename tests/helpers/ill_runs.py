"""Small runs that are well or ill, and models whose weights are made ill."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seqweave.loading import load
from seqweave.predictor import Model
from seqweave.training.run import train

ALPHABET = "abcdé가나다"
LETTERS = dict(zip(ALPHABET, "abcdefgh", strict=True))
LENGTH = 6
SETTINGS: dict[str, Any] = {
    "data.source.units": "char",
    "data.target.units": "char",
    "data.source.normalize": "none",
    "model.cell": "gru",
    "model.attention": "additive",
    "model.embedding_size": 24,
    "model.encoder_hidden_size": 24,
    "model.decoder_hidden_size": 48,
    "model.dropout": 0.0,
    "training.learning_rate": 0.01,
    "training.warmup_steps": 20,
    "training.label_smoothing": 0.0,
    "training.batch_tokens": 1024,
    "training.max_steps": 300,
    "training.validate_every": 15,
    "training.max_dev_pairs": 50,
    "training.metric": "token_error_rate",
    "training.precision": "fp32",
}

Pairs = tuple[list[str], list[str]]


def words(count: int, seed: int) -> list[str]:
    """Distinct words of one length."""
    draw = random.Random(seed)
    found = dict.fromkeys("".join(draw.choices(ALPHABET, k=LENGTH)) for _ in range(2 * count))
    return list(found)[:count]


def written(word: str) -> str:
    """A word in the letters of the targets, one for each."""
    return "".join(LETTERS[sign] for sign in word)


def spelling(count: int, seed: int) -> Pairs:
    """Words, and the same in other letters: what a healthy run learns."""
    sources = words(count, seed)
    return sources, [written(word) for word in sources]


def blind_start(count: int, seed: int) -> Pairs:
    """Targets begin with a digit that nothing tells, and each letter after it depends on that digit."""
    draw, sources = random.Random(seed), words(count, seed)
    styles = [draw.randrange(4) for _ in sources]
    targets = [f"{style}" + "".join(chr(0x100 + 8 * style + ord(sign) - ord("a")) for sign in written(word))
               for word, style in zip(sources, styles, strict=True)]  # fmt: skip
    return sources, targets


def noise(count: int, seed: int) -> Pairs:
    """The first letter can be learned, the second only by heart."""
    draw, sources = random.Random(seed), words(count, seed)
    return sources, [written(word[0]) + draw.choice("abcdefgh") for word in sources]


def write(path: Path, pairs: tuple[Sequence[str], Sequence[str]]) -> Path:
    """The pairs as a file."""
    rows = zip(*pairs, strict=True)
    path.write_text("".join(f"{source}\t{target}\n" for source, target in rows), encoding="utf-8")
    return path


def run(folder: Path, pairs: Pairs, dev: Pairs | None = None, **settings: Any) -> Path:
    """Train on pairs in a folder; gives that of the model. Settings have `__` for the dot in their names."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {key.replace("__", "."): value for key, value in settings.items()}
    files = write(folder / "pairs.tsv", pairs), None if dev is None else write(folder / "dev.tsv", dev)
    train(files[0], folder / "model", dev=files[1], settings={**SETTINGS, **given}, device="cpu")
    return folder / "model"


def doctored(folder: Path, change: Callable[[dict[str, nn.Parameter]], None]) -> Model:
    """The model of a folder, with weights changed."""
    model = load(folder, "cpu")
    with torch.no_grad():
        change(dict(model.single.named_parameters()))
    return model
