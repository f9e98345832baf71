"""One optimizer step, and the stream of batches that feeds it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from seqweave.config import TrainConfig
from seqweave.data.batch import Batch, collate
from seqweave.data.batching import Indices
from seqweave.data.bpe_dropout import SubwordDropout
from seqweave.data.dataset import PairDataset
from seqweave.model.seq2seq import Seq2Seq
from seqweave.training.distributed import Ranks
from seqweave.training.epochs import batches_of_epoch
from seqweave.training.events import Listener, TrainEvent
from seqweave.training.losses import coverage_loss
from seqweave.training.optimizer import Optimizer
from seqweave.training.sampling import scheduled_inputs
from seqweave.training.state import batch_seed


@dataclass(frozen=True)
class StepData:
    """The batches of one step, over all processes, where in the data the next step begins, and each batch's epoch.

    `next_batch` counts the batches of an epoch's own pairs; pairs to mix in may bring batches of their own.
    """

    batches: list[Indices]
    next_epoch: int
    next_batch: int
    epochs: list[int]


def step_stream(dataset: PairDataset, training: TrainConfig, world: int, epoch: int, batch: int) -> Iterator[StepData]:
    """Steps from a position in the data on, without end; a pure function of its arguments.

    A step takes `accumulate * world` batches and may reach into the next epoch.
    """
    size = training.accumulate * world
    taken: list[Indices] = []
    epochs: list[int] = []
    count = 0
    while True:
        for made in islice(batches_of_epoch(dataset, training, epoch), batch, None):
            taken += made
            epochs += [epoch] * len(made)
            batch, count = batch + 1, count + 1
            if count == size:
                yield StepData(taken, epoch, batch, epochs)
                taken, epochs, count = [], [], 0
        epoch, batch = epoch + 1, 0


@dataclass
class Stepper:
    """Runs optimizer steps on this process's share of the batches; `coverage`: whether the coverage loss is added."""

    model: Seq2Seq
    optimizer: Optimizer
    dataset: PairDataset
    training: TrainConfig
    device: torch.device
    ranks: Ranks
    listen: Listener
    coverage: bool = False
    subwords: SubwordDropout | None = None

    def run(self, step: int, data: StepData, rate: float, stop: bool) -> tuple[Tensor, int, bool]:
        """One optimizer step.

        Returns:
            The mean losses of a real target position of the whole step (2,), cross-entropy with smoothing (or the loss
            of entmax-1.5) and coverage (a tensor, so that the host need not wait), the real positions of the whole
            step, and whether any process wants to stop.
        """
        batches: Iterable[tuple[int, Batch]] = self.batches(data)
        if self.subwords is None:
            target_tokens, tokens = self._count(data.batches)
        else:
            batches = list(batches)  # how long texts are is known once they are drawn
            target_tokens, tokens = self._count_drawn([batch for _, batch in batches])
        losses = self.backward(step, batches, target_tokens)
        stop, losses = self.ranks.sum_gradients(self.optimizer.parameters, stop, losses)
        self.optimizer.update(rate)
        return losses, tokens, stop

    def batches(self, data: StepData) -> Iterator[tuple[int, Batch]]:
        """This process's batches of a step, with their numbers in the step; on the CPU."""
        for index in range(self.ranks.rank, len(data.batches), self.ranks.world):
            if self.subwords is None:
                yield index, collate(self.dataset, data.batches[index])
            else:
                yield index, self.subwords.collate(self.dataset, data.batches[index], data.epochs[index])

    def backward(self, step: int, batches: Iterable[tuple[int, Batch]], target_tokens: int) -> Tensor:
        """Gradients of the loss divided by all the step's target positions.

        Returns this process's part of both losses, (2,).
        """
        totals = torch.zeros(2, device=self.device)
        for index, made in batches:
            torch.manual_seed(batch_seed(self.training.seed, step, index))
            batch = made.to(self.device)
            with self._precision():
                target_in = scheduled_inputs(self.model, batch, self.training, step, index)
            with self._precision():  # a second one: torch may reuse weights converted without gradients
                encoded = self.model.encode(*batch.source)
                output = self.model.decode(target_in, encoded, return_attention=self.coverage)
            smoothing = self.training.label_smoothing
            loss = self.model.output.loss(output.logits, batch.target_out, smoothing) / target_tokens
            totals[0] += loss.detach()
            if self.coverage and output.attention is not None:
                again = coverage_loss(output.attention, batch.target_out) / target_tokens
                totals[1] += again.detach()
                loss = loss + self.training.coverage_weight * again
            loss.backward()
            self.listen(TrainEvent("batch", {"step": step, "batch": index}))
        return totals

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.training.precision == "bf16")

    def _count(self, batches: list[Indices]) -> tuple[int, int]:
        """Target positions with `<eos>`, and source and target positions, of all batches of all processes."""
        indices = np.concatenate(batches)
        target = int(self.dataset.target_lengths[indices].sum()) + len(indices)
        return target, target + int(self.dataset.source_lengths[indices].sum())

    def _count_drawn(self, batches: list[Batch]) -> tuple[int, int]:
        """The same from this process's batches, once they are made; the others tell theirs."""
        target = sum(batch.target_tokens for batch in batches)
        both = target + sum(batch.source_tokens for batch in batches)
        target, both = self.ranks.total([target, both], self.device)
        return target, both
