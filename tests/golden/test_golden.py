"""Model folders of earlier formats load, answer and go on as they did in the version that wrote them.

These tests hold on any processor, so their bounds leave room for sums in another order; `compare.py` compares two
checkouts on one machine, where nothing leaves such room.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

import golden
from quick import quick_are

SCORES = 2e-4
WEIGHTS = 1e-4


def copied(name: str, where: Path) -> Path:
    """A copy of a golden folder, for whatever is done with it."""
    return Path(shutil.copytree(golden.FORMAT_0 / "folders" / name, where / name))


def expected_of(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((golden.FORMAT_0 / "expected" / f"{name}.json").read_text(encoding="utf-8"))
    return content


def needs_library(name: str) -> None:
    if golden.settings_of(name).get("model.output") == "entmax15":
        pytest.importorskip("entmax", reason='entmax is not installed: pip install "seqweave[entmax]"')


def near(found: float | None, expected: float | None) -> bool:
    """Whether two scores are the same but for rounding; None is the logarithm of 0."""
    if found is None or expected is None:
        return found is expected
    return abs(found - expected) <= SCORES


def decided(margin: float) -> bool:
    """Whether rounding cannot exchange two outputs: each of their scores may move."""
    return margin > 2 * SCORES


def assert_answers(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for one, known, margin in zip(found["greedy"], expected["greedy"], expected["greedy_margins"], strict=True):
        if decided(margin):
            assert (one["text"], one["tokens"], one["finished"]) == (known["text"], known["tokens"], known["finished"])
            assert near(one["score"], known["score"])
    for hypotheses, wanted in zip(found["beam"], expected["beam"], strict=True):
        assert_n_best(hypotheses, wanted)
    for one, known in zip(found["forced"], expected["forced"], strict=True):
        assert one["tokens"] == known["tokens"]
        assert near(one["score"], known["score"]), (one, known)


def assert_n_best(found: Sequence[dict[str, Any]], expected: Sequence[dict[str, Any]]) -> None:
    """The same scores, rank by rank, and the same outputs where no neighbour in the list is as good."""
    assert len(found) == len(expected)
    scores = [known["score"] for known in expected]
    gaps = [abs(above - below) for above, below in pairwise(scores)]
    for rank, (one, known) in enumerate(zip(found, expected, strict=True)):
        assert near(one["score"], known["score"]), (one, known)
        if all(decided(gap) for gap in gaps[max(0, rank - 1) : rank + 1]):
            assert one["tokens"] == known["tokens"]


@pytest.mark.parametrize("name", [*golden.FINISHED, *golden.INTERRUPTED])
def test_a_folder_answers_as_it_did(name: str, tmp_path: Path) -> None:
    needs_library(name)
    assert_answers(golden.answers(copied(name, tmp_path)), expected_of(name))


@pytest.mark.parametrize("name", quick_are(["interrupted_lstm"], golden.INTERRUPTED))
def test_a_stopped_run_ends_as_it_did(name: str, tmp_path: Path) -> None:
    folder = copied(name, tmp_path)
    before = [path.name for path in (folder / "checkpoints").iterdir()]
    golden.train(name, golden.FORMAT_0 / "pairs.tsv", folder)
    expected = safetensors.torch.load_file(golden.FORMAT_0 / "expected" / f"{name}.safetensors")
    assert golden.largest_difference(golden.final_weights(folder), expected) <= WEIGHTS
    assert_answers(golden.answers(folder), expected_of(name)["resumed"])
    assert f"step_{golden.settings_of(name)['training.max_steps']:08d}" not in before


@pytest.mark.parametrize("name", [*golden.FINISHED, *golden.INTERRUPTED])
def test_the_questions_can_tell(name: str) -> None:
    """Most answers are decided by more than rounding, and the model has learnt some of its task."""
    expected = expected_of(name)
    clear = [decided(margin) for margin in expected["greedy_margins"]]
    right = [one["text"] == text[::-1] for one, text in zip(expected["greedy"], golden.questions(), strict=True)]
    assert sum(clear) >= len(clear) - 1
    assert sum(right) >= 6  # without attention it is hard


def test_the_pairs_are_those_that_the_folders_were_trained_on(tmp_path: Path) -> None:
    golden.write_pairs(tmp_path / "pairs.tsv")
    assert (tmp_path / "pairs.tsv").read_bytes() == (golden.FORMAT_0 / "pairs.tsv").read_bytes()


def test_the_folders_are_small() -> None:
    assert sum(path.stat().st_size for path in golden.FORMAT_0.rglob("*") if path.is_file()) < 1_500_000
