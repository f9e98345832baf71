"""Batched beam search, all sentences and hypotheses of a step at once.

Each step: the `K + 1` best items of each live hypothesis, then the `2K` best continuations of each
sentence. Of these, an `<eos>` among the first `K` finishes its hypothesis, and the first `K` others
live on. At most `K` of `2K` can be `<eos>`, so the beam stays as wide as it can be. What is kept of
the past is back-pointers (`history.py`); hypotheses are only written out at the end.

With step filters (`filters.py`) the outputs so far are carried along as lists, and each step is filtered.

Left out: diversity; sampling is in `sampling.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from seqweave.data.source_batch import SourceBatch
from seqweave.search.beam_parts import AnyBeam, Chosen
from seqweave.search.contract import Searchable
from seqweave.search.filtering import Outputs
from seqweave.search.finished import Finished
from seqweave.search.found import Found, StepFilter, not_finite
from seqweave.search.history import BeamHistory
from seqweave.search.host import HostBeam
from seqweave.search.options import SearchOptions
from seqweave.search.penalties import Coverage, length_normalised, needs_attention, with_coverage
from seqweave.search.steps import BatchMap, checked_limits, checks_after, next_log_probs, working_dtype
from seqweave.search.topk import pad_columns, top_k
from seqweave.text.vocabulary import BOS, EOS

_DEAD = float("-inf")


@torch.inference_mode()
def beam_search(
    model: Searchable,
    source: SourceBatch,
    max_lengths: Tensor,
    options: SearchOptions,
    filters: Sequence[StepFilter] = (),
) -> list[list[Found]]:
    """Find the `n_best` hypotheses of each source, best first; fewer where the language has fewer.

    Finished hypotheses come before those cut at their maximum length. A sentence is done when no live
    hypothesis can still pass the `n_best`-th finished one (`stop="proven"`), or when it has `beam_size`
    finished hypotheses and no live one passes the `n_best`-th as it stands (`stop="enough"`: fewer
    steps, but a better one may be missed); then it leaves the batch. A beam of one is greedy search: it
    stops at its first `<eos>` in any case. With `filters`, only outputs they allow are found. The coverage penalty
    enters the score where a hypothesis stops; it is never above 0, and a live hypothesis counts in `stop` as if it
    had none to come.

    Shape: max_lengths (B,): most positions, `<eos>` counted.

    Raises:
        ConfigError: when a maximum length is below 1, or a coverage penalty has no attention to look at.
        SeqweaveError: when the model gives NaN, or no possible item.
    """
    if len(source.lengths) == 0:
        return []
    if options.beam_size == 1:
        options = replace(options, stop="enough")
    limits = checked_limits(max_lengths)
    beam = start_beam(max_lengths.to(source.device), options)
    state = model.start(model.encode(*source))
    outputs = Outputs(filters, len(limits))
    coverage = Coverage(source.lengths, source.width, options.coverage_penalty)
    found = _run(model, state, beam, limits, options, outputs, coverage)
    lengths = source.lengths.cpu()
    return [with_coverage(group, lengths[row].expand(len(group)), options) for row, group in enumerate(found)]


def start_beam(limits: Tensor, options: SearchOptions) -> AnyBeam:
    """The beam before the first step: of arrays on a processor, else of tensors."""
    if limits.device.type == "cpu":
        return HostBeam(limits.numpy(), options)
    return Beam.start(limits, options)


def _run(
    model: Searchable,
    state: Any,
    beam: AnyBeam,
    limits: list[int],
    options: SearchOptions,
    outputs: Outputs,
    coverage: Coverage,
) -> list[list[Found]]:
    """Step until every sentence is done."""
    size, ends, looks = options.beam_size, set(limits), needs_attention(options)
    device = beam.done_rows().device
    everything = beam.empty_results()
    batch, history = BatchMap(len(limits), device), BeamHistory()
    ids = torch.full((len(limits),), BOS, device=device)
    for step in range(max(limits)):
        output = model.step(ids, state, looks)
        state = output.state
        log_probs = outputs.filtered(next_log_probs(output.logits))  # (R, V)
        chosen = beam.advance(log_probs, step, step + 1 in ends, coverage.add(output.attention))
        coverage.follow(chosen.rows, size)
        outputs.follow(chosen.ids, chosen.rows, size)
        history.append(batch, *chosen.step, output.attention if looks else None)
        ids = chosen.ids
        if size > 1:
            state = state.reorder(chosen.rows) if step else state.expand(size)
        if not checks_after(step, limits, device):
            continue
        failed, gone = beam.status()
        if failed:
            raise not_finite()
        if gone == len(batch.sentences):
            break
        if batch.should_shrink(gone):
            everything.put(batch.sentences, beam.finished)
            stay = batch.shrink(beam.done_rows())
            beam = beam.keep(stay)
            state, ids = state.keep(stay), ids.view(-1, size)[stay].flatten()
            outputs.keep(stay, size)
            coverage.keep(stay, size)
    everything.put(batch.sentences, beam.finished)
    return history.found(everything, options.n_best, options.length_penalty)


@dataclass
class Beam:
    """The live hypotheses of the sentences in the batch, and the best finished ones.

    All of it stays on the device; `HostBeam` in `host.py` is the same for processors.
    """

    totals: Tensor  # (B, W) log-probabilities so far; W is 1 before the first step, K after; dead: -inf
    limits: Tensor  # (B,)
    done: Tensor  # (B,) bool
    bad: Tensor  # () bool: a live hypothesis saw no finite number
    finished: Finished
    options: SearchOptions

    @classmethod
    def start(cls, limits: Tensor, options: SearchOptions) -> Beam:
        """The beam before the first step."""
        count, device = len(limits), limits.device
        totals = torch.zeros((count, 1), dtype=working_dtype(device), device=device)
        return cls(
            totals=totals,
            limits=limits,
            done=torch.zeros(count, dtype=torch.bool, device=device),
            bad=torch.zeros((), dtype=torch.bool, device=device),
            finished=Finished.empty(count, options.beam_size, totals),
            options=options,
        )

    def keep(self, stay: Tensor) -> Beam:
        """The beam of the sentences that stay."""
        return Beam(
            totals=self.totals[stay],
            limits=self.limits[stay],
            done=self.done[stay],
            bad=self.bad,
            finished=self.finished.select(stay),
            options=self.options,
        )

    def status(self) -> tuple[bool, int]:
        """Whether the model failed, and how many sentences are done."""
        failed, gone = torch.stack([self.bad.long(), self.done.sum()]).tolist()
        return bool(failed), int(gone)

    def done_rows(self) -> Tensor:
        """Which sentences are done, (B,) bool."""
        return self.done

    def empty_results(self) -> Finished:
        """Places for the results of all sentences of the call."""
        return Finished.empty(len(self.limits), self.options.beam_size, self.totals)

    def advance(self, log_probs: Tensor, step: int, someone_ends: bool, bonus: Tensor | None = None) -> Chosen:
        """Take a step with the log-probabilities (R, V) of all hypotheses; see `AnyBeam`."""
        count, width = self.totals.shape
        size = self.options.beam_size
        values, columns = top_k(log_probs, min(size + 1, log_probs.shape[1]))  # (R, V) -> (R, k)
        dead = torch.isneginf(self.totals)  # (B, W)
        self.bad |= ~(torch.isfinite(values[:, 0].view(count, width)) | dead).all()
        k = values.shape[1]
        chosen = values.view(count, width * k)  # (R, k) -> (B, W * k)
        items = columns.view(count, width * k)
        sums = self.totals.unsqueeze(2) + values.view(count, width, k)  # (B, W, k)
        sums = sums.masked_fill(dead.unsqueeze(2), _DEAD).flatten(1)  # (B, W, k) -> (B, W * k)
        # Stable: ties go to the earlier hypothesis, then to the lower id.
        order = sums.sort(dim=1, descending=True, stable=True).indices[:, : 2 * size]  # (B, n), n <= 2K
        sums, items = sums.gather(1, order), items.gather(1, order)
        chosen, parents = chosen.gather(1, order), order // k
        ends = items == EOS  # (B, n)
        alpha = self.options.length_penalty
        ended = (ends[:, :size], sums[:, :size], chosen[:, :size], parents[:, :size])
        self.finished.add_ended(*ended, step, alpha, None if bonus is None else bonus.gather(1, parents[:, :size]))
        live = ends.to(torch.uint8).sort(dim=1, stable=True).indices[:, :size]  # (B, <=K) those that go on first
        goes_on = ~ends.gather(1, live)
        totals = sums.gather(1, live).masked_fill(~goes_on | self.done.unsqueeze(1), _DEAD)
        self.totals = pad_columns(totals, size, _DEAD)
        parents = pad_columns(parents.gather(1, live), size, 0)
        if someone_ends:
            more = None if bonus is None else bonus.gather(1, parents)
            self.finished.add_cut(self.totals, self.limits == step + 1, step, alpha, more)
        self._close(step)
        rows = (parents + torch.arange(count, device=parents.device).unsqueeze(1) * size).flatten()
        items = pad_columns(items.gather(1, live), size, EOS)
        chosen = pad_columns(chosen.gather(1, live), size, 0.0)
        return Chosen(items.flatten(), rows, (parents, items, chosen))  # ids: (B, K) -> (R,)

    def _close(self, step: int) -> None:
        """Mark the sentences that are done, and let their live hypotheses die so that nothing changes any more."""
        best = self.totals.amax(1)
        over = (self.limits <= step + 1) | torch.isneginf(best)
        if self.options.stop == "enough":
            # The count alone ends too early on a sharp model: with nothing likely beside the one live
            # hypothesis, K unlikely early ends fill the beam.
            now = length_normalised(best, step + 1, self.options.length_penalty)
            full = self.finished.count >= self.options.beam_size
            over |= full & ((self.finished.nth_score(self.options.n_best) >= now) | (self.options.beam_size == 1))
        else:
            # log_prob <= 0 can only fall, and the penalty only rises with the length, so that no
            # continuation can score more than today's log_prob at the greatest length.
            bound = length_normalised(best, self.limits.to(best.dtype), self.options.length_penalty)
            over |= self.finished.nth_score(self.options.n_best) >= bound
        self.done |= over
        self.totals.masked_fill_(self.done.unsqueeze(1), _DEAD)
