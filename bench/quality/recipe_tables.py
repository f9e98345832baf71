"""The figures of finished recipes as markdown tables, one for each kind of task.

    python bench/quality/recipe_tables.py runs/kor-inflection-large runs/kor-inflection-small runs/wikisplit-*

Each DIR is what run.py wrote. Recipes with the same figures share a table; a row is a recipe and a split, a
figure is that of beam 5 and, after a stroke, greedy, with the 95% interval of beam 5 where it has one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recipes import RECIPES
from run import BEAM_SIZES

from seqweave.evaluation.report import LABELS

OF_SEARCH = ("perplexity", "free_running_perplexity")  # which no beam changes
NAMES = {**LABELS, "perplexity": "perplexity, teacher-forced", "free_running_perplexity": "perplexity, free-running"}


def cell(found: Mapping[str, Any], figure: str) -> str:
    """One figure of a split: every way to search, and the interval of the first."""
    ways = [found[way] for way in BEAM_SIZES]
    if figure in OF_SEARCH:
        value = ways[0][figure]
        return "infinite" if value is None else f"{value:,.2f}"
    shown = " / ".join(f"{way[figure]:.2f}" for way in ways)
    interval = ways[0]["intervals"].get(figure)
    return shown if interval is None else f"{shown} ({interval[0]:.1f} to {interval[1]:.1f})"


def table(results: list[dict[str, Any]], figures: tuple[str, ...]) -> str:
    """The table of some runs that show the same figures."""
    header = ["data", "split", *(NAMES[figure] for figure in figures), "parameters", "seconds"]
    lines = [f"| {' | '.join(header)} |", f"|---|---|{'---:|' * (len(header) - 2)}"]
    for result in results:
        cost = [f"{result['parameters']:,}", f"{result['train_seconds']:.0f}{' *' if result['resumed'] else ''}"]
        for split, found in result["splits"].items():
            cells = [result["recipe"], split, *(cell(found, figure) for figure in figures), *cost]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for folder in parser.parse_args().folders:
        path = folder / "result.json"
        if not path.is_file():
            raise SystemExit(f"{folder} must hold a result.json of run.py, but it does not: let the run finish first")
        result = json.loads(path.read_text(encoding="utf-8"))
        groups.setdefault(RECIPES[result["recipe"]].figures, []).append(result)
    print("\n\n".join(table(results, figures) for figures, results in groups.items()))


if __name__ == "__main__":
    main()
