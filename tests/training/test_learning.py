"""Whatever the seed: copying, reversing and dates are learned, to a threshold, through the real training."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from seqweave.data.builtin import split_dates
from seqweave.training.run import train

SMALL = {
    "data.source.units": "char",
    "data.target.units": "char",
    "training.metric": "exact_match",
    "training.label_smoothing": 0.0,
    "training.warmup_steps": 50,
    "training.learning_rate": 0.004,
    "training.batch_tokens": 1024,
}


def words(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return sorted({"".join(draw.choices("abcdefgh", k=draw.randint(2, 8))) for _ in range(count)})


@pytest.mark.slow
@pytest.mark.parametrize("task", ["copy", "reverse"])
def test_copy_and_reverse_are_learned(tmp_path: Path, task: str) -> None:
    seed = random.SystemRandom().randrange(2**31)
    step = 1 if task == "copy" else -1
    rows = [f"{word}\t{word[::step]}\n" for word in words(4000, seed)]
    (tmp_path / "pairs.tsv").write_text("".join(rows))
    settings = {**SMALL, "training.max_steps": 700, "data.dev_size": 300}
    result = train(tmp_path / "pairs.tsv", tmp_path / "model", preset="tiny", settings=settings, seed=seed)
    assert result.metrics is not None
    assert result.metrics["exact_match"] >= 95, f"seed {seed}"


@pytest.mark.slow
def test_dates_are_learned(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**31)
    for name, pairs in zip(("train", "dev"), split_dates(20000, 500, seed), strict=True):
        (tmp_path / f"{name}.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    settings = {**SMALL, "training.max_steps": 1000, "training.batch_tokens": 4096}
    files = (tmp_path / "train.tsv", tmp_path / "model")
    result = train(*files, dev=tmp_path / "dev.tsv", preset="tiny", settings=settings, seed=seed)
    assert result.metrics is not None
    assert result.metrics["exact_match"] >= 98, f"seed {seed}"
