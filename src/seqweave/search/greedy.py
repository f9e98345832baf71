"""Greedy search: the most probable item at each step, for a whole batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqweave.search.beam import beam_search
from seqweave.search.constraints import Rules
from seqweave.search.contract import Found, Searchable, not_finite
from seqweave.search.lengths import length_normalised
from seqweave.search.steps import BatchMap, checked_limits, checks_after, next_log_probs
from seqweave.search.topk import top_k
from seqweave.text.vocabulary import BOS, EOS


@torch.inference_mode()
def greedy_search(
    model: Searchable,
    source: Tensor,
    source_lengths: Tensor,
    max_lengths: Tensor,
    *,
    length_penalty: float,
    coverage_penalty: float = 0.0,
    rules: Rules | None = None,
    return_attention: bool = False,
) -> list[Found]:
    """Decode each source with the most probable item at each step; ties go to the lowest id.

    Equal to `beam_search` with `beam_size=1`, which does the work when there are `rules` or a coverage penalty.
    Finished sentences leave the batch.

    Shape: source (B, S), source_lengths (B,), max_lengths (B,): most positions, `<eos>` counted.

    Raises:
        SeqweaveError: when the model gives NaN, or no possible item.
    """
    if source.shape[0] == 0:
        return []
    if rules is not None or coverage_penalty:
        found = beam_search(
            model,
            source,
            source_lengths,
            max_lengths,
            beam_size=1,
            length_penalty=length_penalty,
            coverage_penalty=coverage_penalty,
            rules=rules,
            return_attention=return_attention,
        )
        return [one for (one,) in found]
    limits = checked_limits(max_lengths)
    state = model.start(model.encode(source, source_lengths))
    run = _on_host if source.device.type == "cpu" else _on_device
    return run(model, state, limits, length_penalty, return_attention, source.device)


def _on_device(
    model: Searchable,
    state: Any,
    limits: list[int],
    length_penalty: float,
    return_attention: bool,
    device: torch.device,
) -> list[Found]:
    """The loop of `greedy_search` without a wait for the device at each step."""
    batch = BatchMap(len(limits), device)
    ids = torch.full((len(limits),), BOS, device=device)
    remaining = torch.tensor(limits, device=device)  # (rows of the batch,)
    done = torch.zeros(len(limits), dtype=torch.bool, device=device)
    bad = torch.zeros((), dtype=torch.bool, device=device)
    history = History()
    for step in range(max(limits)):
        output = model.step(ids, state, return_attention)
        state = output.state
        log_probs = next_log_probs(output.logits)  # (R, V)
        best, choice = top_k(log_probs, 1)  # (R, 1)
        bad |= ~(torch.isfinite(best[:, 0]) | done).all()
        ids = choice[:, 0]
        history.append(batch, ids, best[:, 0], output.attention if return_attention else None)
        done = done | (ids == EOS) | (remaining <= step + 1)
        if not checks_after(step, limits, device):
            continue
        failed, gone = torch.stack([bad.long(), done.sum()]).tolist()
        if failed:
            raise not_finite()
        if gone == done.shape[0]:
            break
        if batch.should_shrink(gone):
            stay = batch.shrink(done)
            state, ids = state.keep(stay), ids[stay]
            remaining, done = remaining[stay], done[stay]
    return history.found(limits, length_penalty)


def _on_host(
    model: Searchable,
    state: Any,
    limits: list[int],
    length_penalty: float,
    return_attention: bool,
    device: torch.device,
) -> list[Found]:
    """The loop of `greedy_search` for a processor: its bookkeeping in numpy, whose calls cost half of torch's."""
    batch = BatchMap(len(limits), device)
    remaining = np.array(limits)  # (rows of the batch,)
    done = np.zeros(len(limits), dtype=bool)
    ids = torch.full((len(limits),), BOS)
    history = History()
    for step in range(max(limits)):
        output = model.step(ids, state, return_attention)
        state = output.state
        log_probs = next_log_probs(output.logits).numpy()  # (R, V)
        choice = log_probs.argmax(1)  # (R,) ties to the lowest id; NaN comes first
        best = np.take_along_axis(log_probs, choice[:, None], 1)[:, 0]
        if not (np.isfinite(best) | done).all():
            raise not_finite()
        ids = torch.from_numpy(choice)
        history.append(batch, ids, torch.from_numpy(best), output.attention if return_attention else None)
        done = done | (choice == EOS) | (remaining <= step + 1)
        gone = int(done.sum())
        if gone == len(done):
            break
        if batch.should_shrink(gone):
            stay = batch.shrink(torch.from_numpy(done))
            state, ids = state.keep(stay), ids[stay]
            remaining, done = remaining[~done], done[~done]
    return history.found(limits, length_penalty)


class History:
    """What each step chose, for the sentences which were then in the batch."""

    def __init__(self) -> None:
        self._active: list[Tensor] = []
        self._ids: list[Tensor] = []
        self._log_probs: list[Tensor] = []
        self._attention: list[Tensor] = []

    def append(self, batch: BatchMap, ids: Tensor, log_probs: Tensor, attention: Tensor | None) -> None:
        """Remember a step; ids and log_probs (R,), attention (R, S)."""
        self._active.append(batch.sentences)
        self._ids.append(ids)
        self._log_probs.append(log_probs)
        if attention is not None:
            self._attention.append(attention)

    def found(self, limits: list[int], length_penalty: float) -> list[Found]:
        """One hypothesis a sentence: its steps up to the first `<eos>` or its limit."""
        shape = (len(limits), len(self._ids))
        ids = np.zeros(shape, dtype=np.int64)
        log_probs = np.zeros(shape)
        attention = None
        if self._attention:
            attention = np.zeros((*shape, self._attention[0].shape[1]), dtype=np.float32)
        for step, active in enumerate(self._active):
            where = active.cpu().numpy()
            ids[where, step] = self._ids[step].cpu().numpy()
            log_probs[where, step] = self._log_probs[step].cpu().numpy()
            if attention is not None:
                attention[where, step] = self._attention[step].float().cpu().numpy()
        return [
            _found(ids[row, :limit], log_probs[row], None if attention is None else attention[row], length_penalty)
            for row, limit in enumerate(limits)
        ]


def _found(ids: np.ndarray, log_probs: np.ndarray, attention: np.ndarray | None, length_penalty: float) -> Found:
    ends = np.flatnonzero(ids == EOS)
    finished = ends.size > 0
    length = int(ends[0]) + 1 if finished else len(ids)
    token_log_probs = log_probs[:length].tolist()
    log_prob = math.fsum(token_log_probs)
    return Found(
        ids=ids[: length - finished].tolist(),
        score=length_normalised(log_prob, length, length_penalty),
        log_prob=log_prob,
        token_log_probs=token_log_probs,
        finished=finished,
        attention=None if attention is None else attention[:length].copy(),
    )
