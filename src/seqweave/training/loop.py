"""The training loop, read top to bottom: step, validate, save, until done.

What it leaves out: reading data (prepare.py), one update (step.py), files of the folder (record.py).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from seqweave.config import Config
from seqweave.data.dataset import PairDataset
from seqweave.errors import ModelFolderError, SeqweaveError
from seqweave.folder import CHECKPOINTS
from seqweave.model.seq2seq import Seq2Seq
from seqweave.predictor import Model
from seqweave.text.tokenizers import Tokenizer
from seqweave.training.checkpoint import (
    Checkpoint,
    checkpoint_name,
    complete_steps,
    prune_checkpoints,
    read_checkpoint,
    steps_needed,
    write_checkpoint,
)
from seqweave.training.distributed import Ranks
from seqweave.training.events import Listener, TrainEvent
from seqweave.training.ids import subword_dropout
from seqweave.training.memory import memory_of_validation
from seqweave.training.more_steps import Extension, apply_all, span
from seqweave.training.optimizer import FrozenRows, MovingAverage, Optimizer
from seqweave.training.prepare import DevPairs
from seqweave.training.record import Record
from seqweave.training.sampling import truth_probability
from seqweave.training.schedules import learning_rate
from seqweave.training.state import TrainState
from seqweave.training.step import StepData, Stepper, step_stream
from seqweave.training.validation import Validation, validate, weights_of
from seqweave.wording import TRAIN_ANEW

Reason = Literal["finished", "interrupted"]
_SECONDS_BETWEEN_REPORTS = 0.5
_MOST_SKIPPED = 20  # updates in a row without a finite gradient


@dataclass
class Run:
    """Everything one training run works with."""

    config: Config
    model: Seq2Seq
    tokenizers: tuple[Tokenizer, Tokenizer]
    dataset: PairDataset
    dev: DevPairs
    device: torch.device
    ranks: Ranks
    record: Record
    listen: Listener
    state: TrainState = field(default_factory=TrainState)
    frozen: Sequence[FrozenRows] = ()
    extensions: Sequence[Extension] = ()
    starts_from_model: bool = False

    def __post_init__(self) -> None:
        training = self.config.training
        self.optimizer = Optimizer(self.model, training, self.frozen)
        self.average = MovingAverage(self.model, training.ema_decay) if training.ema_decay else None
        self.stepper = Stepper(
            self.model,
            self.optimizer,
            self.dataset,
            training,
            self.device,
            self.ranks,
            self.listen,
            self.config.model.coverage,
            subword_dropout(self.config, self.tokenizers),
        )
        assert training.max_steps is not None
        assert training.validate_every is not None
        assert training.checkpoint_every is not None
        self.max_steps, self.validate_every = training.max_steps, training.validate_every
        self.checkpoint_every = training.checkpoint_every
        self.seconds_per_validation = 0.0  # estimated, then that of the last one

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are."""
        return self.record.folder / CHECKPOINTS

    def resume(self, path: Path) -> None:
        """Take weights, moments and state of a checkpoint."""
        saved = read_checkpoint(path)
        own = {name: tensor.shape for name, tensor in self.model.named_parameters()}
        for tensors in (saved.model, *([saved.average] if self.average is not None else [])):
            if {name: tensor.shape for name, tensor in tensors.items()} != own:
                raise ModelFolderError(f"the checkpoint {path} does not fit the network of the run: {TRAIN_ANEW}")
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(saved.model[name])
        self.optimizer.load(saved.optimizer)
        if self.average is not None:
            self.average.load(saved.average)
        self.state = saved.state
        self.extend()

    def extend(self) -> None:
        """Where more steps begin, take what ended the run before out of the state."""
        apply_all(self.extensions, self.state)

    def rate(self, step: int) -> float:
        """The learning rate of a step, in the schedule that it belongs to."""
        begin, end = span(self.extensions, step, self.max_steps)
        return learning_rate(self.config.training, step - begin, end - begin, self.state.plateau_drops)

    def validated_weights(self) -> dict[str, Tensor]:
        """The weights that validations and the folder take: the moving average where there is one."""
        return self.average.tensors() if self.average is not None else {}

    def validations_left(self) -> int:
        """Validations from here to the last step."""
        return -(-self.max_steps // self.validate_every) - self.state.step // self.validate_every

    def as_model(self) -> Model:
        """The network as users get it; unknown features in dev were said when training began."""
        model = Model(self.model, *self.tokenizers, self.config, self.device)
        model.quiet = True
        return model


def run_training(run: Run, wants_stop: Callable[[], bool]) -> Reason:
    """Train until the last step, early stopping, or a wish to stop; saves before it returns."""
    state, training = run.state, run.config.training
    run.model.train()
    if run.starts_from_model and state.best is None:
        _share_validation(run)  # what the model reaches as it is
    stream = step_stream(run.dataset, training, run.ranks.world, state.epoch, state.batch)
    clock = _Clock(state.seconds)
    stop = False
    while state.step < run.max_steps and not state.stopped:
        data = next(stream)
        rate = run.rate(state.step + 1)
        losses, tokens, stop = run.stepper.run(state.step + 1, data, rate, wants_stop())
        _advance(run, data, tokens)
        clock.report(run, losses, tokens, rate)
        if state.step % run.validate_every == 0 or state.step == run.max_steps:
            _share_validation(run)
            clock.skip()
        # One process need not wait for the next step, in which several agree.
        stop = stop or (run.ranks.world == 1 and wants_stop())
        state.seconds = clock.total()
        last = state.step == run.max_steps or state.stopped or stop
        if state.step % run.checkpoint_every == 0 or last:
            save(run)
        run.extend()
        if stop:
            break
    unfinished = state.step < run.max_steps and not state.stopped
    if unfinished:
        return "interrupted"
    if run.ranks.first:
        _average_last(run)
    run.ranks.wait()
    return "finished"


def save(run: Run) -> None:
    """Write a checkpoint, and remove those no longer needed."""
    state, training = run.state, run.config.training
    if not run.ranks.first:
        run.ranks.wait()
        return
    _refuse_divergence(run)
    if state.step not in complete_steps(run.checkpoints):
        # Not the extra checkpoint of a stop signal, without which the unbroken run averages.
        if state.step % run.checkpoint_every == 0 or state.step == run.max_steps or state.stopped:
            state.averaged = [*state.averaged, state.step][-training.average_checkpoints :]
        checkpoint = Checkpoint(
            state,
            {name: parameter.detach().cpu() for name, parameter in run.model.named_parameters()},
            {name: tensor.cpu() for name, tensor in run.optimizer.tensors().items()},
            {name: tensor.cpu() for name, tensor in run.validated_weights().items()},
            run.record.log_sums(),
        )
        _refuse_infinite(run, checkpoint.model, checkpoint.average, checkpoint.optimizer)
        saving = {"step": state.step}
        write_checkpoint(
            run.checkpoints, checkpoint, lambda name: run.listen(TrainEvent("saving", {**saving, "file": name}))
        )
    kept = complete_steps(run.checkpoints)[-training.keep_checkpoints :]
    prune_checkpoints(run.checkpoints, steps_needed(run.checkpoints, kept))
    run.listen(TrainEvent("checkpoint", {"step": state.step}))
    run.ranks.wait()


def _advance(run: Run, data: StepData, tokens: int) -> None:
    state = run.state
    state.step += 1
    state.epoch, state.batch = data.next_epoch, data.next_batch
    state.tokens += tokens
    if run.average is not None:
        run.average.update()


def _share_validation(run: Run) -> None:
    """Validate in the first process; all take over the state it decides."""
    if run.ranks.first:
        _validate(run)
    run.state.__dict__.update(run.ranks.share(dict(run.state.__dict__)))


def _validate(run: Run) -> None:
    state, training = run.state, run.config.training
    began = time.perf_counter()
    _refuse_infinite(run, dict(run.model.named_parameters()), run.validated_weights())
    with weights_of(run.model, run.validated_weights()):
        result = _measured(run)
        # A tie keeps the weights but is no gain, unless nothing is right yet: early stopping and the plateau wait on.
        gain = result.gains(state.best, state.best_perplexity, training.ties)
        kept = _keep_if_better(run, result, state.step)
    state.validations_without_gain = 0 if gain else state.validations_without_gain + 1
    state.plateau_wait = 0 if gain else state.plateau_wait + 1
    if training.schedule == "plateau" and state.plateau_wait > training.plateau_patience:
        state.plateau_drops, state.plateau_wait = state.plateau_drops + 1, 0
    state.stopped = 0 < training.patience <= state.validations_without_gain
    run.seconds_per_validation = time.perf_counter() - began
    _report(run, result, kept, run.seconds_per_validation)


def _measured(run: Run) -> Validation:
    """The figures of the model's weights on dev; the listener hears how far it is."""
    assert run.config.training.metric is not None

    def tell(done: int, total: int) -> None:
        run.listen(TrainEvent("validating", {"step": run.state.step, "done": done, "total": total}))

    with memory_of_validation(run.config):
        return validate(run.as_model(), run.dev, run.config.training.metric, tell)


def _keep_if_better(run: Run, result: Validation, step: int | None) -> bool:
    """Make the model's weights those of the folder when they are the best so far; returns whether they are.

    Those of a step are kept beside the checkpoints, too.
    """
    state = run.state
    if not result.replaces(state.best, state.best_perplexity):
        return False
    state.best, state.best_step = result.value, state.step
    state.best_perplexity = min(result.perplexity, sys.float_info.max)  # JSON has no infinity
    state.best_sum = run.record.keep_weights(run.model, step)
    return True


def _report(run: Run, result: Validation, kept: bool, seconds: float, averaged: Sequence[int] = ()) -> None:
    values: dict[str, Any] = {
        "step": run.state.step,
        "metric": result.metric,
        "value": result.value,
        "best": kept,
        "perplexity": result.perplexity,
        "free_running_perplexity": result.free_running_perplexity,
        "seconds": seconds,
        "samples": result.samples,
    }
    if averaged:
        values["averaged"] = list(averaged)
    run.record.validation(values)
    run.listen(TrainEvent("validation", values))


def _average_last(run: Run) -> None:
    """Average the last checkpoints (Vaswani et al. 2017, section 6.1) and keep that if it is better on dev."""
    state = run.state
    if len(state.averaged) < 2:
        return
    sums: dict[str, Tensor] = {}
    for step in state.averaged:
        saved = read_checkpoint(run.checkpoints / checkpoint_name(step))
        for name, tensor in (saved.average or saved.model).items():
            sums[name] = sums[name] + tensor.double() if name in sums else tensor.double()
    averaged = {name: (tensor / len(state.averaged)).to(run.device).float() for name, tensor in sums.items()}
    began = time.perf_counter()
    with weights_of(run.model, averaged):
        result = _measured(run)
        kept = _keep_if_better(run, result, None)  # a run that is resumed from its last checkpoint does it again
    _report(run, result, kept, time.perf_counter() - began, state.averaged)


def _refuse_divergence(run: Run) -> None:
    if float(run.optimizer.skipped_in_a_row) >= _MOST_SKIPPED:
        raise _diverged(
            run,
            f"the last {_MOST_SKIPPED} or more gradients up to step {run.state.step} were not finite, and their "
            "updates were skipped",
        )


def _refuse_infinite(run: Run, *kinds: Mapping[str, Tensor]) -> None:
    """Keep weights and moments that are not finite out of checkpoints and of the folder: nothing follows from them."""
    for tensors in kinds:
        finite = [tensor.isfinite().all() for tensor in tensors.values()]
        if finite and not bool(torch.stack(finite).all()):  # one look at the device for all
            name = next(name for name, each in zip(tensors, finite, strict=True) if not each)
            raise _diverged(run, f"{name} is not finite at step {run.state.step}, and nothing of that step is kept")


def _diverged(run: Run, why: str) -> SeqweaveError:
    best = "no model yet" if run.state.best is None else f"the best model so far, of step {run.state.best_step:,}"
    return SeqweaveError(
        f"training has diverged: {why}; lower training.learning_rate, or use training.precision=fp32, "
        f"and {TRAIN_ANEW}; {run.record.folder} holds {best}"
    )


class _Clock:
    """Times steps; reports at most twice a second, so that the host seldom waits for a GPU."""

    def __init__(self, before: float):
        self.before = before
        self.began = self.last = time.perf_counter()
        self.steps = self.tokens = 0

    def total(self) -> float:
        """Seconds of training over all starts."""
        return self.before + time.perf_counter() - self.began

    def skip(self) -> None:
        """Begin anew from here, which keeps a validation out of the rates."""
        self.last = time.perf_counter()
        self.steps = self.tokens = 0

    def report(self, run: Run, losses: Tensor, tokens: int, rate: float) -> None:
        """Count a step; tell the listener when it is time."""
        self.steps += 1
        self.tokens += tokens
        passed = time.perf_counter() - self.last
        if passed < _SECONDS_BETWEEN_REPORTS and run.state.step != run.max_steps:
            return
        values = {
            "step": run.state.step,
            "max_steps": run.max_steps,
            "loss": float(losses[0]),
            "tokens_per_second": self.tokens / passed,
            "seconds_left": (run.max_steps - run.state.step) * passed / self.steps
            + run.validations_left() * run.seconds_per_validation,
            "learning_rate": rate,
        }
        if run.config.model.coverage:
            values["coverage_loss"] = float(losses[1])
        if run.config.training.scheduled_sampling != "none":
            values["truth_probability"] = truth_probability(run.config.training, run.state.step)
        run.record.step(values)  # before a refusal, so that the record shows why
        _refuse_divergence(run)
        run.listen(TrainEvent("step", values))
        self.last = time.perf_counter()
        self.steps = self.tokens = 0
