"""The figures of `metrics.json`, as `train` and `info` show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def figures(metrics: Mapping[str, Any]) -> list[str]:
    """The table of figures with their 95% intervals, indented.

    Raises:
        DataError: when these are no metrics that seqweave wrote.
    """
    from seqweave.evaluation.metrics import metrics_from_json
    from seqweave.evaluation.report import figures_table

    return [f"  {line}" for line in figures_table(metrics_from_json(metrics, "metrics.json")).split("\n")]
