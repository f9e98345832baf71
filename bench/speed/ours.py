"""Our side of the bench: the real datasets, training step and decoding, on the batches of the files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqweave import folder as files
from seqweave.config import Config, build_config, config_to_json
from seqweave.data.dataset import PairDataset, write_dataset
from seqweave.loading import load
from seqweave.model.build import build_model
from seqweave.model.seq2seq import Seq2Seq
from seqweave.predictor import Model
from seqweave.text.tokenizers import Tokenizer, train_tokenizer
from seqweave.text.vocabulary import EOS
from seqweave.training.distributed import Ranks
from seqweave.training.events import ignore
from seqweave.training.optimizer import Optimizer
from seqweave.training.prepare import decided
from seqweave.training.step import StepData, Stepper

IMPOSSIBLE = -1e9  # as a logit: finite, and never among the best


def read_pairs(source: Path, target: Path) -> list[tuple[str, str]]:
    """The lines of two parallel files of items separated by blanks."""
    sides = [path.read_text(encoding="utf-8").removesuffix("\n").split("\n") for path in (source, target)]
    return list(zip(*sides, strict=True))


def make_dataset(
    pairs: Iterable[tuple[str, str]], config: Config, folder: Path
) -> tuple[PairDataset, Tokenizer, Tokenizer]:
    """Vocabularies and ids of the pairs (iterated three times), in their order, as `seqweave train` makes them."""
    source = train_tokenizer((pair[0] for pair in pairs), config.data.source)
    target = train_tokenizer((pair[1] for pair in pairs), config.data.target)
    dataset, dropped = write_dataset(pairs, source, target, folder, 10_000, 10_000)
    if dropped:
        raise ValueError(f"every pair must be kept, so that batches are the peers', but some were dropped: {dropped}")
    return dataset, source, target


def make_config(settings: Mapping[str, Any], dataset: PairDataset, device: torch.device) -> Config:
    """The settings with everything decided that a user would leave unset, precision for one."""
    return decided(build_config(settings), dataset, device)


def make_stepper(
    config: Config, dataset: PairDataset, sizes: tuple[int, int], device: torch.device, seed: int = 1
) -> Stepper:
    """A fresh network of vocabularies of these sizes, ready to train."""
    torch.manual_seed(seed)
    model: Seq2Seq = build_model(config.model, *sizes).to(device)
    model.train()
    optimizer = Optimizer(model, config.training)
    return Stepper(model, optimizer, dataset, config.training, device, Ranks(), ignore)


def file_order(pairs: int, batch: int) -> Iterator[StepData]:
    """Steps of consecutive pairs, again and again: the batches of the files."""
    for epoch in count():
        for number, start in enumerate(range(0, pairs, batch), 1):
            yield StepData([np.arange(start, min(start + batch, pairs))], epoch, number, [epoch])


def run_steps(
    stepper: Stepper, steps: int, batch: int, rate: float, mark: Callable[[], None]
) -> tuple[list[float], list[StepData]]:
    """Train; `mark` is called at the start of each step. Gives the losses and what was trained on."""
    losses, done = [], []
    for number, data in zip(range(1, steps + 1), file_order(len(stepper.dataset), batch), strict=False):
        mark()
        step_losses, _, _ = stepper.run(number, data, rate, False)
        losses.append(step_losses[0])  # cross-entropy
        done.append(data)
    return [float(loss) for loss in losses], done


def save_model(folder: Path, model: Seq2Seq, config: Config, source: Tokenizer, target: Tokenizer) -> None:
    """Write what `seqweave.load` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    files.save_weights(model, folder / files.WEIGHTS)
    (folder / files.CONFIG).write_text(config_to_json(config), encoding="utf-8")
    source.save(folder / files.SOURCE_TOKENIZER)
    target.save(folder / files.TARGET_TOKENIZER)
    files.write_manifest(folder, files.model_files(folder))


def load_model(folder: Path, batch: int, longest: int, force: int) -> Model:
    """A saved model that searches in batches of `batch` sentences (0: as configured).

    With `force`, every output has exactly that many items: the end is made impossible in the bias
    of the generator, which leaves the path of the search as it is.
    """
    model = load(folder, "cpu")
    limits: dict[str, Any] = {"search.max_length": force or longest + 1, "search.max_length_ratio": 1000.0}
    if batch:
        limits["search.batch_tokens"] = 1_000_000
    if force:
        with torch.no_grad():
            model.network.output.bias[EOS] = IMPOSSIBLE
    # A new Model, in case weights were prepared for decoding when the first one was made.
    config = build_config(limits, model.config)
    return Model(model.network, model.source_tokenizer, model.target_tokenizer, config, model.device)


def decode(model: Model, sources: Sequence[str], beam_size: int, batch: int) -> list[list[str]]:
    """Items to items; longest sources first, in batches of `batch` (0: the model's own batches)."""
    if not batch:
        return [found.tokens for found in model.predict(sources, beam_size=beam_size)]
    order = (
        sorted(range(len(sources)), key=lambda index: -sources[index].count(" ")) if batch > 1 else range(len(sources))
    )
    outputs: list[list[str]] = [[] for _ in sources]
    for start in range(0, len(sources), batch):
        where = list(order[start : start + batch])
        for index, found in zip(where, model.predict([sources[i] for i in where], beam_size=beam_size), strict=True):
            outputs[index] = found.tokens
    return outputs
