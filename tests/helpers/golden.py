"""The golden folders: how they were made, what they are asked, and what a run that goes on must end with.

Only the public names of `seqweave` are used here, so that the same file runs on any version of it:
`tests/golden/make.py` made the folders with it, `tests/golden/compare.py` runs it on two checkouts side by side, and
`tests/golden/test_golden.py` asks the installed version.
"""

from __future__ import annotations

import math
import os
import random
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

import seqweave

FORMAT_0 = Path(__file__).resolve().parents[1] / "golden" / "format_0"
"""Folders that commit 7e3df6b made: the pairs, `folders/NAME`, and `expected/NAME.json` with what it answered."""

BEAM = 5

COMMON: dict[str, Any] = {
    "data.source.units": "char",
    "data.target.units": "char",
    "data.source.min_frequency": 40,  # the rare letters of the pairs are unknown
    "data.target.min_frequency": 40,
    "model.embedding_size": 8,
    "model.encoder_hidden_size": 8,
    "model.decoder_hidden_size": 12,
    "model.dropout": 0.05,
    "training.seed": 7,
    "training.max_steps": 700,
    "training.warmup_steps": 20,
    "training.learning_rate": 0.01,
    "training.label_smoothing": 0.0,
    "training.batch_tokens": 512,
    "training.validate_every": 350,
    "training.keep_checkpoints": 1,
    "training.precision": "fp32",
}

FINISHED: dict[str, dict[str, Any]] = {
    "lstm_general": {"model.attention": "general"},
    "gru_additive_before": {
        "model.cell": "gru",
        "model.attention": "additive",
        "model.attention_position": "before",
    },
    "rnn_none": {"model.cell": "rnn", "model.attention": "none"},
    "feeding": {"model.attention": "general", "model.input_feeding": True},
    "coverage": {"model.attention": "additive", "model.coverage": True, "search.coverage_penalty": 0.2},
    "copy": {"model.attention": "general", "model.copy": True},
    "transformer": {
        "model.encoder": "transformer",
        "model.decoder": "transformer",
        "model.embedding_size": 12,
        "model.heads": 2,
        "model.feed_forward_size": 24,
    },
    "entmax": {"model.cell": "gru", "model.attention": "general", "model.output": "entmax15"},
}
"""The settings of the finished runs, over `COMMON`."""

_STOPPED: dict[str, Any] = {
    "model.embedding_size": 6,
    "model.encoder_hidden_size": 6,
    "model.decoder_hidden_size": 10,
    "model.dropout": 0.1,
    "training.max_steps": 400,
    "training.batch_tokens": 256,
    "training.accumulate": 2,
    "training.validate_every": 50,
    "training.checkpoint_every": 40,
}

INTERRUPTED: dict[str, dict[str, Any]] = {
    # Every option that has a state of its own.
    "interrupted_lstm": {
        **_STOPPED,
        "model.attention": "general",
        "training.schedule": "plateau",
        "training.plateau_patience": 0,
        "training.ema_decay": 0.8,
        "training.average_checkpoints": 2,
    },
    "interrupted_copy": {**_STOPPED, "model.cell": "gru", "model.attention": "general", "model.copy": True},
}
"""The settings of the runs that a SIGINT stopped, over `COMMON`."""

WIDER: dict[str, dict[str, Any]] = {
    "rnn_before_location_aware": {
        "model.cell": "rnn",
        "model.attention": "location_aware",
        "model.attention_position": "before",
        "model.location_width": 5,
    },
    "lstm_before_general": {"model.attention": "general", "model.attention_position": "before"},
    "lstm_between_dot": {
        "model.attention": "scaled_dot",
        "model.attention_position": "between",
        "model.decoder_hidden_size": 16,
        "model.decoder_layers": 2,
        "model.encoder_layers": 2,
        "model.residual": True,
        "model.layer_norm": True,
    },
    "gru_every_step": {"model.cell": "gru", "model.attention": "none", "model.context": "every_step"},
    "gru_local_p": {"model.cell": "gru", "model.attention": "concat", "model.attention_window": "local_p"},
    "lstm_location_local_m": {"model.attention": "location", "model.attention_window": "local_m"},
    "tied_variational": {
        "model.attention": "dot",
        "model.bridge": "copy",
        "model.embedding_size": 16,
        "model.decoder_hidden_size": 16,
        "model.tie_embeddings": True,
        "model.variational": True,
        "model.word_dropout": 0.1,
        "training.label_smoothing": 0.1,
    },
    "one_hot_sampled": {
        "model.input": "one_hot",
        "model.attention": "general",
        "model.input_feeding": True,
        "training.scheduled_sampling": "linear",
    },
    "copy_before_coverage": {
        "model.attention": "additive",
        "model.attention_position": "before",
        "model.attention_normalized": True,
        "model.coverage": True,
        "model.copy": True,
    },
    "transformer_encoder": {
        "model.encoder": "transformer",
        "model.embedding_size": 12,
        "model.heads": 2,
        "model.attention": "additive",
        "model.positions": "rotary",
    },
    "transformer_decoder_entmax": {
        "model.decoder": "transformer",
        "model.embedding_size": 12,
        "model.heads": 2,
        "model.norm": "post",
        "model.output": "entmax15",
    },
}
"""More settings, of short runs that no folder is kept of: `compare.py --wider` makes them with the old checkout."""

