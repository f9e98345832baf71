"""How near to each other the numbers are of which a search of torch chooses: where two differ by less than the rounding
of another backend, either choice is right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from seqweave.search import greedy, host, sampling, topk
from seqweave.search.penalties import length_normalised

CLOSE = 1e-5
Array = np.ndarray[Any, Any]


class Gaps:
    """The smallest difference so far between two numbers of which one was chosen, and how wide their range is."""

    def __init__(self) -> None:
        self.smallest = float("inf")
        self.widest = 0.0  # the largest distance of a log-probability from 0: logits are rounded in proportion

    @property
    def close(self) -> bool:
        """Whether another backend may choose otherwise."""
        return self.smallest < CLOSE

    def see_log_probs(self, log_probs: torch.Tensor) -> None:
        """Those of a step, (R, V)."""
        finite = log_probs[torch.isfinite(log_probs)]
        self.widest = max(self.widest, float(finite.abs().max()) if len(finite) else 0.0)

    def see(self, values: Array) -> None:
        """Numbers (rows, n) that are put in order."""
        ordered = -np.sort(-values, axis=1)
        with np.errstate(invalid="ignore"):
            self.see_differences(ordered[:, :-1] - ordered[:, 1:])

    def see_differences(self, differences: Array) -> None:
        """Differences that decide; what is not finite decides nothing."""
        finite = np.abs(differences[np.isfinite(differences)])
        self.smallest = min(self.smallest, float(finite.min(initial=np.inf)))


def _see_draws(gaps: Gaps, log_probs: torch.Tensor, chance: torch.Tensor, options: Any) -> None:
    """The boundaries of draws, and of what is drawn from at all."""
    values = -np.sort(-log_probs.double().numpy(), axis=1)  # (R, V)
    head = values[:, : options.top_k or None]
    gaps.see(values[:, : (options.top_k or values.shape[1]) + 1])
    if options.temperature == 0:
        return
    weights = np.exp((head - head[:, :1]) / options.temperature)
    cumulated = (weights / weights.sum(1, keepdims=True)).cumsum(1)  # (R, k)
    if options.top_p < 1:
        gaps.see_differences(cumulated - options.top_p)
    kept = np.concatenate([np.ones((len(head), 1), dtype=bool), cumulated[:, :-1] < options.top_p], 1)
    total = (cumulated * kept).max(1, keepdims=True)
    gaps.see_differences((chance.numpy()[:, None] * total - cumulated)[:, :-1])


@contextmanager
def watched() -> Iterator[Gaps]:
    """Watch the searches and draws of torch inside."""
    gaps = Gaps()
    best, choose, add, close = (
        topk.best_continuations,
        greedy.MostProbable.choose,
        host.HostFinished.add,
        host.HostBeam._close,
    )
    draw = sampling.draw_items

    def see_best(log_probs: torch.Tensor, totals: Array, count: int) -> Any:
        gaps.see_log_probs(log_probs)
        sums = (log_probs.double().numpy().reshape(*totals.shape, -1) + totals[:, :, None]).reshape(len(totals), -1)
        gaps.see(-np.sort(-sums, axis=1)[:, : count + 1])
        return best(log_probs, totals, count)

    def see_choice(self: Any, log_probs: torch.Tensor, step: int) -> Any:
        gaps.see_log_probs(log_probs)
        gaps.see(-np.sort(-log_probs.numpy(), axis=1)[:, :2])
        return choose(self, log_probs, step)

    def see_finished(self: Any, rows: Array, scores: Array, *rest: Any) -> None:
        gaps.see(np.concatenate([self.scores[rows], scores], 1))
        add(self, rows, scores, *rest)

    def see_close(self: Any, step: int) -> None:
        length = self.limits if self.options.stop == "proven" else step + 1
        now = length_normalised(self.totals.max(1), length, self.options.length_penalty)
        gaps.see_differences(now - self.finished.scores[:, self.options.n_best - 1])
        close(self, step)

    def see_draws(log_probs: torch.Tensor, chance: torch.Tensor, options: Any) -> Any:
        gaps.see_log_probs(log_probs)
        _see_draws(gaps, log_probs, chance, options)
        return draw(log_probs, chance, options)

    with pytest.MonkeyPatch.context() as patch, np.errstate(invalid="ignore"):
        patch.setattr(host, "best_continuations", see_best)
        patch.setattr(greedy.MostProbable, "choose", see_choice)
        patch.setattr(host.HostFinished, "add", see_finished)
        patch.setattr(host.HostBeam, "_close", see_close)
        patch.setattr(sampling, "draw_items", see_draws)
        yield gaps
