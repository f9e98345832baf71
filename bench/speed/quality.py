"""Does bf16 cost quality? The same trainings in bf16 and in fp32, over seeds, with intervals.

    PEERS_ROOT=... python bench/speed/quality.py -o runs/precision [--works w2 w1] [--seeds 1 2 3]

Each run is `seqweave train` on the data of the peers' bench and an evaluation of its best weights on
the test set. Runs of a seed differ in precision only, so their differences are paired; the interval
is the 95% t-interval of these. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from machine import describe
from peer_seqweave import load_common
from tables import markdown, number, paired_interval
from works import WORKS, parse_variant, settings

PRECISIONS = ("fp32", "bf16")
STEPS = {"w1": 2000, "w2": 2000}
RATES = {"w1": 1e-3, "w2": 2e-3}
METRICS = {
    "w1": (("bleu", "BLEU"), ("perplexity", "perplexity")),
    "w2": (
        ("exact_match", "exact match, %"),
        ("token_error_rate", "phone error rate, %"),
        ("perplexity", "perplexity"),
    ),
}


def write_pairs(data: Path, name: str, folder: Path) -> Path:
    """A split of the peers' data as TSV; it appears whole, because calls with other seeds may run beside."""
    from ours import read_pairs

    path = folder / f"{name}.tsv"
    pairs = read_pairs(data / f"{name}.src", data / f"{name}.trg")
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")
    return part.replace(path)


def run_settings(work: str, variant: str, precision: str, steps: int) -> dict[str, Any]:
    """The bench's model, trained as a user would: dropout, smoothing, a cosine."""
    wanted = settings(WORKS[work], parse_variant(variant, WORKS[work]))
    wanted |= {
        "model.dropout": 0.2,
        "training.label_smoothing": 0.1,
        "training.schedule": "cosine",
        "training.warmup_steps": steps // 10,
        "training.learning_rate": RATES[work],
        "training.max_steps": steps,
        "training.validate_every": max(1, steps // 8),
        "training.max_dev_pairs": 500,
        "training.precision": precision,
    }
    return wanted


def one_run(work: str, variant: str, precision: str, seed: int, steps: int, data: Path, output: Path) -> dict[str, Any]:
    """Train and evaluate, or read what an earlier call found."""
    import seqweave
    from seqweave.data.readers import PairReader
    from seqweave.evaluation.evaluate import evaluate_model

    folder = output / f"{work}-{variant.replace(',', '-')}-{precision}-{seed}"
    result = folder.with_suffix(".json")
    if result.is_file():
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return found
    splits = {name: write_pairs(data, name, output) for name in ("train", "valid", "test")}
    began = time.perf_counter()
    seqweave.train(
        splits["train"],
        folder,
        dev=splits["valid"],
        settings=run_settings(work, variant, precision, steps),
        seed=seed,
        device="cpu",
    )
    seconds = time.perf_counter() - began
    pairs = list(PairReader(splits["test"]))
    model = seqweave.load(folder, "cpu")
    metrics = evaluate_model(model, [p.source for p in pairs], [p.target for p in pairs], beam_size=1)
    found = {**metrics.to_json(), "seconds": seconds, "steps": steps}
    result.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def table(work: str, runs: dict[str, list[dict[str, Any]]]) -> str:
    """Means and deviations of both precisions, and the paired differences."""
    rows = []
    for key, name in (*METRICS[work], ("seconds", "training, s")):
        values = {precision: [float(run[key]) for run in runs[precision]] for precision in PRECISIONS}
        if len(values["fp32"]) > 1:
            middle, half = paired_interval(values["fp32"], values["bf16"])
            inside = "yes" if abs(middle) <= half else "NO"
            shown = [f"{statistics.mean(v):.2f} ± {statistics.stdev(v):.2f}" for v in values.values()]
            rows.append([name, *shown, f"{middle:+.2f} ± {half:.2f}", "-" if key == "seconds" else inside])
        else:
            rows.append([name, *(number(v[0], 2) for v in values.values()), "-", "-"])
    return markdown(["test", "fp32", "bf16", "bf16 - fp32, 95%", "inside the noise"], rows)


def main() -> None:
    """Run what is missing and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/precision"), metavar="DIR")
    parser.add_argument("--works", nargs="*", choices=sorted(WORKS), default=["w2", "w1"])
    parser.add_argument("--variant", default="after", help="see works.py")
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2, 3])
    parser.add_argument("--steps", type=int, help=f"default: {STEPS}")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # before torch is imported
    import torch

    torch.set_num_threads(options.threads)
    root = Path(load_common().ROOT)
    parts = ["# bf16 against fp32", "\n".join(f"- {line}" for line in describe(options.threads))]
    for work in options.works:
        data = root / "data" / work
        if not (data / "train.src").is_file():
            sys.exit(f"the data must be in {data}, but they are not there: set PEERS_ROOT")
        output = options.output / work
        output.mkdir(parents=True, exist_ok=True)
        steps = options.steps or STEPS[work]
        runs: dict[str, list[dict[str, Any]]] = {precision: [] for precision in PRECISIONS}
        for seed in options.seeds:
            for precision in PRECISIONS:
                print(f"{work} {precision} seed {seed}", file=sys.stderr, flush=True)
                runs[precision].append(one_run(work, options.variant, precision, seed, steps, data, output))
        parts.append(f"## {work} {options.variant}, {steps} steps, seeds {options.seeds}\n\n{table(work, runs)}")
    text = "\n\n".join(parts) + "\n"
    (options.output / "report.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
