"""Scheduled sampling (Bengio et al. 2015): a coin for each item of each sentence says what the decoder reads next.

With probability epsilon it reads the reference's item, else the model's own previous output; epsilon
falls over training (section 2.4). Coin and draw of an item are numbers of their own, not one per batch
or position, and a pure function of (seed, step, batch): a resumed run, and a run of several processes,
draw what the unbroken single one draws.

No gradient goes through a choice (section 2.4), so the loss is that of teacher forcing on the mixed
inputs. Hence two passes: `mixed_inputs` decodes step by step, without gradients, and finds what is
read; then the usual pass over the whole target learns from it, in its fast form. Without dropout this
is the paper's single pass, number for number. What differs: the first pass runs without dropout, so
that what is fed is what the model would decode; the paper says nothing about dropout.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from seqweave.config import TrainConfig
from seqweave.data.batch import Batch
from seqweave.model.seq2seq import Seq2Seq
from seqweave.search.steps import next_log_probs, working_dtype
from seqweave.training.state import coin_seed


def default_settings(training: TrainConfig, max_steps: int) -> dict[str, Any]:
    """What scheduled sampling leaves unset, by key: epsilon is one half in the middle of the run.

    Linear: from 1 down by 1 / max_steps; exponential: k = 0.5 ** (2 / max_steps); inverse sigmoid:
    k ln k = max_steps / 2, where epsilon_i = k / (k + exp(i / k)) is one half.
    """
    k, slope = training.sampling_k, training.sampling_slope
    match training.scheduled_sampling:
        case "linear":
            k, slope = 1.0 if k is None else k, 1.0 / max_steps if slope is None else slope
        case "exponential":
            k = 0.5 ** (2 / max_steps) if k is None else k
        case "inverse_sigmoid":
            k = _sigmoid_k(max_steps / 2) if k is None else k
        case _:
            return {}
    return {"training.sampling_k": k, "training.sampling_slope": slope}


def _sigmoid_k(middle: float) -> float:
    """The k at least 1 with k ln k = middle, by bisection."""
    low, high = 1.0, middle + 2.0
    for _ in range(100):
        k = (low + high) / 2
        low, high = (k, high) if k * math.log(k) < middle else (low, k)
    return high


def truth_probability(training: TrainConfig, step: int) -> float:
    """Epsilon of a step, the probability of reading the reference (Bengio et al. 2015, section 2.4).

    Linear decay: k - c i; exponential: k ** i; inverse sigmoid: k / (k + exp(i / k)); never below
    `sampling_floor` (which the paper has for linear decay only), never above 1.

    Args:
        training: with `sampling_k` and `sampling_slope` decided.
        step: 1 for the first update, where i is 0.
    """
    k, slope, done = training.sampling_k, training.sampling_slope, step - 1
    match training.scheduled_sampling:
        case "linear":
            assert k is not None
            assert slope is not None
            epsilon = k - slope * done
        case "exponential":
            assert k is not None
            epsilon = k**done
        case "inverse_sigmoid":
            assert k is not None
            epsilon = k / (k + math.exp(min(done / k, 700.0)))  # beyond 700 it would overflow
        case _:
            return 1.0
    return min(1.0, max(training.sampling_floor, epsilon))


def scheduled_inputs(model: Seq2Seq, batch: Batch, training: TrainConfig, step: int, index: int) -> Tensor:
    """What the decoder reads for one batch of a step: `batch.target_in` itself while epsilon is 1.

    Args:
        index: which of the step's batches, over all processes.

    Shape: -> (B, T) ids.
    """
    truth = truth_probability(training, step)
    if truth >= 1.0:
        return batch.target_in
    numbers = torch.Generator().manual_seed(coin_seed(training.seed, step, index))
    coins = torch.rand(batch.target_in.shape, generator=numbers) < truth  # (B, T)
    draws = torch.rand(batch.target_in.shape, generator=numbers)  # (B, T)
    device = batch.target_in.device
    return mixed_inputs(
        model, batch, coins.to(device), draws.to(device) if training.sampling_feed == "sample" else None
    )


@torch.no_grad()
def mixed_inputs(model: Seq2Seq, batch: Batch, coins: Tensor, draws: Tensor | None) -> Tensor:
    """Decode along a batch; each item read is the reference's where its coin is True, else the model's own.

    The own item is never `<pad>` or `<bos>`, which a search could not write either. It may be `<eos>`:
    the reference goes on after it all the same. Padded positions mean nothing.

    Args:
        coins: for each position of `target_in`; the first, `<bos>`, needs none.
        draws: a number in [0, 1) for each position, to sample with; None: the most probable item.

    Shape: coins (B, T), draws (B, T) -> (B, T).
    """
    read = [batch.target_in[:, 0]]
    with _without_dropout(model):
        state = model.start(model.encode(*batch.source))
        for position in range(1, batch.target_in.shape[1]):
            output = model.step(read[-1], state)
            state = output.state
            own = _chosen(output.logits, None if draws is None else draws[:, position])  # (B,)
            read.append(torch.where(coins[:, position], batch.target_in[:, position], own))
    return torch.stack(read, 1)  # (B, T)


def _chosen(logits: Tensor, draws: Tensor | None) -> Tensor:
    """The most probable item of each row, or the one at which the cumulated probability passes the draw.

    Shape: logits (B, V), draws (B,) -> (B,).
    """
    log_probs = next_log_probs(logits.float())
    if draws is None:
        return log_probs.argmax(1)
    wide = working_dtype(logits.device)
    cumulated = log_probs.exp().to(wide).cumsum(1)  # (B, V)
    passed = draws.to(wide)[:, None] * cumulated[:, -1:]  # (B, 1); the total is not 1 without <pad> and <bos>
    return (cumulated <= passed).sum(1).clamp(max=logits.shape[1] - 1)


@contextmanager
def _without_dropout(model: nn.Module) -> Iterator[None]:
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
