"""Exact search: the best output there is, by branch and bound, where few enough prefixes can still win.

A log-probability only falls as an output grows, so that no output with a given prefix can score more than
the prefix as it stands at the greatest length. Prefixes whose bound does not pass the best score known are
left out, level after level (Stahlberg and Byrne 2019, section 3, breadth first, with a length penalty). A
coverage penalty is never above 0, so the bound holds with it as well.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from seqweave.data.source_batch import SourceBatch
from seqweave.errors import LimitError
from seqweave.search.contract import Searchable
from seqweave.search.found import Found, not_finite
from seqweave.search.options import SearchOptions
from seqweave.search.penalties import Coverage, length_normalised
from seqweave.search.steps import next_log_probs
from seqweave.text.vocabulary import BOS, EOS

MOST_PREFIXES = 1000
_MOST_ENTRIES = 1 << 24  # of a table of log-probabilities
Prefix = tuple[list[int], list[float]]  # items, and their log-probabilities


@torch.inference_mode()
def exact_search(
    model: Searchable,
    source: SourceBatch,
    max_length: int,
    options: SearchOptions,
    *,
    beat: float = -math.inf,
    most_prefixes: int = MOST_PREFIXES,
) -> Found | None:
    """The best output of at most `max_length` positions that ends with `<eos>`; None when none scores above `beat`.

    Args:
        source: one sentence.
        options: its penalties count.
        beat: a score that is known to be reached; the closer to the best, the less has to be tried.
        most_prefixes: prefixes that may be alive at a step.

    Raises:
        LimitError: when more prefixes than that can still win.
        ConfigError: when a coverage penalty has no attention to look at.
        SeqweaveError: when the model gives NaN.
    """
    best: Found | None = None
    alpha = options.length_penalty
    state: Any = model.start(model.encode(*source))
    prefixes: list[Prefix] = [([], [])]
    totals = torch.zeros(1, dtype=torch.float64)  # (R,) log-probabilities of the prefixes
    coverage = Coverage(source.lengths, source.width, options.coverage_penalty)
    for step in range(max_length):
        last = torch.tensor([ids[-1] if ids else BOS for ids, _ in prefixes], device=source.device)
        output = model.step(last, state, options.coverage_penalty > 0)
        table = _log_probs(output.logits)  # (R, V)
        sums = totals[:, None] + table
        best = _better(best, beat, prefixes, table[:, EOS], _ended(sums, step, alpha, coverage.add(output.attention)))
        beat = beat if best is None else best.score
        sums[:, EOS] = -math.inf
        rows, items = torch.nonzero(length_normalised(sums, max_length, alpha) > beat, as_tuple=True)
        if len(rows) == 0 or step + 1 == max_length:
            break
        _check_count(len(rows), min(most_prefixes, _MOST_ENTRIES // table.shape[1]), step, max_length)
        prefixes, totals = _longer(prefixes, table, rows, items), sums[rows, items]
        rows = rows.to(source.device)
        state = output.state.select(rows)
        coverage.follow(rows, 1)
    return best


def _log_probs(logits: Tensor) -> Tensor:
    """Log-probabilities on the host. Shape: (R, V) -> (R, V), float64."""
    table = next_log_probs(logits).cpu().double()
    if bool(torch.isnan(table).any()):
        raise not_finite()
    return table


def _ended(sums: Tensor, step: int, alpha: float, coverage: Tensor | None) -> Tensor:
    """The score of each prefix if it ended here. Shape: sums (R, V), coverage (1, R) -> (R,)."""
    ended = length_normalised(sums[:, EOS], step + 1, alpha)
    return ended if coverage is None else ended + coverage[0].cpu()


def _better(best: Found | None, beat: float, prefixes: list[Prefix], ends: Tensor, scores: Tensor) -> Found | None:
    """The best of the prefixes that end here, if it scores above `beat`; else `best`. Shape: ends, scores (R,)."""
    row = int(scores.argmax())
    if float(scores[row]) <= beat:
        return best
    ids, log_probs = prefixes[row]
    log_probs = [*log_probs, float(ends[row])]
    return Found(ids, float(scores[row]), math.fsum(log_probs), log_probs, finished=True)


def _longer(prefixes: list[Prefix], table: Tensor, rows: Tensor, items: Tensor) -> list[Prefix]:
    """Prefixes with one more item each, of log-probabilities `table` (R, V)."""
    chosen = zip(rows.tolist(), items.tolist(), table[rows, items].tolist(), strict=True)
    return [([*prefixes[row][0], item], [*prefixes[row][1], log_prob]) for row, item, log_prob in chosen]


def _check_count(count: int, most: int, step: int, max_length: int) -> None:
    if count > max(1, most):
        raise LimitError(
            f"exact search can follow {most} prefixes, but after step {step + 1} of {max_length} there are "
            f"{count} that may still win: use beam search"
        )
