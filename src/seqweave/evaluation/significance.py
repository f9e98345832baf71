"""Paired bootstrap of two systems on the same sources (Koehn 2004, "Statistical significance tests
for machine translation evaluation", section 4).

Both systems are scored on the same resamples of the sources. Koehn asks how often one given system is
the better one. The p-value here is two-sided: twice the smaller share of resamples in which the
difference is not positive, or not negative. The observed sample is counted among them, so p is never 0:
with 1000 samples the smallest is about 0.002.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqweave.errors import ConfigError
from seqweave.evaluation.measures import BY_WORDS, Measures
from seqweave.evaluation.statistics import (
    MetricStatistics,
    bootstrap_scores,
    collect_statistics,
    group_examples,
    metrics_of,
)
from seqweave.text.tokenizers import Tokenizer


@dataclass(frozen=True)
class Comparison:
    """One metric of two systems in percent: `difference` is second minus first, `low` to `high` its 95% interval.

    `signature` says how it was measured.
    """

    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float
    signature: str

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return dataclasses.asdict(self)


def compare_outputs(
    sources: Sequence[str],
    first_outputs: Sequence[str],
    second_outputs: Sequence[str],
    targets: Sequence[str],
    tokenizer: Tokenizer,
    *,
    samples: int = 1000,
    seed: int = 1,
    measures: Measures = BY_WORDS,
) -> tuple[Comparison, ...]:
    """Compare two systems in every metric by the paired bootstrap.

    One tokenizer normalises targets and both outputs and gives the units of `token_error_rate`, and texts are cut in
    one way (`measures`), so that both systems are measured alike. What means nothing for these targets is left out.

    Raises:
        ConfigError: when `samples` is not positive.
        DataError: when there are no rows, or the sequences differ in length.
    """
    if samples < 1:
        raise ConfigError(f"samples of the paired bootstrap must be 1 or more, but it is {samples}; leave it at 1000")
    names = [name for name in metrics_of(tokenizer, measures) if name != "macro_f1"]
    both: list[dict[str, MetricStatistics]] = []
    for outputs in (first_outputs, second_outputs):
        examples = group_examples(sources, outputs, targets, tokenizer, trims=measures.trims)
        both.append(collect_statistics(examples, tokenizer, names, measures))
    names = [name for name in names if all(found[name].defined for found in both)]
    statistics = [found[name] for found in both for name in names]
    scores = bootstrap_scores(statistics, samples, seed)  # (samples, 2 * metrics)
    differences = scores[:, len(names) :] - scores[:, : len(names)]  # (samples, metrics)
    totals = [item.total() for item in statistics]
    comparisons = []
    for index, name in enumerate(names):
        first, second = totals[index], totals[index + len(names)]
        low, high = np.percentile(differences[:, index], [2.5, 97.5])
        p_value = _two_sided(differences[:, index])
        signature = statistics[index].signature
        comparisons.append(Comparison(name, first, second, second - first, float(low), float(high), p_value, signature))
    return tuple(comparisons)


def _two_sided(differences: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    samples = len(differences)
    rarer = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (samples + 1))
