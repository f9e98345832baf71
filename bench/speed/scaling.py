"""How cost grows with corpus size, sentence length, units and vocabulary: one table each.

    python bench/speed/scaling.py [corpus length units vocabulary] [--variant after] [--threads 2]

Made-up pairs, our own code. `p` is the exponent of cost ~ size^p that fits the points best: 1 is
linear, 2 quadratic, 0 says that the size does not matter. Expected: preparing and an epoch's batching
p = 1 in the corpus, a step and memory p = 0; a pair p = 1 in the length (attention adds a small
quadratic part); p near 2 in the units once products rule; at most 1 in the vocabulary.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from machine import describe
from synthetic import all_items, drawn_lengths, texts
from tables import growth, markdown, number
from works import Variant, Work, parse_variant, settings

BASE = Work("scaling", "lstm", 256, 256, 256, 64, 1e-3, 12)
LENGTH, VOCABULARY = 12, 1000
SEARCHED = 64  # sentences
BATCHES = 4


def ignore_mark() -> None:
    """Nothing is done at the start of a step."""


class Written:
    """Made-up pairs in a file, read as `seqweave train` reads them; can be iterated again and again."""

    def __init__(self, path: Path, pairs: int):
        lengths = drawn_lengths(pairs, LENGTH, 3, BASE.batch, 1)
        self.path = path
        with path.open("w", encoding="utf-8") as file:
            for source, target in zip(texts(lengths, VOCABULARY, 1), texts(lengths, VOCABULARY, 2), strict=True):
                file.write(f"{source}\t{target}\n")

    def __iter__(self) -> Iterator[tuple[str, str]]:
        from seqweave.data.readers import PairReader

        return ((pair.source, pair.target) for pair in PairReader(self.path))


def resident_mb() -> float:
    """Memory of the process now, without mapped files of the data; 0 where the system does not say."""
    path = Path("/proc/self/status")
    found = [line for line in path.read_text().split("\n") if line.startswith("RssAnon")] if path.is_file() else []
    return int(found[0].split()[1]) / 1024 if found else 0.0


def median_ms(run: Callable[[], Any], times: int) -> float:
    """Median milliseconds of a call, after one that warms up."""
    spent = []
    for _ in range(times + 1):
        began = time.perf_counter()
        run()
        spent.append((time.perf_counter() - began) * 1000)
    return sorted(spent[1:])[times // 2]


def point(work: Work, variant: Variant, length: int, vocabulary: int, steps: int) -> list[float]:
    """Milliseconds of a training step, and of decoding 64 sentences greedily and with beam 5 at a forced length."""
    import torch
    from ours import IMPOSSIBLE, make_config, make_dataset, make_stepper, run_steps

    from seqweave.config import build_config
    from seqweave.predictor import Model
    from seqweave.text.vocabulary import EOS

    wanted = settings(work, variant) | {"search.max_length": length, "search.max_length_ratio": 1000.0}
    wanted["search.batch_tokens"] = 10_000_000
    sources = list(texts([length] * work.batch * BATCHES, vocabulary, 1))
    targets = list(texts([length] * work.batch * BATCHES, vocabulary, 2))
    every = list(all_items(vocabulary))
    with tempfile.TemporaryDirectory() as folder:
        pairs = [*zip(sources, targets, strict=True), *zip(every, every, strict=True)]
        dataset, source, target = make_dataset(pairs, build_config(wanted), Path(folder) / "ids")
        config = make_config(wanted, dataset, torch.device("cpu"))
        stepper = make_stepper(config, dataset, (source.size, target.size), torch.device("cpu"))
        # The batches before those of `every`, again and again.
        step = median_ms(lambda: run_steps(stepper, BATCHES, work.batch, work.rate, ignore_mark), steps) / BATCHES
    with torch.no_grad():
        stepper.model.output.bias[EOS] = IMPOSSIBLE
    stepper.model.eval()
    model = Model(stepper.model, source, target, config, "cpu")
    searches = []
    for beam in (1, 5):

        def search(beam: int = beam) -> None:
            model.predict(sources[:SEARCHED], beam_size=beam)

        searches.append(median_ms(search, 3))
    return [step, *searches]


def corpus_point(pairs: int, variant: Variant, steps: int) -> list[float]:
    """Seconds to prepare, milliseconds to batch an epoch and to train a step, and MB of memory after it."""
    import torch
    from ours import make_config, make_dataset, make_stepper, run_steps

    from seqweave.config import build_config
    from seqweave.data.batching import count_batches

    wanted = settings(BASE, variant)
    with tempfile.TemporaryDirectory() as folder:
        made = Written(Path(folder) / "pairs.tsv", pairs)
        began = time.perf_counter()
        dataset, source, target = make_dataset(made, build_config(wanted), Path(folder) / "ids")
        prepare = time.perf_counter() - began
        config = make_config(wanted, dataset, torch.device("cpu"))
        sides = (dataset.source_lengths, dataset.target_lengths)
        batching = median_ms(lambda: count_batches(*sides, batch_tokens=4096, max_pairs=256, seed=1, epoch=0), 3)
        stepper = make_stepper(config, dataset, (source.size, target.size), torch.device("cpu"))
        step = median_ms(lambda: run_steps(stepper, BATCHES, BASE.batch, BASE.rate, ignore_mark), steps) / BATCHES
        return [prepare, batching, step, resident_mb()]


def table(head: list[str], sizes: list[int], rows: list[list[float]]) -> str:
    """The points and the exponent of each column."""
    body = [[f"{size:,}", *(number(value, 2) for value in row)] for size, row in zip(sizes, rows, strict=True)]
    columns = [list(column) for column in zip(*rows, strict=True)]
    fits = [number(growth(sizes, column), 2) if min(column) > 0 else "-" for column in columns]
    return markdown(head, [*body, ["p", *fits]])


def studies(variant: Variant, smoke: bool, steps: int) -> dict[str, Callable[[], str]]:
    """The table of each quantity, to be computed."""
    times = ["ms/step, training", "ms, 64 sentences greedy", "ms, 64 sentences beam 5"]
    sizes = {
        "corpus": [3_000, 10_000, 30_000, 100_000, 300_000],
        "length": [8, 16, 32, 64, 128],
        "units": [64, 128, 256, 512, 1024],
        "vocabulary": [1_000, 4_000, 16_000, 64_000],
    }
    if smoke:
        sizes = {"corpus": [300, 600, 900, 1200], "length": [2, 3, 4, 5]}
        sizes |= {"units": [16, 24, 32, 40], "vocabulary": [50, 100, 200, 400]}

    def corpus() -> str:
        head = ["pairs", "prepare, s", "batch an epoch, ms", "ms/step, training", "memory, MB"]
        return table(head, sizes["corpus"], [corpus_point(size, variant, steps) for size in sizes["corpus"]])

    def length() -> str:
        rows = [point(BASE, variant, size, VOCABULARY, steps) for size in sizes["length"]]
        return table(["items a sentence", *times], sizes["length"], rows)

    def units() -> str:
        works = [replace(BASE, embedding=size, encoder=size, decoder=size) for size in sizes["units"]]
        return table(["units", *times], sizes["units"], [point(w, variant, LENGTH, VOCABULARY, steps) for w in works])

    def vocabulary() -> str:
        rows = [point(BASE, variant, LENGTH, size, steps) for size in sizes["vocabulary"]]
        return table(["entries", *times], sizes["vocabulary"], rows)

    return {"corpus": corpus, "length": length, "units": units, "vocabulary": vocabulary}


def main() -> None:
    """Measure and print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="corpus, length, units, vocabulary (default: all)")
    parser.add_argument("--variant", default="after", help="see works.py")
    parser.add_argument("--steps", type=int, default=5, help="times that a few steps are timed; the median counts")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, help="also write the tables here")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: only see that everything runs")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # before torch is imported
    import torch

    torch.set_num_threads(options.threads)
    made = studies(parse_variant(options.variant, BASE), options.smoke, 1 if options.smoke else options.steps)
    unknown = [name for name in options.studies if name not in made]
    if unknown:
        parser.error(f"a study is one of {', '.join(made)}, but one is {unknown[0]}")
    parts = ["# How cost grows", "\n".join(f"- {line}" for line in describe(options.threads))]
    for name in options.studies or made:
        parts.append(f"## {name} ({options.variant})\n\n{made[name]()}")
        print(parts[-1], end="\n\n", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    parts.append(f"most memory of the process: {peak:,.0f} MB")
    if options.out:
        options.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
