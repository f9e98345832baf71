"""The few figures a person wants to see of `metrics.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {
    "exact_match": "exact match",
    "token_error_rate": "token error rate",
    "cer": "CER",
    "wer": "WER",
    "bleu": "BLEU",
    "chrf": "chrF",
    "ter": "TER",
    "perplexity": "perplexity",
    "free_running_perplexity": "perplexity, free-running",
}


def figures(metrics: Mapping[str, Any]) -> list[str]:
    """One indented line a figure, with its 95% interval where there is one."""
    lines = []
    intervals = metrics.get("intervals") or {}
    for name, label in NAMES.items():
        value = metrics.get(name)
        if isinstance(value, int | float):
            interval = intervals.get(name)
            between = f"  ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
            lines.append(f"  {label:<24} {value:8.2f}{between}")
    return lines
