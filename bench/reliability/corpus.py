"""Does memory stay flat for a corpus of millions of pairs, also a dirty one?

    python bench/reliability/corpus.py --pairs 5000000
    python bench/reliability/corpus.py --pairs 5000000 --dirty
    python bench/reliability/corpus.py --of check --pairs 400000 1600000
    python bench/reliability/corpus.py --of split --pairs 400000 1600000

Each size runs in a fresh process: a TSV is generated on disk, read by `PairReader`, and written as a dataset of
characters; or `check` or `split` is run on it, which remember something of each pair. With `--dirty`, every second
line cannot be used, each for another reason. Printed are the records kept and dropped, and the most memory the process
itself held (RssAnon, sampled; what is mapped does not count): before it began (its libraries), while it read, and
while it wrote. Several sizes of `--pairs` show whether it grows, and by how many bytes a pair. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1 << 20
DIRT = ("no column", "", "\tno source", "no target\t", "a\tb\tc\td", '"half', "\0\tb")


class Anonymous:
    """Samples what this process holds in memory of its own."""

    def __init__(self) -> None:
        self.peak = 0
        threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while True:
            for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
                if line.startswith("RssAnon:"):
                    self.peak = max(self.peak, int(line.split()[1]) * 1024)
            time.sleep(0.02)


def write_corpus(path: Path, pairs: int, dirty: bool) -> None:
    """Pairs of numbers; with dirt, a line that cannot be used after each."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(pairs):
            file.write(f"source {number}\ttarget {number * 7}\n")
            if dirty:
                file.write(DIRT[number % len(DIRT)] + "\n")


@contextmanager
def watched_corpus(pairs: int, dirty: bool) -> Iterator[tuple[Path, Anonymous, float]]:
    """A corpus in a folder of its own, what watches the memory of this process, and the most so far, in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.tsv"
        write_corpus(path, pairs, dirty)
        watch = Anonymous()
        time.sleep(0.1)
        yield path, watch, watch.peak


def measured_verb(verb: str, pairs: int, dirty: bool) -> dict[str, object]:
    """The most memory that `check` or `split` held for one corpus, in this process."""
    from seqweave.data.check import check_data
    from seqweave.data.splitting import split_data

    with watched_corpus(pairs, dirty) as (path, watch, before):
        found = check_data(path) if verb == "check" else split_data(path, path.with_name("parts"))
        assert found.kept == pairs
        return {
            "records": found.records,
            "kept": found.kept,
            "before_mib": round(before / MIB, 1),
            f"{verb}_mib": round(watch.peak / MIB, 1),
        }


def measured(pairs: int, dirty: bool) -> dict[str, object]:
    """The figures of one corpus that is read and written, in this process."""
    from seqweave.config import TextConfig
    from seqweave.data.dataset import write_dataset
    from seqweave.data.readers import PairReader
    from seqweave.text.tokenizers import train_tokenizer

    with watched_corpus(pairs, dirty) as (path, watch, before):
        reader = PairReader(path)
        kept = sum(1 for _ in reader)
        reading = watch.peak
        tokenizer = train_tokenizer(["sourcetag 0123456789"], TextConfig(units="char"))
        texts = ((pair.source, pair.target) for pair in reader)
        write_dataset(texts, tokenizer, tokenizer, path.with_name("ids"), 100, 100)
        report = reader.report
        assert kept == report.kept == pairs
        assert report.kept + report.dropped_records == report.records
        return {
            "records": report.records,
            "kept": kept,
            "dropped": report.counts,
            "before_mib": round(before / MIB, 1),
            "reading_mib": round(reading / MIB, 1),
            "writing_mib": round(watch.peak / MIB, 1),
        }


def main() -> int:
    """Measure each size in a process of its own, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[5_000_000])
    parser.add_argument("--dirty", action="store_true")
    parser.add_argument("--of", choices=["reading", "check", "split"], default="reading", help="what is measured")
    parser.add_argument("--quick", action="store_true", help="2,000 pairs")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    sizes = [2000] if args.quick else args.pairs
    if args.here:
        reads = args.of == "reading"
        figures = measured(sizes[0], args.dirty) if reads else measured_verb(args.of, sizes[0], args.dirty)
        print(json.dumps(figures))
        return 0
    options = ["--here", "--of", args.of, *(["--dirty"] if args.dirty else [])]
    for pairs in sizes:
        command = [sys.executable, __file__, *options, "--pairs", str(pairs)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        print(f"{pairs:,} pairs{', dirty' if args.dirty else ''}: {done.stdout.strip()}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
