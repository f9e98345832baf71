"""How fast a model runs on this machine, and what bounds it: what `seqweave bench` prints.

Each work is timed beside two limits: its matrix products at the fastest rate that this machine gave a moment
before, and reading its weights from memory whenever they are used (those that stay in the processor's cache can be
faster). Where neither fills the time, it went into small operations: element-wise work, and what calling each of
them costs.
"""

from __future__ import annotations

import copy
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from seqweave.config import Config
from seqweave.data.dataset import PairDataset, write_dataset
from seqweave.errors import DataError
from seqweave.model.optimized.int8 import UNIT, Int8Linear
from seqweave.model.recurrent.encoder import RecurrentEncoder
from seqweave.model.seq2seq import Seq2Seq
from seqweave.predictor import Model
from seqweave.text.features import TAB
from seqweave.text.vocabulary import SPECIALS
from seqweave.training.distributed import Ranks
from seqweave.training.events import ignore
from seqweave.training.optimizer import Optimizer
from seqweave.training.prepare import decided
from seqweave.training.step import StepData, Stepper, step_stream

BATCH = 64
_PRODUCT = (1024, 512, 2048)  # rows, in, out: of the size that layers here have
_COPIED = 1 << 24  # numbers, far above any cache
_LEAST_CALLS = 3


@dataclass(frozen=True)
class Timing:
    """One work, measured.

    Attributes:
        work: "training step", "greedy, batch 64" and so on.
        seconds: median of a call: a training step, or a batch decoded.
        items: in a call: source and target items with `<eos>` (training), output items with `<eos>` (decoding).
        products: seconds that a call's matrix products take at the measured peak.
        reading: seconds that reading the weights takes, once for each step of a batch, at the measured rate.
    """

    work: str
    seconds: float
    items: float
    products: float
    reading: float

    @property
    def items_per_second(self) -> float:
        """Items a second."""
        return self.items / self.seconds

    @property
    def bound(self) -> str:
        """What fills most of the time."""
        shares = {"matrix products": self.products, "reading the weights": self.reading}
        largest = max(shares, key=lambda name: shares[name])
        return largest if shares[largest] >= self.seconds / 2 else "many small operations"


@dataclass(frozen=True)
class Peaks:
    """The machine: fastest matrix product in each precision, FLOP/s; memory read in a copy, bytes/s."""

    products: dict[torch.dtype, float]
    memory: float


def measure_peaks(device: torch.device, precisions: Sequence[torch.dtype], seconds: float = 0.3) -> Peaks:
    """Rates of this moment."""
    rows, given, made = _PRODUCT
    rates = {}
    for precision in dict.fromkeys(precisions):
        if precision == torch.int8:
            unit = torch.rand(rows, given)
            product = Int8Linear(torch.randn(made, given), None, UNIT)
            spent = _median(lambda a=unit, f=product: f(a), device, seconds)  # type: ignore[misc]
            rates[precision] = 2.0 * rows * given * made / spent
            continue
        inputs = torch.randn(rows, given, device=device, dtype=precision)
        weight = torch.randn(made, given, device=device, dtype=precision)
        spent = _median(lambda a=inputs, b=weight: functional.linear(a, b), device, seconds)  # type: ignore[misc]
        rates[precision] = 2.0 * rows * given * made / spent
    block = torch.randn(_COPIED, device=device)
    room = torch.empty_like(block)
    return Peaks(rates, 4.0 * _COPIED / _median(lambda: room.copy_(block), device, seconds))


def made_up_pairs(model: Model, count: int, length: int) -> list[tuple[str, str]]:
    """Texts of `length` items drawn evenly from the vocabularies; they may come out a little shorter or longer."""
    random = np.random.default_rng(1)

    def text(side: str) -> str:
        tokenizer = model.source_tokenizer if side == "source" else model.target_tokenizer
        entries = tokenizer.size - tokenizer.feature_count
        made = tokenizer.decode(random.integers(len(SPECIALS), entries, length).tolist())
        return made.replace(TAB, " ")  # bytes may make one, which would begin a column

    cells = "\t" * len(model.config.data.feature_columns)  # no features
    return [(text("source") + cells, text("target")) for _ in range(count)]


def time_training(model: Model, pairs: Sequence[tuple[str, str]], peaks: Peaks, seconds: float) -> Timing:
    """Training steps on a copy of the network, with the batches and the precision of its config; without BPE-dropout.

    Raises:
        DataError: when no pair has items on both sides.
    """
    with tempfile.TemporaryDirectory(prefix="seqweave-bench-") as folder:
        dataset = _dataset(model, pairs, Path(folder) / "pairs")
        config = decided(model.config, dataset, model.device)
        network = copy.deepcopy(model.single).train()
        optimizer = Optimizer(network, config.training)
        stepper = Stepper(
            network, optimizer, dataset, config.training, model.device, Ranks(), ignore, config.model.coverage
        )
        steps = step_stream(dataset, config.training, 1, 0, 0)
        done: list[StepData] = []

        def step() -> None:
            done.append(next(steps))
            stepper.run(len(done), done[-1], 0.0, False)

        spent = _median(step, model.device, seconds)
        positions = np.array([_positions(dataset, each) for each in done]).mean(0)
    sizes = matrix_sizes(network)
    precision = torch.bfloat16 if config.training.precision == "bf16" else torch.float32
    flops = 6.0 * float(positions @ sizes)
    # Forward and backward read each weight; Adam reads weight, gradient and two moments.
    return Timing(
        "training step",
        spent,
        float(positions.sum()),
        flops / peaks.products[precision],
        6 * 4.0 * sizes.sum() / peaks.memory,
    )


