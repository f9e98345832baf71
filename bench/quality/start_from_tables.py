"""The tables of `start_from.py`: word error rates with paired intervals, and BLEU."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sacrebleu
from numpy.typing import NDArray
from start_from_data import LOW

RESAMPLES = 10_000
Wrong = NDArray[np.float64]  # of each source: the share of seeds whose output is wrong


def table(folder: Path, seeds: Sequence[int], split: str) -> str:
    """The experiments that are there, as markdown."""
    parts = [_languages(folder / "languages", seeds, split), _cmudict(folder / "cmudict", seeds, split)]
    parts.append(_multi30k(folder / "multi30k", seeds, split))
    return "\n\n".join(part for part in parts if part)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n")]


def _wrong(folder: Path, seeds: Sequence[int], name: str) -> Wrong | None:
    """The word errors of a work, by source; None where a seed is missing."""
    paths = [folder / f"seed{seed}" / f"{name}.jsonl" for seed in seeds]
    if not all(path.exists() for path in paths):
        return None
    found = [[float(row["output"] not in row["targets"]) for row in _rows(path)] for path in paths]
    return np.mean(np.array(found), axis=0)


def _interval(pairs: Sequence[tuple[Wrong, Wrong]]) -> tuple[float, float, float]:
    """Second minus first in points, macro over the sets, with the 95% interval of a paired bootstrap over sources."""
    random = np.random.default_rng(1)
    differences = [new - old for old, new in pairs]
    means = np.mean([difference.mean() for difference in differences])
    drawn = np.zeros(RESAMPLES)
    for difference in differences:
        picks = random.integers(0, len(difference), (RESAMPLES, len(difference)))
        drawn += difference[picks].mean(1) / len(differences)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return 100 * float(means), 100 * float(low), 100 * float(high)


def _shown(found: tuple[float, float, float]) -> str:
    return f"{found[0]:+.1f} ({found[1]:+.1f} to {found[2]:+.1f})"


def _languages(folder: Path, seeds: Sequence[int], split: str) -> str:
    lines = ["| language | WER from scratch | WER from the model | difference |", "|---|---|---|---|"]
    pairs = []
    for language in LOW:
        both = [_wrong(folder, seeds, f"{language}-{kind}.{split}") for kind in ("new", "from")]
        if both[0] is None or both[1] is None:
            continue
        pairs.append((both[0], both[1]))
        scratch, started = (f"{100 * wrong.mean():.1f}" for wrong in pairs[-1])
        lines.append(f"| {language} | {scratch} | {started} | {_shown(_interval(pairs[-1:]))} |")
    if not pairs:
        return ""
    means = (f"{100 * np.mean([pair[kind].mean() for pair in pairs]):.1f}" for kind in (0, 1))
    lines.append(f"| macro, {len(pairs)} languages | {' | '.join(means)} | {_shown(_interval(pairs))} |")
    return "\n".join(lines)


def _cmudict(folder: Path, seeds: Sequence[int], split: str) -> str:
    lines = ["| model | WER, other words of the rule | change | WER, old words | change |", "|---|---|---|---|---|"]
    kinds = ("test-new", f"{split}-old")
    before = [_wrong(folder, seeds, f"old.{kind}") for kind in kinds]
    for name in ("old", "from", "from-mixed"):
        cells = []
        for kind, first in zip(kinds, before, strict=True):
            wrong = _wrong(folder, seeds, f"{name}.{kind}")
            if wrong is None or first is None:
                return ""
            cells += [f"{100 * wrong.mean():.1f}", "" if name == "old" else _shown(_interval([(first, wrong)]))]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _multi30k(folder: Path, seeds: Sequence[int], split: str) -> str:
    lines = ["| model | BLEU of each seed | mean |", "|---|---|---|"]
    for name in ("old", "de-2000-new", "de-2000-from", "de-new", "de-from"):
        paths = [folder / f"seed{seed}" / f"{name}.{split}.jsonl" for seed in seeds]
        values = [_bleu(_rows(path)) for path in paths if path.exists()]
        if values:
            lines.append(f"| {name} | {', '.join(f'{value:.1f}' for value in values)} | {np.mean(values):.1f} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _bleu(rows: Sequence[dict[str, Any]]) -> float:
    """Corpus BLEU, lower-cased, of the first reference of each source."""
    outputs, references = [row["output"] for row in rows], [row["targets"][0] for row in rows]
    return float(sacrebleu.corpus_bleu(outputs, [references], lowercase=True).score)
