"""A tiny run for the training tests: reversed words, a small network, every option that has state."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from seqweave.training.run import train

SETTINGS: dict[str, Any] = {
    "data.source.units": "char",
    "data.target.units": "char",
    "model.embedding_size": 8,
    "model.encoder_hidden_size": 6,
    "model.decoder_hidden_size": 12,
    "model.dropout": 0.2,
    "training.max_steps": 12,
    "training.warmup_steps": 2,
    "training.batch_tokens": 128,
    "training.accumulate": 2,
    "training.validate_every": 4,
    "training.checkpoint_every": 3,
    "training.ema_decay": 0.5,
    "training.average_checkpoints": 2,
    "training.schedule": "plateau",
    "training.plateau_patience": 0,
    "training.precision": "fp32",
    "training.metric": "token_error_rate",
}


def write_pairs(path: Path, pairs: int = 120, seed: int = 1) -> Path:
    """Words and the same words backwards."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdef", k=draw.randint(2, 6))) for _ in range(pairs)]
    path.write_text("".join(f"{word}\t{word[::-1]}\n" for word in words), encoding="utf-8")
    return path


def write_tagged_pairs(path: Path, more: str = "") -> Path:
    """Words, forwards or backwards as one of their two tags says; `more` ends each line."""
    draw = random.Random(1)
    lines = []
    for _ in range(80):
        word, way = "".join(draw.choices("abcdef", k=draw.randint(2, 6))), draw.choice(["KEEP", "TURN"])
        lines.append(f"{word}\t{word if way == 'KEEP' else word[::-1]}\tV;{way}{more}\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


SCRIPT = """
import json, sys
from seqweave.training.run import train
train(sys.argv[1], sys.argv[2], settings=json.loads(sys.argv[3]), mix=sys.argv[4] or None, device="cpu")
"""


def train_in_two_processes(data: Path, out: Path, settings: dict[str, Any], mix: Path | None = None) -> None:
    """What torchrun does with two processes on this machine."""
    script = out.with_suffix(".py")
    script.write_text(SCRIPT, encoding="utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    done = subprocess.run(
        [*launcher, str(script), str(data), str(out), json.dumps(settings), str(mix or "")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def train_as_the_first_of_two(data: Path, out: Path, settings: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
    """The same where this process is the first of the two, which starts one instead of three."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    join = partial(torch.distributed.init_process_group, timeout=timedelta(seconds=120))  # should the other one fail
    words = [sys.executable, "-c", SCRIPT, str(data), str(out), json.dumps(settings), ""]
    other = subprocess.Popen(words, env={**os.environ, **both, "RANK": "1"}, stderr=subprocess.PIPE, text=True)
    try:
        with patch.context() as inside:
            inside.setattr(torch.distributed, "init_process_group", join)
            for name, value in {**both, "RANK": "0"}.items():
                inside.setenv(name, value)
            train(data, out, settings=settings, device="cpu")
        said = other.communicate(timeout=120)[1]
        assert other.returncode == 0, said[-2000:]
    finally:
        other.kill()
        other.communicate()
