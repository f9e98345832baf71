"""Batched beam search, all sentences and hypotheses of a step at once.

Each step: the `K + 1` best items of each live hypothesis, then the `2K` best continuations of each
sentence. Of these, an `<eos>` among the first `K` finishes its hypothesis, and the first `K` others
live on. At most `K` of `2K` can be `<eos>`, so the beam stays as wide as it can be. What is kept of
the past is back-pointers (`history.py`); hypotheses are only written out at the end.

With `Rules` (`constraints.py`), the outputs so far are carried along as lists, and each step is masked.

Left out: diversity; sampling is in `sampling.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqweave.errors import ConfigError
from seqweave.search.beam_parts import AnyBeam, Chosen, Mask, Options, Outputs, Stop
from seqweave.search.constraints import Rules
from seqweave.search.contract import Found, Searchable, not_finite
from seqweave.search.coverage import Coverage, with_coverage
from seqweave.search.finished import Finished
from seqweave.search.history import BeamHistory
from seqweave.search.host import HostBeam
from seqweave.search.lengths import length_normalised
from seqweave.search.steps import BatchMap, checked_limits, checks_after, next_log_probs, working_dtype
from seqweave.search.topk import pad_columns, top_k
from seqweave.text.vocabulary import BOS, EOS

_DEAD = float("-inf")


@torch.inference_mode()
def beam_search(
    model: Searchable,
    source: Tensor,
    source_lengths: Tensor,
    max_lengths: Tensor,
    *,
    beam_size: int,
    length_penalty: float,
    n_best: int = 1,
    stop: Stop = "enough",
    coverage_penalty: float = 0.0,
    rules: Rules | None = None,
    return_attention: bool = False,
) -> list[list[Found]]:
    """Find the `n_best` hypotheses of each source, best first; fewer where the language has fewer.

    Finished hypotheses come before those cut at their maximum length. A sentence is done when no live
    hypothesis can still pass the `n_best`-th finished one (`stop="proven"`), or when it has `beam_size`
    finished hypotheses and no live one passes the `n_best`-th as it stands (`stop="enough"`: fewer
    steps, but a better one may be missed); then it leaves the batch. A beam of one is greedy search: it
    stops at its first `<eos>` in any case. With `rules`, only outputs they allow are found.
    `coverage_penalty` (beta; `coverage.py`) enters the score where a hypothesis stops; it is never above 0,
    and a live hypothesis counts in `stop` as if it had none to come.

    Shape: source (B, S), source_lengths (B,), max_lengths (B,): most positions, `<eos>` counted.

    Raises:
        ConfigError: when beam_size, n_best, length_penalty or stop is out of its range.
        SeqweaveError: when the model gives NaN, or no possible item.
    """
    check_sizes(n_best, beam_size)
    _check_penalty_and_stop(length_penalty, stop)
    check_coverage_penalty(coverage_penalty)
    if source.shape[0] == 0:
        return []
    options = Options(beam_size, n_best, length_penalty, stop if beam_size > 1 else "enough", coverage_penalty)
    limits = checked_limits(max_lengths)
    beam = start_beam(max_lengths.to(source.device), options)
    state = model.start(model.encode(source, source_lengths))
    if not coverage_penalty:
        return _run(model, state, beam, limits, options, rules, return_attention)
    coverage = Coverage(source_lengths, source.shape[1], coverage_penalty)
    found = _run(model, state, beam, limits, options, rules, True, coverage)
    lengths = source_lengths.cpu()
    return [
        with_coverage(group, lengths[row].expand(len(group)), coverage_penalty, return_attention)
        for row, group in enumerate(found)
    ]


def start_beam(limits: Tensor, options: Options) -> AnyBeam:
    """The beam before the first step: of arrays on a processor, else of tensors."""
    if limits.device.type == "cpu":
        return HostBeam(limits.numpy(), options)
    return Beam.start(limits, options)


def _run(
    model: Searchable,
    state: Any,
    beam: AnyBeam,
    limits: list[int],
    options: Options,
    rules: Rules | None,
    return_attention: bool,
    coverage: Coverage | None = None,
) -> list[list[Found]]:
    """Step until every sentence is done."""
    size, ends = options.beam_size, set(limits)
    device = beam.done_rows().device
    everything = beam.empty_results()
    batch, history = BatchMap(len(limits), device), BeamHistory()
    ids = torch.full((len(limits),), BOS, device=device)
    outputs = None if rules is None else Outputs(rules, len(limits), size)
    for step in range(max(limits)):
        output = model.step(ids, state, return_attention)
        state = output.state
        bonus = None if coverage is None else coverage.add(output.attention)
        chosen = beam.advance(output.logits, step, step + 1 in ends, None if outputs is None else outputs.mask, bonus)
        if coverage is not None:
            coverage.follow(chosen.rows, size)
        if outputs is not None:
            outputs.extend(chosen)
        history.append(batch, *chosen.step, output.attention if return_attention else None)
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
            if outputs is not None:
                outputs.keep(stay)
            if coverage is not None:
                coverage.keep(stay, size)
    everything.put(batch.sentences, beam.finished)
    return history.found(everything, options.n_best, options.length_penalty)


def check_sizes(n_best: int, beam_size: int) -> None:
    """Raise a `ConfigError` unless 1 <= n_best <= beam_size."""
    if beam_size < 1:
        raise ConfigError(f"beam_size must be 1 or more, but it is {beam_size}: choose 1 for greedy search")
    if not 1 <= n_best <= beam_size:
        raise ConfigError(
            f"n_best must lie between 1 and beam_size ({beam_size}), but it is {n_best}: "
            "raise beam_size, or ask for fewer"
        )


def _check_penalty_and_stop(length_penalty: float, stop: str) -> None:
    if length_penalty < 0:
        raise ConfigError(f"length_penalty must be 0 or more, but it is {length_penalty}: choose 0 for none")
    if stop not in ("enough", "proven"):
        raise ConfigError(f"stop must be enough or proven, but it is {stop!r}: choose one of them")


def check_coverage_penalty(coverage_penalty: float) -> None:
    """Raise a `ConfigError` unless it is 0 or more."""
    if coverage_penalty < 0:
        raise ConfigError(f"coverage_penalty must be 0 or more, but it is {coverage_penalty}: choose 0 for none")


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
    options: Options

    @classmethod
    def start(cls, limits: Tensor, options: Options) -> Beam:
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

    def advance(
        self, logits: Tensor, step: int, someone_ends: bool, mask: Mask | None = None, bonus: Tensor | None = None
    ) -> Chosen:
        """Take a step with the logits (R, V) of all hypotheses; see `AnyBeam`."""
        count, width = self.totals.shape
        size = self.options.beam_size
        step_log_probs = next_log_probs(logits)  # (R, V)
        if mask is not None:
            mask(step_log_probs)
        values, columns = top_k(step_log_probs, min(size + 1, logits.shape[1]))  # (R, V) -> (R, k)
        dead = torch.isneginf(self.totals)  # (B, W)
        self.bad |= ~(torch.isfinite(values[:, 0].view(count, width)) | dead).all()
        k = values.shape[1]
        log_probs = values.view(count, width * k)  # (R, k) -> (B, W * k)
        items = columns.view(count, width * k)
        sums = self.totals.unsqueeze(2) + values.view(count, width, k)  # (B, W, k)
        sums = sums.masked_fill(dead.unsqueeze(2), _DEAD).flatten(1)  # (B, W, k) -> (B, W * k)
        # Stable: ties go to the earlier hypothesis, then to the lower id.
        order = sums.sort(dim=1, descending=True, stable=True).indices[:, : 2 * size]  # (B, n), n <= 2K
        sums, items = sums.gather(1, order), items.gather(1, order)
        log_probs, parents = log_probs.gather(1, order), order // k
        ends = items == EOS  # (B, n)
        alpha = self.options.length_penalty
        ended = (ends[:, :size], sums[:, :size], log_probs[:, :size], parents[:, :size])
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
        log_probs = pad_columns(log_probs.gather(1, live), size, 0.0)
        return Chosen(items.flatten(), rows, (parents, items, log_probs))  # ids: (B, K) -> (R,)

    def _close(self, step: int) -> None:
        """Mark the sentences that are done, and let their live hypotheses die so that nothing changes any more."""
        best = self.totals.amax(1)
        over = (self.limits <= step + 1) | torch.isneginf(best)
        if self.options.stop == "enough":
            # The count alone ends too early on a sharp model: with nothing likely beside the one live
            # hypothesis, K unlikely early ends fill the beam.
            now = length_normalised(best, step + 1, self.options.length_penalty)
            full = self.finished.count >= self.options.beam_size
            over |= full & (self.finished.nth_score(self.options.n_best) >= now)
        else:
            # log_prob <= 0 can only fall, and the penalty only rises with the length, so that no
            # continuation can score more than today's log_prob at the greatest length.
            bound = length_normalised(best, self.limits.to(best.dtype), self.options.length_penalty)
            over |= self.finished.nth_score(self.options.n_best) >= bound
        self.done |= over
        self.totals.masked_fill_(self.done.unsqueeze(1), _DEAD)
