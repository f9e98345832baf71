"""Exact search: the best output there is, by branch and bound, where few enough prefixes can still win.

A log-probability only falls as an output grows, so that no output with a given prefix can score more than
the prefix as it stands at the greatest length. Prefixes whose bound does not pass the best score known are
left out, level after level (Stahlberg and Byrne 2019, section 3, breadth first, with a length penalty).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from seqweave.errors import LimitError
from seqweave.search.contract import Found, Searchable, not_finite
from seqweave.search.lengths import length_normalised
from seqweave.search.steps import next_log_probs
from seqweave.text.vocabulary import BOS, EOS

MOST_PREFIXES = 1000
_MOST_LOGITS = 1 << 24  # numbers in one table of log-probabilities


@torch.inference_mode()
def exact_search(
    model: Searchable,
    source: Tensor,
    source_lengths: Tensor,
    max_length: int,
    *,
    length_penalty: float,
    beat: float = -math.inf,
    most_prefixes: int = MOST_PREFIXES,
) -> Found | None:
    """The best output of at most `max_length` positions that ends with `<eos>`; None when none scores above `beat`.

    Shape: source (1, S), source_lengths (1,).

    Args:
        beat: a score that is known to be reached; the closer to the best, the less has to be tried.
        most_prefixes: prefixes that may be alive at a step.

    Raises:
        LimitError: when more prefixes than that can still win.
        SeqweaveError: when the model gives NaN.
    """
    best: Found | None = None
    state: Any = model.start(model.encode(source, source_lengths))
    prefixes: list[tuple[list[int], list[float]]] = [([], [])]
    totals = torch.zeros(1, dtype=torch.float64)  # (R,) log-probabilities of the prefixes
    for step in range(max_length):
        last = torch.tensor([ids[-1] if ids else BOS for ids, _ in prefixes], device=source.device)
        output = model.step(last, state)
        table = next_log_probs(output.logits).cpu().double()  # (R, V)
        if bool(torch.isnan(table).any()):
            raise not_finite()
        sums = totals[:, None] + table
        ended = length_normalised(sums[:, EOS], step + 1, length_penalty)  # (R, V) -> (R,)
        row = int(ended.argmax())
        if float(ended[row]) > beat:
            ids, log_probs = prefixes[row]
            log_probs = [*log_probs, float(table[row, EOS])]
            beat = float(ended[row])
            best = Found(ids, beat, math.fsum(log_probs), log_probs, finished=True)
        sums[:, EOS] = -math.inf
        rows, items = torch.nonzero(length_normalised(sums, max_length, length_penalty) > beat, as_tuple=True)
        if len(rows) == 0 or step + 1 == max_length:
            break
        _check_count(len(rows), min(most_prefixes, _MOST_LOGITS // table.shape[1]), step, max_length)
        chosen, totals = table[rows, items].tolist(), sums[rows, items]
        prefixes = [
            ([*prefixes[parent][0], item], [*prefixes[parent][1], log_prob])
            for parent, item, log_prob in zip(rows.tolist(), items.tolist(), chosen, strict=True)
        ]
        state = output.state.select(rows.to(source.device))
    return best


def _check_count(count: int, most: int, step: int, max_length: int) -> None:
    if count > max(1, most):
        raise LimitError(
            f"exact search can follow {most} prefixes, but after step {step + 1} of {max_length} there are "
            f"{count} that may still win: use beam search"
        )
