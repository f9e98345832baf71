"""The baselines of bench/alignments: their equations by hand, and planted translations."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def baselines() -> ModuleType:
    spec = importlib.util.spec_from_file_location("alignment_baselines", ROOT / "bench" / "alignments" / "baselines.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def slow_ibm1(pairs: list[tuple[list[str], list[str]]], iterations: int) -> dict[tuple[str, str], float]:
    """Brown et al. 1993 as a textbook writes it."""
    targets = {word for _, target in pairs for word in target}
    table: dict[tuple[str, str], float] = {}
    for _ in range(iterations):
        counts: dict[tuple[str, str], float] = {}
        for source, target in pairs:
            for word in target:
                all_sources = ["", *source]
                chances = [table.get((one, word), 1 / len(targets)) if table else 1.0 for one in all_sources]
                for one, chance in zip(all_sources, chances, strict=True):
                    counts[one, word] = counts.get((one, word), 0) + chance / sum(chances)
        totals: dict[str, float] = {}
        for (one, _), count in counts.items():
            totals[one] = totals.get(one, 0) + count
        table = {(one, word): count / totals[one] for (one, word), count in counts.items()}
    return table


def test_ibm1_equals_the_textbook(baselines: ModuleType) -> None:
    pairs = [(["a", "b"], ["x", "y"]), (["a"], ["x"]), (["b", "c", "a"], ["z", "y"])]
    table = slow_ibm1(pairs, 4)
    cells = baselines.make_cells(pairs)
    shares = baselines.ibm1(cells, 4)
    place = 0
    for source, target in pairs:
        for word in target:
            chances = np.array([table[one, word] for one in ["", *source]])
            assert shares[place : place + len(chances)] == pytest.approx(chances / chances.sum())
            place += len(chances)
    assert place == len(shares)


def test_digamma(baselines: ModuleType) -> None:
    """Its values at 1 and 1/2, and its recurrence."""
    assert baselines._digamma(np.array([1.0, 0.5])) == pytest.approx([-0.5772156649015329, -1.9635100260214235])
    x = np.array([0.01, 0.3, 2.5, 40.0])
    assert baselines._digamma(x + 1) - baselines._digamma(x) == pytest.approx(1 / x)


@pytest.mark.parametrize("name", ["ibm1", "diagonal"])
def test_planted_translations_are_found(baselines: ModuleType, name: str) -> None:
    draw = random.Random(1)
    words = [f"w{number}" for number in range(30)]
    pairs = []
    for _ in range(300):
        source = draw.sample(words, draw.randint(2, 6))
        pairs.append((source, [word.upper() for word in source]))
    cells = baselines.make_cells(pairs)
    links = baselines.links_of(cells, getattr(baselines, name)(cells))
    assert links == [frozenset((place, place) for place in range(len(source))) for source, _ in pairs]


def test_the_prior_prefers_the_diagonal_and_adds_up(baselines: ModuleType) -> None:
    cells = baselines.make_cells([(["a", "b", "c"], ["x", "y", "z"]), (["a"], ["x", "x"])])
    prior = baselines._prior(cells, 4.0)
    assert np.bincount(cells.token, prior) == pytest.approx(np.ones(5))
    assert prior[cells.source < 0] == pytest.approx(np.full(5, 0.08))
    assert prior[: 4 * 3].reshape(3, 4)[:, 1:].argmax(1).tolist() == [0, 1, 2]
