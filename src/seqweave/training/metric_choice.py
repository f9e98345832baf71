"""How a run is measured, decided once from the targets it is trained on, and what is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqweave.config import Config, Metric, Units, build_config
from seqweave.evaluation.evaluate import references_of
from seqweave.evaluation.measures import decided_settings, measures_of
from seqweave.evaluation.statistics import is_long_enough
from seqweave.text.writing import Writing


def with_measures(config: Config, writing: Writing) -> tuple[Config, dict[str, Any]]:
    """The config with how metrics cut texts, decided by how the targets are written, and the facts of it.

    Raises:
        ConfigError: when `training.metric` counts words and targets have no blanks between them.
    """
    config = build_config(decided_settings(config, writing), config)
    facts = {
        "scripts_without_blanks": writing.scripts,
        "share_of_letters": round(writing.share, 4),
        "metric_units": config.training.metric_units,
        "bleu_tokenize": config.training.bleu_tokenize,
    }
    return config, {"target_writing": facts}


def with_metric(config: Config, dev_targets: Sequence[str]) -> Config:
    """The config with another metric than BLEU where that is the default and no dev target is long enough for it."""
    if config.training.metric is not None or metric_for(config.data.target.units) != "bleu":
        return config
    measures = measures_of(config)
    if any(is_long_enough(target, measures) for target in references_of(dev_targets, measures)):
        return config
    return build_config({"training.metric": "token_error_rate"}, config)


def metric_for(units: Units | None) -> Metric:
    """What chooses the best weights where `training.metric` is unset."""
    if units == "label":
        return "accuracy"
    return "bleu" if units in ("word", "subword") else "token_error_rate"
