"""From lines of measurements to tables: medians, shares, markdown."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Line = Mapping[str, Any]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """A file of JSON lines; none when it is not there."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def quiet(lines: Iterable[Line]) -> list[Line]:
    """The lines measured on a quiet machine; all of them when there is none."""
    lines = list(lines)
    return [line for line in lines if not line.get("noisy")] or lines


def median(lines: Iterable[Line], key: str) -> float | None:
    """Median of a value over the quiet lines that have it."""
    values = [line[key] for line in quiet(lines) if line.get(key) is not None]
    return statistics.median(values) if values else None


def grouped(lines: Iterable[Line], key: str) -> dict[str, list[Line]]:
    """Lines by the value of a key, in the order of their first appearance."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(str(line[key]), []).append(line)
    return groups


def best(groups: Mapping[str, Sequence[Line]], key: str, largest: bool = True) -> float | None:
    """The best median of all groups."""
    found = [value for lines in groups.values() if (value := median(lines, key)) is not None]
    if not found:
        return None
    return max(found) if largest else min(found)


def growth(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent p of cost ~ size^p that fits best (least squares of the logarithms)."""
    x, y = [math.log(size) for size in sizes], [math.log(cost) for cost in costs]
    return statistics.covariance(x, y) / statistics.variance(x)


# Two-sided 95% points of Student's t by degrees of freedom.
_T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def paired_interval(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Mean of second - first and the half-width of its 95% t-interval, for pairs of runs (2 to 10 of them)."""
    differences = [b - a for a, b in zip(first, second, strict=True)]
    half = _T95[len(differences) - 1] * statistics.stdev(differences) / math.sqrt(len(differences))
    return statistics.mean(differences), half


def number(value: float | None, digits: int = 0) -> str:
    """A number for people; a dash for none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table; the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