def time_decoding(
    model: Model, texts: Sequence[str], batch: int, beam_size: int, peaks: Peaks, seconds: float
) -> Timing:
    """Batches of `batch` texts of similar length, decoded as `predict` does it."""
    ordered = sorted(texts, key=len)
    batches = [ordered[start : start + batch] for start in range(0, len(ordered) - batch + 1, batch)] or [ordered]
    middle_first = sorted(range(len(batches)), key=lambda place: abs(place - len(batches) // 2))
    turns = itertools.cycle([batches[place] for place in middle_first])
    outputs: list[tuple[int, int, int, int]] = []  # source items, output items, steps of encoder and decoder
    looped = isinstance(model.single.encoder, RecurrentEncoder)

    def decode() -> None:
        found = model.predict(next(turns), beam_size=beam_size)
        lengths, given = [len(one.token_log_probs) for one in found], [len(one.source_tokens) for one in found]
        outputs.append((sum(given), sum(lengths), max(given) if looped else 1, max(lengths)))

    spent = _median(decode, model.device, seconds)
    sources, items, *steps = np.array(outputs, dtype=float).mean(0).tolist()
    sizes = matrix_sizes(model.single)
    flops = 2.0 * float(sizes @ np.array([sources, items * beam_size]))
    whole = model.precision == "int8"
    search = "greedy" if beam_size == 1 else f"beam {beam_size}"
    return Timing(
        f"{search}, batch {batch}",
        spent,
        items,
        flops / peaks.products[torch.int8 if whole else torch.float32],
        (1.0 if whole else 4.0) * float(sizes @ np.array(steps)) / peaks.memory,
    )


def matrix_sizes(network: Seq2Seq) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Numbers in the matrices that are multiplied once for each source and for each target position; shape (2,).

    Embeddings are looked up, and a bridge is used once for each sentence: both are left out, like the products of
    attention with keys and values, which have no weights.
    """
    sizes = np.zeros(2)
    for name, parameter in network.named_parameters():
        if parameter.dim() == 2 and not name.startswith(("source_input", "target_input", "bridge")):
            of_source = name.startswith("encoder.") or ".key." in name or "scorer.project" in name
            sizes[0 if of_source else 1] += parameter.numel()
    if network.output.weight is None:  # tied to the target's embedding
        sizes[1] += network.output.table().numel()
    return sizes


def bench_model(
    model: Model, pairs: Sequence[tuple[str, str]], seconds: float, tell: Callable[[Timing], None]
) -> list[Timing]:
    """A training step, and decoding greedily and with the model's beam, in batches of 64 and alone.

    Args:
        model: on the device to measure.
        pairs: real ones, or `made_up_pairs`.
        seconds: for each work, and at least three calls.
        tell: hears of each work when it is done.

    Raises:
        ConfigError: when the model is an ensemble.
        DataError: when no pair has items on both sides.
    """
    precisions = [torch.float32, torch.bfloat16, *([torch.int8] if model.precision == "int8" else [])]
    peaks = measure_peaks(model.device, precisions)
    timings = [time_training(model, pairs, peaks, seconds)]
    tell(timings[0])
    texts = [source for source, _ in pairs]
    for batch in (BATCH, 1):
        for beam_size in dict.fromkeys((1, model.config.search.beam_size)):
            timings.append(time_decoding(model, texts, batch, beam_size, peaks, seconds))
            tell(timings[-1])
    return timings


def _dataset(model: Model, pairs: Sequence[tuple[str, str]], folder: Path) -> PairDataset:
    data: Config = model.config
    limits = (data.data.max_source_length, data.data.max_target_length)
    tokenizers = (model.source_tokenizer, model.target_tokenizer)
    dataset, dropped = write_dataset(pairs, *tokenizers, folder, *limits, copying=data.model.copy)
    if not len(dataset):
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
        raise DataError(
            f"at least one pair must be usable, but of {len(pairs):,} none is ({reasons}): give other pairs"
        )
    return dataset


def _positions(dataset: PairDataset, data: StepData) -> tuple[int, int]:
    """Source positions, and target positions with `<eos>`."""
    indices = np.concatenate(data.batches)
    return int(dataset.source_lengths[indices].sum()), int(dataset.target_lengths[indices].sum()) + len(indices)


def _median(call: Callable[[], object], device: torch.device, seconds: float) -> float:
    """The median time of a call, after one that warms up."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < _LEAST_CALLS or time.perf_counter() < end:
        _wait(device)
        began = time.perf_counter()
        call()
        _wait(device)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
