"""Speed on a GPU, in one command of under ten minutes; refuses where there is none.

    PYTHONPATH=src python bench/speed/gpu.py --out gpu.md

Works: W1 and W2 of the peers' bench, and `big` (4 layers, 1024 units, vocabularies of 32,000, batches
of 128), all on made-up pairs with the lengths of the real ones, so no data are needed. Systems: ours
in bf16 and fp32, a Transformer of the same width and about as many parameters from the same code, and
a careful naive loop (naive.py). Training tokens/s with the share of the GPU's measured peak of matrix
products; whether a training step makes the host wait; output tokens/s in greedy and beam search at a
forced length. A row that fails says so, and the others go on. Needs torch, numpy, pydantic, tokenizers,
safetensors, and no git.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from machine import describe
from naive import NaiveModel, train_step
from ours import IMPOSSIBLE, file_order, make_config, make_dataset, make_stepper
from synthetic import all_items, drawn_lengths, texts
from tables import markdown, number
from works import WORKS, Variant, Work, cost, parse_variant, settings, training_flops

from seqweave.config import Config, build_config
from seqweave.data.batch import collate
from seqweave.data.dataset import PairDataset
from seqweave.predictor import Model
from seqweave.text.tokenizers import Tokenizer
from seqweave.text.vocabulary import EOS
from seqweave.training.step import Stepper

BIG = Work("big", "lstm", 1024, 512, 1024, 128, 5e-4, 24, layers=4, transformer_layers=2)
VARIANTS = ["after", "after,fp32", "between", "before", "transformer"]


@dataclass(frozen=True)
class Shape:
    """What the pairs of a work look like: mean and spread of the lengths of a side, vocabularies, batches."""

    work: Work
    source: tuple[float, float]
    target: tuple[float, float]
    vocabularies: tuple[int, int]
    batches: int = 20


# Lengths and vocabularies of W1 and W2 as the peers' data have them; `big` as news translation.
SHAPES = {
    "w1": Shape(WORKS["w1"], (14.0, 4.5), (14.5, 4.8), (4277, 5840)),
    "w2": Shape(WORKS["w2"], (7.6, 1.9), (6.5, 1.9), (26, 69)),
    "big": Shape(BIG, (25.0, 10.0), (25.0, 10.0), (32_000, 32_000)),
}


def small(shape: Shape) -> Shape:
    """The same for a smoke run."""
    work = replace(shape.work, embedding=32, encoder=16, decoder=32, batch=8)
    return replace(shape, work=work, vocabularies=(50, 50), batches=3)


class Data:
    """Made-up pairs of a shape, as our dataset."""

    def __init__(self, shape: Shape, folder: Path):
        count = shape.work.batch * shape.batches
        self.shape = shape
        sources = drawn_lengths(count, *shape.source, shape.work.batch, 1)
        targets = drawn_lengths(count, *shape.target, shape.work.batch, 1)
        self.lengths = list(zip(sources, targets, strict=True))
        source_size, target_size = shape.vocabularies
        self.sources = list(texts(sources, source_size, 2))
        most = max(shape.vocabularies)
        every = list(all_items(most))
        kept = every[: len(list(all_items(source_size)))], every[: len(list(all_items(target_size)))]
        fill = max(map(len, kept))
        extra = [(kept[0][i % len(kept[0])], kept[1][i % len(kept[1])]) for i in range(fill)]
        pairs = [*zip(self.sources, texts(targets, target_size, 3), strict=True), *extra]
        config = build_config(settings(shape.work, Variant()))
        made: tuple[PairDataset, Tokenizer, Tokenizer] = make_dataset(pairs, config, folder / shape.work.name)
        self.dataset, self.source, self.target = made

    def steps(self, number: int) -> Iterator[Any]:
        """Steps over the batches of made-up texts, again and again."""
        stream = file_order(self.shape.work.batch * self.shape.batches, self.shape.work.batch)
        return (next(stream) for _ in range(number))

    def tokens(self, number: int) -> int:
        """Source and target items of the first steps."""
        batch, every = self.shape.work.batch, self.shape.batches
        starts = (step % every * batch for step in range(number))
        return sum(sum(s + t for s, t in self.lengths[start : start + batch]) for start in starts)


def wait(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def timed(run: Callable[[int], None], device: torch.device, seconds: float, per_call: int) -> tuple[float, int]:
    """Seconds and steps of a run, after a warm-up that also says how many steps fit."""
    run(per_call)
    wait(device)
    began = time.perf_counter()
    run(per_call)
    wait(device)
    calls = max(1, round(seconds / max(time.perf_counter() - began, 1e-6)))
    began = time.perf_counter()
    for _ in range(calls):
        run(per_call)
    wait(device)
    return time.perf_counter() - began, calls * per_call


def peak(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """TFLOP/s of square matrix products."""
    a, b = torch.randn(size, size, device=device).to(dtype), torch.randn(size, size, device=device).to(dtype)

    def run(calls: int) -> None:
        for _ in range(calls):
            torch.mm(a, b)

    spent, calls = timed(run, device, 0.5, 5)
    return 2.0 * size**3 * calls / spent / 1e12


def host_waits(step: Callable[[], object], device: torch.device) -> str:
    """Whether a training step makes the host wait for the GPU, and where."""
    if device.type != "cuda":
        return "-"
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    except RuntimeError as error:
        return f"yes ({str(error).split(chr(10))[0][:60]})"
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return "no"


def our_stepper(data: Data, variant: Variant, device: torch.device) -> tuple[Stepper, Config]:
    """A fresh network on the device."""
    wanted = settings(data.shape.work, variant)
    if variant.decoder == "transformer":
        wanted["model.heads"] = 4 if data.shape.work.embedding < 512 else 16
    config = make_config(wanted, data.dataset, device)
    return make_stepper(config, data.dataset, (data.source.size, data.target.size), device), config


def train_ours(data: Data, name: str, device: torch.device, seconds: float) -> tuple[list[Any], Stepper, Config]:
    """A row of the training table; also the network."""
    work = data.shape.work
    variant = parse_variant(name, work)
    stepper, config = our_stepper(data, variant, device)
    counter = iter(range(1, 1 << 30))

    def run(steps: int) -> None:
        for step in data.steps(steps):
            stepper.run(next(counter), step, work.rate, False)

    spent, steps = timed(run, device, seconds, data.shape.batches)
    # The first step's batches again: shapes that the kernels know.
    waits = host_waits(lambda: run(1), device)
    flops = training_flops(cost(work, variant, data.source.size, data.target.size), data.lengths)
    size = sum(parameter.numel() for parameter in stepper.model.parameters())
    rate = data.tokens(steps) / spent
    return [f"ours {name}", config.training.precision, size, rate, flops, spent / steps * 1000, waits], stepper, config


def train_naive(data: Data, half: bool, device: torch.device, seconds: float) -> list[Any]:
    """The naive loop's row, on the same batches."""
    work = data.shape.work
    torch.manual_seed(1)
    model = NaiveModel(work, data.source.size, data.target.size).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=work.rate)

    def run(steps: int) -> None:
        for step in data.steps(steps):
            batch = collate(data.dataset, step.batches[0])
            moved = [
                part.to(device, non_blocking=True) for part in (batch.source.values, batch.target_in, batch.target_out)
            ]
            train_step(model, optimizer, (moved[0], batch.source.lengths, moved[1], moved[2]), half)

    spent, steps = timed(run, device, seconds, data.shape.batches)
    variant = Variant("before", work.cell)
    flops = training_flops(cost(work, variant, data.source.size, data.target.size), data.lengths)
    size = sum(parameter.numel() for parameter in model.parameters())
    precision = "bf16" if half else "fp32"
    return ["naive loop", precision, size, data.tokens(steps) / spent, flops, spent / steps * 1000, "yes (lengths)"]