_SHORT: dict[str, Any] = {
    "training.max_steps": 60,
    "training.validate_every": 20,
    "training.checkpoint_every": 20,
    "training.accumulate": 2,
}

WIDER_STOP_STEP = 31
STOP_STEP = 353  # within an epoch, between two checkpoints


def settings_of(name: str) -> dict[str, Any]:
    """The settings that a golden folder was trained with, all of which a run that goes on must be given again."""
    if name in WIDER:
        return {**COMMON, **_SHORT, **WIDER[name]}
    return {**COMMON, **(FINISHED | INTERRUPTED)[name]}


def write_pairs(path: Path) -> None:
    """Words and the same words backwards; every fourth has one letter that is too rare to be known."""
    draw = random.Random(1)
    lines = []
    for number in range(600):
        word = draw.choices("abcdefgh", k=draw.randint(2, 6))
        if number % 4 == 0:
            word[draw.randrange(len(word))] = draw.choice("nopqrstuvwxyz")
        lines.append(f"{''.join(word)}\t{''.join(reversed(word))}\n")
    path.write_bytes("".join(lines).encode())


def questions() -> list[str]:
    """Sources to predict: words like those of training, rare and unseen letters, one letter, none, longer ones."""
    draw = random.Random(2)
    words = ["".join(draw.choices("abcdefgh", k=draw.randint(2, 6))) for _ in range(14)]
    return [*words, "abzcd", "xa", "fnhyb", "gsd", "ééa", "b", "", "hgfedcba", "aabbaabbaabb"]


def forced_pairs() -> list[tuple[str, str]]:
    """Pairs to score: right ones, wrong ones, an empty target, and letters that only the source or nothing has."""
    right = [(text, text[::-1]) for text in questions() if text]
    wrong = [("abc", "abc"), ("abc", "hg"), ("face", "ecaf"), ("bed", ""), ("axb", "bxa"), ("ab", "za")]
    return right + wrong


def train(name: str, pairs: Path, folder: Path, stop_step: int | None = None) -> None:
    """Train the folder of that name, or go on with it; `stop_step` sends this process a SIGINT there."""

    def listen(event: Any) -> None:
        if stop_step is not None and event.kind == "batch" and event.values == {"step": stop_step, "batch": 0}:
            os.kill(os.getpid(), signal.SIGINT)

    seqweave.train(pairs, folder, settings=settings_of(name), device="cpu", listen=listen)


def answers(folder: Path) -> dict[str, Any]:
    """What the model of a folder says to `questions` and `forced_pairs`; a probability of 0 has the score None."""
    model = seqweave.load(folder, device="cpu")
    greedy = model.predict(questions(), beam_size=1, return_attention=True)
    beam = model.predict_n_best(questions(), beam_size=BEAM, n_best=BEAM)
    forced = model.score(forced_pairs())
    return {
        "greedy": [_plain(each) for each in greedy],
        "beam": [[_plain(each) for each in hypotheses] for hypotheses in beam],
        "forced": [_plain(each) for each in forced],
        "attention": [None if each.attention is None else each.attention.tolist() for each in greedy],
    }


def final_weights(folder: Path) -> dict[str, Tensor]:
    """All weights of a finished run: `best.` those of the model, `last.` those of the last step."""
    [last] = folder.glob("checkpoints/step_*/model.safetensors")
    files = {"best": folder / "model.safetensors", "last": last}
    return {
        f"{prefix}.{name}": tensor
        for prefix, path in files.items()
        for name, tensor in safetensors.torch.load_file(path).items()
    }


def largest_difference(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """The largest absolute difference of two sets of weights; infinite where a tensor has no partner.

    A tensor that goes by another name now is compared with the nearest one of its shape.
    """
    worst = 0.0 if len(found) == len(expected) else math.inf
    for name, tensor in expected.items():
        partners = [found[name]] if name in found else [each for each in found.values() if each.shape == tensor.shape]
        worst = max(worst, min((_distance(each, tensor) for each in partners), default=math.inf))
    return worst


def _distance(found: Tensor, expected: Tensor) -> float:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return math.inf
    difference = torch.nan_to_num((found.double() - expected.double()).abs(), nan=math.inf)
    return float(difference.max()) if difference.numel() else 0.0


def _plain(found: Any) -> dict[str, Any]:
    """What is kept of a hypothesis."""
    return {
        "text": found.text,
        "tokens": found.tokens,
        "score": None if found.score == -math.inf else found.score,
        "finished": found.finished,
    }
