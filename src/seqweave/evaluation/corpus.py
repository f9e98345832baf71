"""A row for each pair of an evaluation: to sort, and to find what went wrong where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqweave.evaluation.evaluate import references_of
from seqweave.evaluation.measures import measures_of
from seqweave.predictor import Model
from seqweave.search.hypothesis import Hypothesis

LITTLE_WEIGHT = 0.2  # a source item which gets less from all steps together counts as a gap
NEARBY = 3  # items before, among which an equal one is a repetition


def corpus_rows(
    model: Model, sources: Sequence[str], targets: Sequence[str], *, beam_size: int | None = None
) -> list[dict[str, Any]]:
    """Decode each source and describe its output, in order; docs/trace-format.md names the columns.

    Args:
        model: what `seqweave.load` gives.
        sources, targets: one text for each row.
        beam_size: hypotheses for each sentence; None: the model's own setting, 1: greedy.
    """
    found = model.predict(sources, beam_size=beam_size, return_attention=True, tabs=True)
    targets = references_of(targets, measures_of(model.config))
    # Items, not ids: two items that the vocabulary lacks are not the same.
    references = [model.target_tokenizer.tokens(text) for text in targets]
    outputs = [model.target_tokenizer.tokens(one.text) for one in found]
    rows = zip(sources, targets, found, references, outputs, strict=True)
    return [_row(source, target, one, reference, output, model) for source, target, one, reference, output in rows]


def _row(
    source: str, target: str, found: Hypothesis, reference: list[str], output: list[str], model: Model
) -> dict[str, Any]:
    length = max(len(reference), 1)
    entropy, gaps = _attention_figures(found)
    return {
        "source": source,
        "reference": target,
        "output": found.text,
        "score": found.score,
        "exact": found.text == model.target_tokenizer.normalized(target),
        "error_rate": 100 * edit_distance(output, reference) / length,
        "length_ratio": len(found.tokens) / length,
        "surprisal": -math.fsum(found.token_log_probs) / max(len(found.token_log_probs), 1),
        "entropy": entropy,
        "coverage_gaps": gaps,
        "repetition": _repetition(found.tokens),
    }


def _attention_figures(found: Hypothesis) -> tuple[float | None, float | None]:
    """Mean entropy of the attention's rows in nats, and the share of source items with little weight."""
    weights = found.attention
    if weights is None or 0 in weights.shape:
        return None, None
    entropy = -(weights * np.log(np.maximum(weights, 1e-30))).sum(1)  # (T,)
    return float(entropy.mean()), float((weights.sum(0) < LITTLE_WEIGHT).mean())


def edit_distance(ours: Sequence[object], theirs: Sequence[object]) -> int:
    """Fewest items to insert, delete or change (Levenshtein)."""
    row = list(range(len(theirs) + 1))
    for count, item in enumerate(ours, 1):
        left, diagonal = count, row[0]
        row[0] = count
        for place, other in enumerate(theirs, 1):
            left = min(row[place] + 1, left + 1, diagonal + (item != other))
            diagonal, row[place] = row[place], left
    return row[-1]


def _repetition(tokens: Sequence[str]) -> float:
    repeats = [token in tokens[max(0, place - NEARBY) : place] for place, token in enumerate(tokens)]
    return sum(repeats) / len(repeats) if repeats else 0.0