def decode(data: Data, name: str, stepper: Stepper, config: Config, device: torch.device, seconds: float) -> list[str]:
    """Output tokens/s of greedy and beam 5, in batches of 64 and 512, and one sentence."""
    forced = data.shape.work.forced
    with torch.no_grad():
        stepper.model.output.bias[EOS] = IMPOSSIBLE
    stepper.model.eval()
    limits = {"search.max_length": forced, "search.max_length_ratio": 1000.0, "search.batch_tokens": 10_000_000}
    model = Model(stepper.model, data.source, data.target, build_config(limits, config), device)
    row = [f"ours {name}"]
    for sentences in (512, 64, 1):
        for beam in (1, 5):
            given = data.sources[:sentences]

            def run(calls: int, given: list[str] = given, beam: int = beam) -> None:
                for _ in range(calls):
                    model.predict(given, beam_size=beam)

            spent, calls = timed(run, device, seconds, 1)
            row.append(number(calls * len(given) * forced / spent))
    return row


def attempt(what: str, run: Callable[[], Any]) -> Any:
    """What `run` gives; or, when it fails, one line of why, with the traceback on standard error."""
    try:
        return run()
    except Exception as error:
        print(f"{what} failed", file=sys.stderr)
        traceback.print_exc()
        return f"failed: {type(error).__name__}: {str(error).strip().split(chr(10))[0][:100]}"


def training_row(name: str, precision: str, row: list[Any] | str, peaks: dict[str, float]) -> list[str]:
    """A row of the training table, or what is known where it failed."""
    if isinstance(row, str):
        return [name, precision, *["-"] * 6, row]
    _, precision, size, rate, flops, each, waits = row
    reached = rate * flops / 1e12
    figures = (number(size / 1e6, 1), number(rate), number(flops / 1e6, 1), number(reached, 1))
    best = peaks["bf16"] if precision == "bf16" else fp32_peak(peaks)
    return [name, precision, *figures, f"{reached / best:.1%}", number(each, 2), waits]


