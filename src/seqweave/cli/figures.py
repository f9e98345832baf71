"""The figures of `metrics.json`, as `train` and `info` show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def figures(metrics: Mapping[str, Any]) -> list[str]:
    """The table of figures with their 95% intervals, indented, and what is to be said of them.

    Raises:
        DataError: when these are no metrics that seqweave wrote.
    """
    from seqweave.evaluation.metrics import metrics_from_json
    from seqweave.evaluation.report import figures_table, remarks

    read = metrics_from_json(metrics, "metrics.json")
    return [f"  {line}" for line in (*figures_table(read).split("\n"), *remarks(read))]
