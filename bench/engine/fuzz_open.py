"""Does the engine refuse damaged networks in a sentence? Fuzzed settings and weights, under sanitizers.

    python bench/engine/fuzz_open.py                  100,000 of them
    python bench/engine/fuzz_open.py --runs 300       quick

Small networks of every kind are damaged in every way of `damage.py`, settings, weights or both, and opened by an engine
that was compiled with the address and undefined-behaviour sanitizers. What still opens writes given outputs for three
small sources, one of them empty. A fault is a crash, a report of a sanitizer, a sentence that is none, or memory that
was not given back. `--seed S --first N --runs 1` repeats run N.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from seqweave.config import ModelConfig
from seqweave.model.build import build_model

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parents[1] / "native"
SANITIZED = ("-g", "-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
SMALL: dict[str, Any] = {"embedding_size": 8, "encoder_hidden_size": 3, "decoder_hidden_size": 6, "dropout": 0}
NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "deep": {"encoder_layers": 2, "decoder_layers": 2, "residual": True, "layer_norm": True, "cell": "gru"},
    "before": {"attention": "additive", "attention_position": "before", "attention_normalized": True, "cell": "irnn"},
    "between": {"attention": "cosine", "attention_position": "between", "decoder_layers": 2, "cell": "rnn"},
    "locations": {"attention": "location_aware", "coverage": True, "attention_window": "local_p", "window_size": 2},
    "location": {"attention": "location", "location_positions": 5, "bidirectional": False},
    "copies": {"copy": True, "tie_embeddings": True, "input_feeding": True},
    "every_step": {"attention": "none", "context": "every_step", "input": "one_hot", "bridge": "zero"},
    "tags": {"feature_size": 4, "output": "softmax", "reverse_source": True},
    "transformer": {"encoder": "transformer", "decoder": "transformer", "positions": "learned", "norm": "pre"},
    "transformer_tags": {"encoder": "transformer", "decoder": "transformer", "positions": "rotary", "feature_size": 4},
    "reads": {"encoder": "transformer", "decoder_hidden_size": 8, "bridge": "copy", "attention": "dot"},
    "writes": {"decoder": "transformer", "norm": "post", "tie_embeddings": True},
}
TRANSFORMER: dict[str, Any] = {"heads": 2, "feed_forward_size": 7, "max_positions": 12}
SOURCE_ENTRIES, TARGET_ENTRIES, TAGS = 11, 9, 3


@dataclass(frozen=True)
class Outcome:
    """How the runs ended: figures, where they came to an end, or else the last run and what was said about it."""

    figures: dict[str, Any] | None
    last: str
    said: str


def write_networks(folder: Path) -> None:
    """Settings and weights of all `NETWORKS`."""
    torch.manual_seed(1)
    for name, settings in NETWORKS.items():
        chosen = TRANSFORMER if "transformer" in settings.values() else {}
        config = ModelConfig(**SMALL | chosen | settings)
        model = build_model(config, SOURCE_ENTRIES, TARGET_ENTRIES, TAGS if config.feature_size else 0)
        tensors = {tensor: numbers.contiguous() for tensor, numbers in model.state_dict().items()}
        save_file(tensors, folder / f"{name}.safetensors")
        (folder / f"{name}.json").write_text(config.model_dump_json(), encoding="utf-8")


def sanitizer_library() -> str | None:
    """What must be loaded before Python, as gcc names it; None where there is no gcc or it has none."""
    if shutil.which("gcc") is None:
        return None
    asked = ["gcc", "-print-file-name=libasan.so"]
    path = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    return path if Path(path).is_absolute() else None


def build_sanitized(folder: Path) -> Path:
    """Compile the engine with sanitizers, by gcc. Raises `SystemExit` with its sentence when that fails."""
    spec = importlib.util.spec_from_file_location("native_build", NATIVE / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    library: Path = folder / build.library_name()
    failed = build.build(library, SANITIZED)
    if failed:
        raise SystemExit(failed)
    return library


def open_all(folder: Path, library: Path, preloaded: str, runs: int, seed: int = 1, first: int = 0) -> Outcome:
    """Damage and open, in a process of its own."""
    numbers = {"--first": first, "--runs": runs, "--seed": seed}
    command = [sys.executable, str(HERE / "open_damaged.py"), str(folder), str(library)]
    command += [part for name, number in numbers.items() for part in (name, str(number))]
    sanitizers = {
        "LD_PRELOAD": preloaded,
        "ASAN_OPTIONS": "allocator_may_return_null=1:detect_leaks=1:exitcode=0",
        "LSAN_OPTIONS": "max_leaks=1000:print_suppressions=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
    }
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | sanitizers, check=False)
    said = done.stderr.replace("\0", "")
    now = folder / "now"
    last = now.read_text().strip() if now.exists() else "none"
    complaint = "runtime error" in said or "AddressSanitizer" in said.replace("LeakSanitizer", "")
    leaked = "sw_take" in said or "sw_open" in said or "sw_force" in said
    if not done.stdout or complaint or leaked:
        return Outcome(None, last, said or f"it ended with code {done.returncode}")
    return Outcome(json.loads(done.stdout), last, said)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    arguments = parser.parse_args()
    preloaded = sanitizer_library()
    if preloaded is None:
        raise SystemExit("gcc with its sanitizers is needed: install it, and begin again")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_networks(folder)
        library = build_sanitized(folder)
        outcome = open_all(folder, library, preloaded, arguments.runs, arguments.seed, arguments.first)
    if outcome.figures is None:
        raise SystemExit(f"run {outcome.last} ended badly:\n{outcome.said}")
    print(json.dumps(outcome.figures, indent=2))
    if outcome.figures["faults"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
