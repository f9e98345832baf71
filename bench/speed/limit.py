"""What the machine can do: matrix products in fp32 and bf16, and memory.

    python bench/speed/limit.py [--threads 2] [--out limit.json]

The peak of a precision is the fastest product found, over shapes from those of the works to large
ones, and over the ways torch offers: `blas` is what `torch.mm` calls, `onednn` a oneDNN product with
its weights packed beforehand, `bf16` a linear layer in bf16.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SHAPES = (  # name, M, K, N
    ("large", 2048, 2048, 2048),
    ("w1 vocabulary, all steps", 1024, 512, 5844),
    ("w1 gates from the input, all steps", 1024, 256, 2048),
    ("w1 gates from the state, one step", 64, 512, 2048),
    ("w2 gates from the input, all steps", 2048, 256, 1024),
    ("w2 gates from the state, one step", 256, 256, 1024),
    ("decoding one sentence, gates", 1, 512, 2048),
)


def seconds(run: Callable[[], Any], budget: float) -> float:
    """The median time of a call, over calls for `budget` seconds."""
    run()
    times: list[float] = []
    end = time.perf_counter() + budget
    while len(times) < 5 or time.perf_counter() < end:
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


def products(M: int, K: int, N: int, budget: float) -> dict[str, float]:
    """GFLOP/s of a product (M, K) x (K, N) by each way that works here."""
    import torch
    from torch.nn import functional

    inputs, weight = torch.randn(M, K), torch.randn(N, K)
    half, half_weight = inputs.bfloat16(), weight.bfloat16()
    columns = weight.t().contiguous()
    ways: dict[str, Callable[[], Any]] = {
        "blas": lambda: torch.mm(inputs, columns),
        "bf16": lambda: functional.linear(half, half_weight),
    }
    if hasattr(torch.ops.mkldnn, "_reorder_linear_weight"):
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, M)
        ways["onednn"] = lambda: torch.ops.mkldnn._linear_pointwise(inputs, packed, None, "none", [], "")
    rates = {}
    for name, way in ways.items():
        try:
            rates[name] = 2.0 * M * K * N / seconds(way, budget) / 1e9
        except RuntimeError:
            continue  # not built for this processor
    return rates


def measure(threads: int, budget: float) -> dict[str, Any]:
    """Rates of all shapes, the peaks, and the memory's copy rate in GB/s."""
    import torch

    torch.set_num_threads(threads)
    with torch.inference_mode():
        rows: list[dict[str, Any]] = []
        for name, M, K, N in SHAPES:
            rows.append({"name": name, "shape": [M, K, N], **products(M, K, N, budget)})
        block = torch.randn(32 << 20)
        room = torch.empty_like(block)
        copy = 2 * block.numel() * 4 / seconds(lambda: room.copy_(block), budget) / 1e9
    fp32 = max(float(row.get(way, 0)) for row in rows for way in ("blas", "onednn"))
    bf16 = max(float(row.get("bf16", 0)) for row in rows)
    return {"threads": threads, "products": rows, "fp32": fp32, "bf16": bf16, "copy": copy}


def report(limit: dict[str, Any]) -> str:
    """The limits as a table."""
    from tables import markdown, number

    rows = [
        [
            f"{row['name']} {'x'.join(map(str, row['shape']))}",
            *(number(row.get(way)) for way in ("blas", "onednn", "bf16")),
        ]
        for row in limit["products"]
    ]
    table = markdown(["GFLOP/s", "fp32, torch.mm", "fp32, oneDNN packed", "bf16"], rows)
    peaks = f"peaks: fp32 {limit['fp32']:,.0f} GFLOP/s, bf16 {limit['bf16']:,.0f}; memory copy {limit['copy']:.0f} GB/s"
    return f"{table}\n\n{peaks}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=0.5, help="for each shape and way")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # before torch is imported
    limit = measure(options.threads, options.seconds)
    if options.out:
        options.out.write_text(json.dumps(limit, indent=1), encoding="utf-8")
    print(report(limit))


if __name__ == "__main__":
    main()
