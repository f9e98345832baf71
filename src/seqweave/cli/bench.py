"""`seqweave bench`: how fast a model runs here, and what limits it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqweave.cli.common import (
    Device,
    Folder,
    Json,
    Precision,
    SearchSettings,
    TargetFile,
    load_model,
    note,
    note_unknown_pairs,
    print_json,
    read_pairs,
)

if TYPE_CHECKING:
    from seqweave.benchmark import Timing

_MOST_PAIRS = 4096  # enough for every work; more would only take longer to tokenise
HEADER = ("work", "items/s", "ms per call", "at the limit: products", "weights", "bound by")


def bench(
    folder: Folder,
    data: Annotated[
        Path | None, typer.Argument(metavar="[DATA]", help="Pairs to run on. Default: made-up texts of --length items.")
    ] = None,
    target_file: TargetFile = None,
    length: Annotated[int, typer.Option(min=1, max=512, metavar="N", help="Items in a made-up text.")] = 20,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, metavar="S", help="Seconds for each measurement.")] = 3.0,
    precision: Precision = None,
    settings: SearchSettings = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Time a training step, and greedy and beam search in batches of 64 and of 1; the folder is not changed.

    A call is a step or a batch. Its limit is what the matrix products alone, or reading the weights alone, would
    take at the best rate that this machine gave just before.

    Example: seqweave bench model dev.tsv
    """
    import torch

    from seqweave.benchmark import bench_model, made_up_pairs

    model = load_model(folder, device, settings, precision=precision)
    if data is None:
        pairs = made_up_pairs(model, 512, length)
    else:
        sources, targets = read_pairs(data, target_file, model.config.data)
        note_unknown_pairs(model, sources, targets)
        pairs = list(zip(sources, targets, strict=True))[:_MOST_PAIRS]
    about = "made-up pairs" if data is None else f"pairs of {data}"
    threads = f"{torch.get_num_threads()} threads, {model.device}, decoding in {model.precision}"
    note(f"{len(pairs):,} {about}, {threads}; nothing else should run")
    timings = bench_model(model, pairs, seconds, lambda timing: note(f"{timing.work} done"))
    if json:
        print_json([_facts(timing) for timing in timings])
    else:
        print(_table(timings))


def _facts(timing: Timing) -> dict[str, Any]:
    return {
        "work": timing.work,
        "items_per_second": timing.items_per_second,
        "seconds": timing.seconds,
        "seconds_of_products_at_the_limit": timing.products,
        "seconds_of_reading_weights_at_the_limit": timing.reading,
        "bound_by": timing.bound,
    }


def _table(timings: list[Timing]) -> str:
    rows = [list(HEADER)]
    for timing in timings:
        shares = [f"{part / timing.seconds:.0%}" for part in (timing.products, timing.reading)]
        rows.append(
            [timing.work, f"{timing.items_per_second:,.0f}", f"{timing.seconds * 1000:.1f}", *shares, timing.bound]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = []
    for row in rows:
        middle = [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *middle, row[-1]]).rstrip())
    return "\n".join(lines)