def work_tables(shape: Shape, options: argparse.Namespace, peaks: dict[str, float], folder: Path) -> str:
    """Both tables of a work."""
    device = torch.device(options.device)
    data = Data(shape, folder)
    ways = [f"{way}, {size}" for size in (512, 64, 1) for way in ("greedy", "beam 5")]
    rows, decoded = [], []
    for name in options.variants:
        made = attempt(f"training {name}", lambda name=name: train_ours(data, name, device, options.seconds))
        row, found = made if isinstance(made, str) else made[0], made
        rows.append(training_row(f"ours {name}", "-", row, peaks))
        if not isinstance(made, str):
            found = attempt(
                f"decoding {name}",
                lambda name=name, made=made: decode(data, name, *made[1:], device, options.seconds / 4),
            )
            del made
        decoded.append([f"ours {name}", found, *["-"] * 5] if isinstance(found, str) else found)
    for half in (True, False):
        row = attempt("the naive loop", lambda half=half: train_naive(data, half, device, options.seconds))
        rows.append(training_row("naive loop", "bf16" if half else "fp32", row, peaks))
    head = ["training", "precision", "M parameters", "tokens/s", "MFLOP/token", "TFLOP/s", "of peak", "ms/step"]
    return (
        f"## {shape.work.name}\n\n{markdown([*head, 'host waits'], rows)}\n\n"
        f"{markdown(['decoding, output tokens/s', *ways], decoded)}"
    )


def measured_peaks(device: torch.device, size: int) -> dict[str, float]:
    """TFLOP/s of matrix products in bf16 and in fp32, the latter without and, where there is a GPU, with TF32."""
    peaks = {"bf16": peak(device, torch.bfloat16, size)}
    before = torch.get_float32_matmul_precision()
    ways = {"fp32": "highest"} if device.type == "cpu" else {"fp32": "highest", "tf32": "high"}
    for name, precision in ways.items():
        torch.set_float32_matmul_precision(precision)
        peaks[name] = peak(device, torch.float32, size)
    torch.set_float32_matmul_precision(before)
    return peaks


def fp32_peak(peaks: dict[str, float]) -> float:
    """The peak that training in fp32 could reach: with TF32 where cuDNN's recurrence may use it."""
    return peaks["tf32"] if "tf32" in peaks and torch.backends.cudnn.allow_tf32 else peaks["fp32"]


def peaks_line(peaks: dict[str, float]) -> str:
    """The peaks in words, and which of them rows in fp32 are compared with."""
    line = (
        f"peaks of matrix products: bf16 {peaks['bf16']:,.1f} TFLOP/s, fp32 without TF32 {peaks['fp32']:,.1f} TFLOP/s"
    )
    if "tf32" not in peaks:
        return f"{line}; there is no TF32 here"
    line += f", fp32 with TF32 {peaks['tf32']:,.1f} TFLOP/s"
    if torch.backends.cudnn.allow_tf32:
        return f"{line}; rows in fp32 are compared with the last, since cuDNN's recurrence uses TF32 (torch's default)"
    return f"{line}; rows in fp32 are compared with that without TF32, which cuDNN does not use here"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", nargs="*", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--variants", nargs="*", default=VARIANTS)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each training row; a quarter for decoding")
    parser.add_argument("--minutes", type=float, default=7.0, help="no further work is begun after this")
    parser.add_argument("--out", type=Path, help="also write the report here")
    parser.add_argument("--smoke", action="store_true", help="tiny networks, on the processor where there is no GPU")
    options = parser.parse_args(arguments)
    options.device = "cuda" if torch.cuda.is_available() else "cpu"
    if options.device == "cpu" and not options.smoke:
        sys.exit("this bench needs a CUDA GPU, but torch sees none: run it where there is one, or try --smoke")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; what is finished is written at once, in case the time is cut short."""
    options = parse_arguments(arguments)
    device, began = torch.device(options.device), time.perf_counter()
    peaks = measured_peaks(device, 256 if options.smoke else 8192)
    parts = ["# Speed on a GPU", *([] if not options.smoke else ["SMOKE RUN: the figures mean nothing."])]
    parts.append("\n".join(f"- {line}" for line in describe(torch.get_num_threads())))
    parts.append(peaks_line(peaks))
    for name in options.works:
        if time.perf_counter() - began > options.minutes * 60:
            parts.append(f"{name} was left out: the time was up")
            continue
        shape = small(SHAPES[name]) if options.smoke else SHAPES[name]
        with tempfile.TemporaryDirectory() as folder:
            made = attempt(name, lambda shape=shape, folder=folder: work_tables(shape, options, peaks, Path(folder)))
        parts.append(f"## {name}\n\n{made}" if made.startswith("failed") else made)
        print(f"{name} done after {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        if options.out:
            options.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print("\n\n".join(parts))


if __name__ == "__main__":
    main()
