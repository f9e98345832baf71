"""The Transformer and its hybrids through the real training: a folder that predicts, and something learned."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from quick import slow
from seqweave.config import config_from_json
from seqweave.data.builtin import split_dates
from seqweave.errors import LimitError
from seqweave.loading import load
from seqweave.training.events import TrainEvent
from seqweave.training.run import train
from tiny_run import SETTINGS, write_pairs

WHOLE = {"model.encoder": "transformer", "model.decoder": "transformer"}


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        slow(WHOLE, "Transformer (pre-norm, sinusoidal positions), "),
        slow({"model.encoder": "transformer"}, "Transformer encoder, LSTM decoder, general attention (after), "),
        ({"model.decoder": "transformer", "model.cell": "gru"}, "GRU encoder, Transformer decoder, "),
    ],
)
def test_a_folder_of_each_kind(tmp_path: Path, sides: dict[str, Any], words: str) -> None:
    train(
        write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model", settings={**SETTINGS, **sides, "training.max_steps": 4}
    )
    assert words in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    model = load(tmp_path / "model")
    greedy, beam = (model.predict(["abcd", "f"], beam_size=size, return_attention=True) for size in (1, 4))
    for found, source in zip((*greedy, *beam), ["abcd", "f"] * 2, strict=True):
        assert found.attention is not None
        assert found.attention.shape == (len(found.token_log_probs), len(source))
        assert found.attention.sum(1) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.slow
def test_resume_equals_never_having_stopped(tmp_path: Path) -> None:
    settings = {**SETTINGS, **WHOLE, "model.embedding_dropout": 0.1}
    pairs = write_pairs(tmp_path / "pairs.tsv")

    def kill(event: TrainEvent) -> None:
        if event.kind == "batch" and event.values["step"] == 8:
            raise KeyboardInterrupt

    train(pairs, tmp_path / "unbroken", settings=settings, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(pairs, tmp_path / "resumed", settings=settings, device="cpu", listen=kill)
    assert train(pairs, tmp_path / "resumed", settings=settings, device="cpu").status == "finished"
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("unbroken", "resumed"))
    assert one == other


def test_learned_positions_bound_the_outputs(tmp_path: Path) -> None:
    most = {"data.max_source_length": 7, "data.max_target_length": 7, "model.max_positions": 9}
    settings = {**SETTINGS, **WHOLE, **most, "model.positions": "learned", "training.max_steps": 4}
    train(write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model", settings=settings)
    config = config_from_json((tmp_path / "model" / "config.json").read_text(encoding="utf-8"), "config.json")
    assert config.search.max_length == 9  # twice the longest target and 10 more is beyond what was learned
    model = load(tmp_path / "model")
    [found] = model.predict(["abcdefabcdef"])  # cut to data.max_source_length
    assert len(found.token_log_probs) <= 9
    with pytest.raises(LimitError, match=r"a target must have no more than 9 positions, .*, but it has 10: "):
        model.score([("abc", "abcdefabc")])


@pytest.mark.slow
@pytest.mark.parametrize("positions", ["sinusoidal", "rotary"])
def test_a_transformer_learns_dates(tmp_path: Path, positions: str) -> None:
    seed = random.SystemRandom().randrange(2**31)
    for name, pairs in zip(("train", "dev"), split_dates(20000, 300, seed), strict=True):
        (tmp_path / f"{name}.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    settings = {
        "data.source.units": "char",
        "data.target.units": "char",
        **WHOLE,
        "model.encoder_layers": 2,
        "model.decoder_layers": 2,
        "model.positions": positions,
        "training.metric": "exact_match",
        "training.label_smoothing": 0.0,
        "training.warmup_steps": 100,
        "training.learning_rate": 0.002,
        "training.max_steps": 600,
        "training.validate_every": 200,
    }
    files = (tmp_path / "train.tsv", tmp_path / "model")
    result = train(*files, dev=tmp_path / "dev.tsv", preset="tiny", settings=settings, seed=seed)
    assert result.metrics is not None
    assert result.metrics["exact_match"] >= 40, f"seed {seed}"
