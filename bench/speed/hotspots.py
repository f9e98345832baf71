"""Where the time of training goes: operators by kind, and the largest ones.

    python bench/speed/hotspots.py --work w2 --variants after before [--threads 2] [--out FILE.md]

torch's profiler over our own training step. Times are self times of operators, all threads' wait
included; what Python takes between them is the difference to the wall clock.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from peer_seqweave import load_common
from tables import markdown, number
from works import WORKS, Variant, parse_variant, settings

WARMUP = 5
KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (  # the first that matches counts
    ("optimizer and clipping", ("adam", "_foreach", "vector_norm", "lerp")),
    ("recurrent kernels", ("mkldnn_rnn", "lstm", "gru", "rnn_tanh")),
    ("matrix products", ("aten::mm", "addmm", "bmm", "linear", "mkldnn_convolution", "dot")),
    ("softmax and loss", ("softmax", "nll_loss", "cross_entropy", "logsumexp")),
    ("tanh, sigmoid", ("tanh", "sigmoid")),
    ("embeddings", ("embedding", "index_select", "index_add")),
    (
        "copies and conversions",
        ("copy", "cat", "stack", "clone", "contiguous", "gather", "scatter", "index", "zero", "fill"),
    ),
    ("sums and element-wise", ("sum", "add", "mul", "div", "sub", "neg", "where", "masked", "amax", "max", "clamp")),
)


def kind_of(operator: str) -> str:
    """The kind an operator belongs to."""
    return next((kind for kind, parts in KINDS if any(part in operator.lower() for part in parts)), "the rest")


def by_kind(times: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Times of operators summed by kind, largest first."""
    sums: dict[str, float] = {}
    for operator, spent in times:
        sums[kind_of(operator)] = sums.get(kind_of(operator), 0.0) + spent
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def profile(work: str, variant: Variant, steps: int, data: Path) -> tuple[float, int, list[tuple[str, float, float]]]:
    """Wall milliseconds a step without the profiler, operators a step, and (name, ms, calls) a step of each."""
    import torch
    from ours import make_config, make_dataset, make_stepper, read_pairs, run_steps
    from torch.profiler import ProfilerActivity

    from seqweave.config import build_config

    wanted, device = settings(WORKS[work], variant), torch.device("cpu")
    batch, rate = WORKS[work].batch, WORKS[work].rate
    pairs = read_pairs(data / "train.src", data / "train.trg")[: batch * (WARMUP + steps)]
    with tempfile.TemporaryDirectory() as temporary:
        dataset, source, target = make_dataset(pairs, build_config(wanted), Path(temporary) / "ids")
        stepper = make_stepper(make_config(wanted, dataset, device), dataset, (source.size, target.size), device)
        clock: list[float] = []
        run_steps(stepper, WARMUP + steps, batch, rate, lambda: clock.append(time.perf_counter()))
        wall = (time.perf_counter() - clock[WARMUP]) / steps * 1000
        with torch.profiler.profile(activities=[ProfilerActivity.CPU]) as profiler:
            run_steps(stepper, steps, batch, rate, lambda: None)
    events: Any = profiler.key_averages()
    rows = [(event.key, event.self_cpu_time_total / 1000 / steps, event.count / steps) for event in events]
    return wall, round(sum(row[2] for row in rows)), sorted(rows, key=lambda row: -row[1])


def section(work: str, variant: str, steps: int, data: Path, largest: int) -> str:
    """The tables of one variant."""
    wall, operators, rows = profile(work, parse_variant(variant, WORKS[work]), steps, data)
    total = sum(row[1] for row in rows)
    kinds = by_kind((row[0], row[1]) for row in rows)
    head = f"## Where training {work} {variant} spends its time\n\n{wall:.1f} ms a step, {operators} operators a step"
    shares = [[kind, number(spent, 2), f"{spent / total:.0%}"] for kind, spent in kinds.items()]
    single = [
        [name, number(spent, 2), f"{spent / total:.0%}", number(calls, 1)] for name, spent, calls in rows[:largest]
    ]
    return "\n\n".join(
        [
            head,
            markdown(["kind", "ms/step, profiled", "share"], shares),
            markdown(["operator", "ms/step, profiled", "share", "calls/step"], single),
        ]
    )


def main() -> None:
    """Profile and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", choices=sorted(WORKS), default="w2")
    parser.add_argument("--variants", nargs="*", default=["after", "after,fp32", "before"])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--largest", type=int, default=10, help="operators to list")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # before torch is imported
    data = Path(load_common().ROOT) / "data" / options.work
    if not (data / "train.src").is_file():
        sys.exit(f"the data must be in {data}, but they are not there: set PEERS_ROOT")
    parts = [section(options.work, variant, options.steps, data, options.largest) for variant in options.variants]
    text = "\n\n".join(parts) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
