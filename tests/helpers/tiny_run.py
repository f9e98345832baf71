"""A tiny run for the training tests: reversed words, a small network, every option that has state."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def train_in_two_processes(data: Path, out: Path, settings: dict[str, Any], mix: Path | None = None) -> None:
    """What torchrun does with two processes on this machine."""
    script = out.with_suffix(".py")
    script.write_text(
        "import json, sys\n"
        "from seqweave.training.run import train\n"
        "train(sys.argv[1], sys.argv[2], settings=json.loads(sys.argv[3]), mix=sys.argv[4] or None, device='cpu')\n"
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    done = subprocess.run(
        [*launcher, str(script), str(data), str(out), json.dumps(settings), str(mix or "")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
