"""How long a run will take, from a short calibration that changes nothing."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import islice

from seqweave.evaluation.perplexity import pair_batches, perplexities
from seqweave.training.distributed import Ranks
from seqweave.training.events import ignore
from seqweave.training.loop import Run
from seqweave.training.step import step_stream

_BATCHES = 4  # timed after one that warms up


def estimate_seconds(run: Run) -> float:
    """Seconds of all steps and validations that are left.

    The evaluation with beam search at the very end is left out. Sets `run.seconds_per_validation`.
    """
    run.seconds_per_validation = _seconds_per_validation(run)
    steps = (run.max_steps - run.state.step) * run.config.training.accumulate
    return steps * _seconds_per_batch(run) + run.validations_left() * run.seconds_per_validation


def _seconds_per_batch(run: Run) -> float:
    """The median of a few forward and backward passes, without an update."""
    run.model.train()
    quiet = replace(run.stepper, ranks=Ranks(), listen=ignore)
    single = run.config.training.model_copy(update={"accumulate": 1})
    middle = (run.state.step + run.max_steps) // 2 + 1  # at the first step scheduled sampling may not decode yet
    times = []
    for data in islice(step_stream(run.dataset, single, 1, 0, 0), 1 + _BATCHES):
        began = time.perf_counter()
        float(quiet.backward(middle, quiet.batches(data), 1)[0])  # waits for the device
        times.append(time.perf_counter() - began)
    run.model.zero_grad(set_to_none=True)
    return sorted(times[1:])[_BATCHES // 2]


def _seconds_per_validation(run: Run) -> float:
    """From both perplexities of one batch of dev pairs; decoding takes about as long again."""
    training = run.model.training
    run.model.eval()
    batches = list(pair_batches(run.as_model(), run.dev.sources, run.dev.targets))
    if not batches:
        return 0.0
    timed = batches[len(batches) // 2]
    perplexities(run.model, [batches[-1]])  # warms up
    began = time.perf_counter()
    perplexities(run.model, [timed])
    seconds = time.perf_counter() - began
    run.model.train(training)
    share = timed.target_out.numel() / sum(batch.target_out.numel() for batch in batches)
    return seconds / share * (1 if run.config.training.metric == "loss" else 2)
