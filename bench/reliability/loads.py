"""Load a model folder again and again while its weights are replaced as training replaces them.

    python bench/reliability/loads.py [--loads 1000]

Another process keeps new weights as fast as it can, as a validation that is the best so far does; all numbers of one
model are the same, so a mixture of two would show. It is killed (SIGKILL) and started anew now and then. Every load
must give one model whole, and none that is older than the last. POSIX only.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch

from seqweave.config import Config, ModelConfig, TextConfig, config_to_json
from seqweave.config.data import DataConfig
from seqweave.errors import SeqweaveError
from seqweave.folder import CONFIG, SOURCE_TOKENIZER, TARGET_TOKENIZER
from seqweave.loading import load
from seqweave.model.build import build_model
from seqweave.text.tokenizers import train_tokenizer
from seqweave.training.record import Record

SETTINGS = ModelConfig(embedding_size=8, encoder_hidden_size=16, decoder_hidden_size=16)
LOADS_PER_WRITER = 50
MODELS_PER_WRITER = 10_000  # more than it keeps before it is killed


def main() -> int:
    """Load and print the figures; 1 when a load failed or gave a mixture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loads", type=int, default=1000)
    loads = parser.parse_args().loads
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        make(folder)
        failed, mixed, seen = look(folder, loads)
    print(f"{loads} loads while the weights are replaced: {failed} failed, {mixed} mixed or older; {seen} models seen")
    return 1 if failed or mixed or seen < 2 else 0


def make(folder: Path) -> None:
    """A folder as a run has it after its first validation."""
    folder.mkdir()
    text = TextConfig(units="char")
    tokenizer = train_tokenizer(["abcdefgh"], text)
    config = Config(model=SETTINGS, data=DataConfig(source=text, target=text))
    (folder / CONFIG).write_text(config_to_json(config), encoding="utf-8")
    tokenizer.save(folder / SOURCE_TOKENIZER)
    tokenizer.save(folder / TARGET_TOKENIZER)
    keep(folder, 1, 1)


def keep(folder: Path, first: int, count: int) -> None:
    """Keep `count` models, whose numbers all are `first` and what follows it."""
    network = build_model(SETTINGS, 12, 12)
    for number in range(first, first + count):
        with torch.no_grad():
            for part in network.parameters():
                part.fill_(number)
        Record(folder).keep_weights(network)


def look(folder: Path, loads: int) -> tuple[int, int, int]:
    """Load while others write; gives how many loads failed, how many were mixed or older, and how many models came."""
    failed = mixed = newest = 0
    seen = set()
    writer = 0
    for number in range(loads):
        if number % LOADS_PER_WRITER == 0:
            stop(writer)
            writer = start(folder, (number // LOADS_PER_WRITER + 1) * MODELS_PER_WRITER)
        try:
            model = load(folder, "cpu")
        except SeqweaveError as error:
            failed += 1
            print(error, file=sys.stderr)
            continue
        parts = [part.flatten() for part in model.network.state_dict().values()]
        values = {float(part[0]) for part in parts}
        whole = all(bool((part == part[0]).all()) for part in parts)
        mixed += len(values) > 1 or not whole or max(values) < newest
        newest = max(newest, int(max(values)))
        seen |= values
    stop(writer)
    return failed, mixed, len(seen)


def start(folder: Path, first: int) -> int:
    """Start a writer; gives the number of its process."""
    process = os.fork()
    if process:
        return process
    try:
        torch.set_num_threads(1)
        keep(folder, first, 1 << 20)
    finally:
        os._exit(1)


def stop(writer: int) -> None:
    """Kill a writer, wherever it is."""
    if writer:
        time.sleep(0.001)
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)


if __name__ == "__main__":
    sys.exit(main())
