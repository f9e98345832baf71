"""The figures of `metrics.json`, as `train` and `info` show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def figures(metrics: Mapping[str, Any]) -> list[str]:
    """The table of figures with their 95% intervals, indented, and what is to be said of them.

    Raises:
        DataError: when these are no metrics that seqweave wrote.
    """
    from seqweave.errors import DataError
    from seqweave.evaluation.metrics import metrics_from_json
    from seqweave.evaluation.report import figures_table, remarks

    found = metrics_from_json(metrics, "metrics.json")
    try:
        lines = [*figures_table(found).split("\n"), *remarks(found)]
    except (TypeError, ValueError, KeyError, AttributeError) as error:  # texts where numbers belong
        raise DataError(
            f"metrics.json must hold metrics written by seqweave, but does not ({error}); evaluate again"
        ) from None
    return [f"  {line}" for line in lines]
