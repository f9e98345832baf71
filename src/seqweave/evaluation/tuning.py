"""Settings of decoding, chosen on dev pairs: every combination is decoded and measured.

The best is the best value of one metric. Where the difference to the present settings is within the noise of
the pairs (paired bootstrap), that is said, and a person decides.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seqweave.config import Config, build_config
from seqweave.errors import ConfigError, DataError
from seqweave.evaluation.evaluate import predict_rows
from seqweave.evaluation.intervals import interval_of
from seqweave.evaluation.measures import measures_of
from seqweave.evaluation.statistics import (
    BLEU_ORDER,
    HIGHER_IS_BETTER,
    MetricStatistics,
    bootstrap_scores,
    collect_statistics,
    group_examples,
    metrics_of,
)
from seqweave.predictor import Model
from seqweave.search.options import SearchOptions

LENGTH_PENALTIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
"""Alphas tried by default: from none to beyond the default of 1."""
COVERAGE_PENALTIES = (0.0, 0.2, 0.4)
RESAMPLES = 1000

Progress = Callable[[int, int, float | None], None]
"""Told after each trial: trials done, trials in all, and seconds left."""


@dataclass(frozen=True)
class Choice:
    """Settings of decoding that are tried."""

    beam_size: int
    length_penalty: float
    coverage_penalty: float

    def settings(self) -> dict[str, Any]:
        """By their keys in the config."""
        return {f"search.{name}": value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Trial:
    """One choice, its metric in percent with a 95% interval, and p against the present settings.

    `low` and `high` are None where every resample gives the same (`seqweave.evaluation.intervals`). `p` is two-sided,
    by the paired bootstrap; 1 for the present settings.
    """

    choice: Choice
    value: float
    low: float | None
    high: float | None
    p: float


@dataclass(frozen=True)
class Tuning:
    """All trials, in the order tried, the present settings first."""

    metric: str
    pairs: int
    trials: list[Trial]

    @property
    def now(self) -> Trial:
        """The settings that the model has."""
        return self.trials[0]

    @property
    def best(self) -> Trial:
        """The best value; of equal ones the first, so that nothing is changed without a gain."""
        sign = 1 if self.metric in HIGHER_IS_BETTER else -1
        return max(self.trials, key=lambda trial: sign * trial.value)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rows = [{**asdict(trial.choice), **asdict(trial)} for trial in self.trials]
        for row in rows:
            del row["choice"]
        best = self.trials.index(self.best)
        return {"metric": self.metric, "pairs": self.pairs, "best": best, "trials": rows}


def tune_model(
    model: Model,
    sources: Sequence[str],
    targets: Sequence[str],
    *,
    metric: str | None = None,
    beam_sizes: Sequence[int] = (),
    length_penalties: Sequence[float] = LENGTH_PENALTIES,
    coverage_penalties: Sequence[float] | None = None,
    progress: Progress | None = None,
) -> Tuning:
    """Decode the pairs with every combination, and measure each. The model is left as it was.

    Args:
        model: what `seqweave.load` gives.
        sources, targets: one text for each row; rows with the same source are its references.
        metric: one of the metrics of such targets (`metrics_of`); None: that of the run.
        beam_sizes: none: that of the model. A beam of 1 has nothing to choose, so it is tried with the
            first penalties alone.
        length_penalties: alphas.
        coverage_penalties: betas; None: `COVERAGE_PENALTIES` where the model has attention, else 0 alone.
        progress: see `Progress`.

    Raises:
        ConfigError: when the metric cannot be tuned, a value is out of its range, or the model draws its outputs.
        DataError: when there are no pairs, or no target is long enough for BLEU.
    """
    name = _metric(model, metric)
    if coverage_penalties is None:
        coverage_penalties = COVERAGE_PENALTIES if _attends(model.config) else (0.0,)
    search = model.config.search
    if search.sample:
        raise ConfigError(
            "tuning compares searches, but the model's setting is search.sample=true, which samples outputs: "
            "train with search.sample=false"
        )
    now = Choice(search.beam_size, search.length_penalty, search.coverage_penalty)
    choices = _choices(now, beam_sizes or (now.beam_size,), length_penalties, coverage_penalties)
    # All are checked first.
    every = [SearchOptions.of(build_config(choice.settings(), model.config).search) for choice in choices]
    measured = _measured(model, every, name, sources, targets, progress)
    return Tuning(name, len(sources), _trials(choices, measured, name))


def _metric(model: Model, metric: str | None) -> str:
    name = metric or model.config.training.metric or "exact_match"
    known = metrics_of(model.target_tokenizer, measures_of(model.config))
    if name not in known:
        raise ConfigError(
            f"tuning needs a metric of outputs, one of {', '.join(known)}, but it is {name}: "
            "choose one with --metric (the run's own is training.metric)"
        )
    return name


def _attends(config: Config) -> bool:
    return config.model.decoder == "transformer" or config.model.attention != "none"


def _choices(
    now: Choice, beam_sizes: Sequence[int], length_penalties: Sequence[float], coverage_penalties: Sequence[float]
) -> list[Choice]:
    """Every combination once, the present settings first."""
    found = [now]
    for size in beam_sizes:
        every = itertools.product(length_penalties, coverage_penalties)
        # The scores of a beam of one differ, its outputs do not.
        pairs = [(now.length_penalty, now.coverage_penalty)] if size == 1 else every
        found += [Choice(size, alpha, beta) for alpha, beta in pairs]
    return list(dict.fromkeys(found))


def _measured(
    model: Model,
    every: Sequence[SearchOptions],
    metric: str,
    sources: Sequence[str],
    targets: Sequence[str],
    progress: Progress | None,
) -> list[MetricStatistics]:
    """The metric of each trial, in order."""
    measured, began, quiet = [], time.monotonic(), model.quiet
    try:
        for done, options in enumerate(every, 1):
            measured.append(_measure(model, options, metric, sources, targets))
            model.quiet = True  # the first trial has said it
            if progress is not None:
                passed = time.monotonic() - began
                progress(done, len(every), passed / done * (len(every) - done))
    finally:
        model.quiet = quiet
    return measured


def _measure(
    model: Model, options: SearchOptions, metric: str, sources: Sequence[str], targets: Sequence[str]
) -> MetricStatistics:
    measures = measures_of(model.config)
    outputs = predict_rows(model, sources, options=options)
    examples = group_examples(sources, outputs, targets, model.target_tokenizer, trims=measures.trims)
    found = collect_statistics(examples, model.target_tokenizer, [metric], measures)[metric]
    if not found.defined:
        raise DataError(
            f"tuning by {metric} needs a target of at least {BLEU_ORDER} tokens, but all are shorter: choose another "
            "metric with --metric, such as chrf"
        )
    return found


def _trials(choices: Sequence[Choice], measured: Sequence[MetricStatistics], metric: str) -> list[Trial]:
    """Intervals over the same resamples for all choices, so that differences are paired."""
    scores = bootstrap_scores(measured, RESAMPLES, seed=1)  # (samples, trials)
    trials = []
    for place, (choice, statistics) in enumerate(zip(choices, measured, strict=True)):
        differences = scores[:, place] - scores[:, 0]
        rarer = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
        p = min(1.0, 2 * (rarer + 1) / (RESAMPLES + 1))
        value = statistics.total()
        if not math.isfinite(value):
            raise ConfigError(f"{metric} must be a number to be tuned, but it is {value}: choose another --metric")
        low, high = interval_of(statistics, scores[:, place]) or (None, None)
        trials.append(Trial(choice, value, low, high, p))
    return trials
