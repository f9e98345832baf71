"""The loop of greedy search and sampling: one item for each sentence at each step, for a whole batch.

How an item is chosen comes in as an object, `Choice`: here the most probable one, in `sampling.py` a draw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from seqweave.data.source_batch import SourceBatch
from seqweave.search.contract import Searchable
from seqweave.search.filtering import Outputs
from seqweave.search.found import Found, StepFilter, not_finite
from seqweave.search.options import SearchOptions
from seqweave.search.penalties import length_normalised, needs_attention, with_coverage
from seqweave.search.steps import BatchMap, checked_limits, checks_after, next_log_probs
from seqweave.search.topk import top_k
from seqweave.text.vocabulary import BOS, EOS


def greedy_search(
    model: Searchable,
    source: SourceBatch,
    max_lengths: Tensor,
    options: SearchOptions,
    filters: Sequence[StepFilter] = (),
) -> list[Found]:
    """Decode each source with the most probable item at each step; ties go to the lowest id.

    Equal to `beam_search` with `beam_size=1`. Finished sentences leave the batch.

    Shape: max_lengths (B,): most positions, `<eos>` counted.

    Raises:
        ConfigError: when a maximum length is below 1, or a coverage penalty has no attention to look at.
        SeqweaveError: when the model gives NaN, or no possible item.
    """
    return one_each(model, source, max_lengths, options, filters, MostProbable())


class Choice(Protocol):
    """The role of what chooses the items of a step."""

    one_in: int  # the batch shrinks when one in so many of its sentences is done

    def choose(self, log_probs: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """An item for each row, and its log-probability. Shape: (R, V) -> (R,), (R,)."""
        ...

    def keep(self, stay: Tensor) -> None:
        """Sentences leave; those at the given indices stay."""
        ...


@torch.inference_mode()
def one_each(
    model: Searchable,
    source: SourceBatch,
    max_lengths: Tensor,
    options: SearchOptions,
    filters: Sequence[StepFilter],
    choice: Choice,
) -> list[Found]:
    """Decode each source with the items that `choice` takes; shapes and errors as in `greedy_search`."""
    if len(source.lengths) == 0:
        return []
    limits, looks = checked_limits(max_lengths), needs_attention(options)
    state = model.start(model.encode(*source))
    device = source.device
    batch, history, outputs = BatchMap(len(limits), device), History(), Outputs(filters, len(limits))
    rows = _Rows(limits, device)
    ids = torch.full((len(limits),), BOS, device=device)
    for step in range(max(limits)):
        output = model.step(ids, state, looks)
        state = output.state
        log_probs = outputs.filtered(next_log_probs(output.logits))  # (R, V)
        ids, best = choice.choose(log_probs, step)
        history.append(batch, ids, best, output.attention if looks else None)
        outputs.follow(ids)
        rows.take(ids, best, step)
        if not checks_after(step, limits, device):
            continue
        failed, gone = rows.status()
        if failed:
            raise not_finite()
        if gone == len(batch.sentences):
            break
        if batch.should_shrink(gone, choice.one_in):
            stay = batch.shrink(rows.done())
            state, ids = state.keep(stay), ids[stay]
            for part in (rows, outputs, choice):
                part.keep(stay)
    return with_coverage(history.found(limits, options.length_penalty), source.lengths, options)


class MostProbable:
    """The most probable item; ties go to the lowest id."""

    one_in = 4

    def choose(self, log_probs: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """See `Choice`."""
        if not on_host(log_probs.device):
            best, choice = top_k(log_probs, 1)  # (R, 1)
            return choice[:, 0], best[:, 0]
        table = log_probs.numpy()
        chosen = table.argmax(1)  # (R,) ties to the lowest id; NaN comes first
        return torch.from_numpy(chosen), torch.from_numpy(np.take_along_axis(table, chosen[:, None], 1)[:, 0])

    def keep(self, stay: Tensor) -> None:
        """See `Choice`."""


class _Rows:
    """Which sentences of the batch are done, and whether the model failed.

    On a processor in numpy, whose calls cost half of torch's; else on the device, which nothing here waits for but
    `status`.
    """

    def __init__(self, limits: list[int], device: torch.device):
        self._host = on_host(device)
        ends = torch.tensor(limits, device=device)
        self._ends: Any = self._own(ends)  # (R,)
        self._done: Any = self._own(torch.zeros_like(ends, dtype=torch.bool))  # (R,)
        self._bad: Any = self._own(torch.zeros((), dtype=torch.bool, device=device))  # ()

    def _own(self, values: Tensor) -> Any:
        return values.numpy() if self._host else values

    def take(self, ids: Tensor, log_probs: Tensor, step: int) -> None:
        """Each row took an item of some log-probability, (R,) both."""
        finite = abs(self._own(log_probs)) < math.inf
        self._bad = self._bad | ~(finite | self._done).all()
        self._done = self._done | (self._own(ids) == EOS) | (self._ends <= step + 1)

    def status(self) -> tuple[bool, int]:
        """Whether the model failed, and how many sentences are done."""
        if self._host:
            return bool(self._bad), int(self._done.sum())
        failed, gone = torch.stack([self._bad.long(), self._done.sum()]).tolist()
        return bool(failed), int(gone)

    def done(self) -> Tensor:
        """Which sentences are done, (R,) bool."""
        return torch.as_tensor(self._done)

    def keep(self, stay: Tensor) -> None:
        """Sentences leave; those at the given indices stay."""
        kept = self._own(stay)
        self._ends, self._done = self._ends[kept], self._done[kept]


def on_host(device: torch.device) -> bool:
    """Whether numpy sees the numbers of this device as they are."""
    return device.type == "cpu"


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
        """One hypothesis for each sentence: its steps up to the first `<eos>` or its limit."""
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
