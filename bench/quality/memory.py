"""Does memory grow with the corpus? Peak memory of reading, tokenising and batching generated pairs.

    python bench/quality/memory.py --pairs 500000 5000000

Each size runs in a fresh process, step by step: read the TSV, learn character vocabularies, write
the tokenised dataset, go through one epoch of batches and make every 200th of them. Two figures:

- `anonymous`: memory the process itself allocated (RssAnon, sampled every 20 ms). This is what
  must not grow with the corpus, for it cannot be given back.
- `peak rss`: ru_maxrss, which also counts resident pages of mapped files; the operating system
  drops those whenever it needs the memory. Linux only.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

MIB = 1 << 20


class AnonymousPeak:
    """Samples RssAnon of this process in a thread."""

    def __init__(self, seconds: float = 0.02):
        self._seconds = seconds
        self._peak = 0
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while True:
            self._peak = max(self._peak, anonymous_bytes())
            time.sleep(self._seconds)

    def take(self) -> int:
        """The peak in bytes since the last call."""
        peak, self._peak = max(self._peak, anonymous_bytes()), 0
        return peak


def anonymous_bytes() -> int:
    """RssAnon of this process now."""
    for line in Path("/proc/self/status").read_text().split("\n"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this benchmark needs RssAnon in /proc/self/status (Linux 4.5 or later)")


def generate(path: Path, pairs: int, seed: int) -> None:
    """Write numbers and their reversed digits, 3 to 12 of them."""
    draw = random.Random(seed)
    with path.open("w", encoding="ascii") as file:
        for _ in range(pairs):
            number = str(draw.randrange(100, 10 ** draw.randrange(4, 13)))
            file.write(f"{number}\t{number[::-1]}\n")


def measure(path: Path) -> None:
    """The measured process: prints one JSON object with bytes and seconds of each step."""
    peak = AnonymousPeak()
    began = time.perf_counter()

    # Imported here, so that the first figure is the price of the libraries alone.
    import numpy as np

    from seqweave.config import TextConfig
    from seqweave.data.batch import collate
    from seqweave.data.batching import epoch_batches
    from seqweave.data.dataset import write_dataset
    from seqweave.data.readers import PairReader
    from seqweave.text.tokenizers import train_tokenizer

    steps: dict[str, dict[str, float]] = {}

    def done(name: str) -> None:
        nonlocal began
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        steps[name] = {"anonymous": peak.take(), "rss": rss, "seconds": time.perf_counter() - began}
        began = time.perf_counter()

    done("import")
    reader = PairReader(path)
    source_tokenizer = train_tokenizer((pair.source for pair in reader), TextConfig(units="char"))
    target_tokenizer = train_tokenizer((pair.target for pair in reader), TextConfig(units="char"))
    done("vocabularies")

    def texts() -> Iterator[tuple[str, str]]:
        return ((pair.source, pair.target) for pair in reader)

    dataset, _ = write_dataset(texts(), source_tokenizer, target_tokenizer, path.parent / "tokens", 512, 512)
    done("tokenise")
    seen = 0
    lengths = dataset.source_lengths, dataset.target_lengths
    for number, indices in enumerate(epoch_batches(*lengths, batch_tokens=4096, max_pairs=256, seed=1, epoch=0)):
        seen += len(indices)
        if number % 200 == 0:
            batch = collate(dataset, indices)
            # <bos> y and y <eos> hold the same items: a real batch, not only its shape.
            assert np.array_equal(batch.target_in[:, 1:].numpy() > 3, batch.target_out[:, :-1].numpy() > 3)
    assert seen == len(dataset)
    done("epoch")
    stored = sum(file.stat().st_size for file in dataset.folder.iterdir())
    print(json.dumps({"pairs": seen, "stored": stored, "steps": steps}))


def run(pairs: int, seed: int) -> dict[str, object]:
    """Generate and measure one size, in a folder of its own and a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.tsv"
        generate(path, pairs, seed)
        command = [sys.executable, __file__, "--measure", str(path)]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
        result: dict[str, object] = json.loads(found.stdout)
        return {**result, "file": path.stat().st_size}


def main() -> None:
    """Measure each size and print a Markdown table in MiB."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[500_000, 5_000_000], help="sizes of the corpus")
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated pairs")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        measure(arguments.measure)
        return
    print("| pairs | TSV MiB | dataset MiB | step | peak anonymous MiB | peak rss so far MiB | seconds |")
    print("|---|---|---|---|---|---|---|")
    for pairs in arguments.pairs:
        found = run(pairs, arguments.seed)
        steps = found["steps"]
        assert isinstance(steps, dict)
        sizes = f"{float(str(found['file'])) / MIB:.0f} | {float(str(found['stored'])) / MIB:.0f}"
        for name, step in steps.items():
            figures = f"{step['anonymous'] / MIB:.0f} | {step['rss'] / MIB:.0f} | {step['seconds']:.1f}"
            print(f"| {pairs} | {sizes} | {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
