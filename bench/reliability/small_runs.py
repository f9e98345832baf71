"""Small runs of the command line in forked processes, and what such a run must end with.

A fork costs no import of torch, so that a thousand runs take minutes; POSIX only. The process that forks never runs the
network itself.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

SETTINGS: dict[str, Any] = {
    "data.source.units": "char",
    "data.target.units": "char",
    "model.embedding_size": 6,
    "model.encoder_hidden_size": 6,
    "model.decoder_hidden_size": 8,
    "model.dropout": 0.1,
    "training.max_steps": 8,
    "training.warmup_steps": 2,
    "training.batch_tokens": 128,
    "training.validate_every": 2,
    "training.checkpoint_every": 3,
    "training.average_checkpoints": 2,
    "training.max_dev_pairs": 5,
    "training.precision": "fp32",
    "training.metric": "loss",
}
"""Every step falls, so a validation at almost every one keeps its weights; dropout tells whether steps are repeated."""

KILLED, STOPPED = -signal.SIGKILL, 130


def write_pairs(path: Path, pairs: int = 60) -> Path:
    """Words and the same words backwards."""
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdef", k=draw.randint(2, 5))) for _ in range(pairs)]
    path.write_text("".join(f"{word}\t{word[::-1]}\n" for word in words), encoding="utf-8")
    return path


def train_words(data: Path, folder: Path, changes: Mapping[str, Any] | None = None, restart: bool = False) -> list[str]:
    """The words of `seqweave train`, after `seqweave`."""
    settings = {**SETTINGS, **(changes or {})}
    words = ["train", str(data), "-o", str(folder), "--device", "cpu"]
    words += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return words + (["--restart"] if restart else [])


def load_libraries() -> None:
    """Import once, before the first fork, what every run imports, late and slowly."""
    import torch

    for name in ("torch._dynamo", "sacrebleu", "jiwer", "seqweave.cli.progress", "seqweave.training.run"):
        importlib.import_module(name)
    torch.set_num_threads(1)


def forked(run: Callable[[], int], log: Path) -> int:
    """Start `run` in a fork with its output in `log`; gives the number of the process."""
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(descriptor, stream)
        code = run()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(process: int) -> int:
    """The exit code of a fork; of one that a signal ended, its number with a minus."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def seqweave(words: Sequence[str], log: Path, before: Callable[[], None] = lambda: None) -> int:
    """Run a command line in a fork, after `before`, and wait for it."""

    def run() -> int:
        from seqweave.cli.main import main

        before()
        return main(words)

    return ended(forked(run, log))


def stop_at(step: int) -> Callable[[], None]:
    """Have a run in this process stop after a step, as Ctrl-C has it."""

    def before() -> None:
        from seqweave.training.step import Stepper

        real = Stepper.run

        def stopping(self: Any, at: int, data: Any, rate: float, stop: bool) -> Any:
            return real(self, at, data, rate, stop or at == step)

        Stepper.run = stopping  # type: ignore[method-assign]

    return before


def end_of(folder: Path) -> dict[str, str]:
    """What a finished run ended with, without what times and places differ in: a sum for each part."""
    [last] = folder.glob("checkpoints/step_*")
    parts = {name: (folder / name).read_bytes() for name in _SAME}
    parts |= {name: (last / name).read_bytes() for name in ("model.safetensors", "optimizer.safetensors")}
    parts["best"] = (folder / "model.safetensors").read_bytes()
    parts["state"] = _without(last / "state.json", "seconds")
    facts = json.loads((folder / "run.json").read_bytes())["facts"]
    facts.pop("seconds")
    parts["facts"] = json.dumps(facts, sort_keys=True).encode()
    parts["events"] = _events(folder / "events.jsonl")
    parts["files"] = json.dumps(sorted(path.name for path in folder.rglob("*"))).encode()
    return {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}


_SAME = (
    "config.json", "source.tokenizer.json", "target.tokenizer.json", "source_hashes.bin", "samples.jsonl",
    "metrics.json",
)  # fmt: skip


def _without(path: Path, *names: str) -> bytes:
    values = json.loads(path.read_bytes())
    return json.dumps({key: value for key, value in values.items() if key not in names}, sort_keys=True).encode()


def _events(path: Path) -> bytes:
    """The validations; steps are reported by the clock."""
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    kept = [{**row, "seconds": 0} for row in rows if row["event"] == "validation"]
    return json.dumps(kept, sort_keys=True).encode()


def differences(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """The parts that differ between two ends."""
    return [name for name in expected if found.get(name) != expected[name]]


def fresh_copy(folder: Path, copy: Path) -> None:
    """Put a copy of what a scenario begins with (a folder with all beside the model) in the place of another."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
