"""A run with entmax-1.5: it learns, its files are JSON, and its folder decodes."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from quick import quick_are
from seqweave.loading import load
from seqweave.training import loop
from seqweave.training.run import train
from seqweave.training.validation import Validation
from tiny_run import SETTINGS, write_pairs

pytest.importorskip("entmax", reason='entmax is not installed: pip install "seqweave[entmax]"')

SPARSE: dict[str, Any] = {**SETTINGS, "model.output": "entmax15", "training.label_smoothing": 0.0}


def no_infinity(text: str) -> float:
    raise AssertionError(f"{text} is no JSON")


def rows_of(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line, parse_constant=no_infinity) for line in lines if line]


@pytest.mark.slow
@pytest.mark.parametrize("side", quick_are(["recurrent"], ["recurrent", "transformer"]))
def test_a_run_learns_and_leaves_a_model(tmp_path: Path, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_REPORTS", 0.0)
    settings = {**SPARSE, "training.max_steps": 40, "training.learning_rate": 0.01, "training.validate_every": 20}
    settings |= {"model.encoder": side, "model.decoder": side}
    found = train(write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model", settings=settings)
    assert found.status == "finished"
    losses = [row["loss"] for row in rows_of(tmp_path / "model" / "events.jsonl") if row["event"] == "step"]
    assert all(loss > 0 for loss in losses)
    assert losses[-1] < losses[0]
    json.loads((tmp_path / "model" / "metrics.json").read_text(encoding="utf-8"), parse_constant=no_infinity)
    assert "entmax-1.5 output" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    model = load(tmp_path / "model")
    assert model.single.output.sparse
    for one, *_ in model.predict_n_best(["abc", "fed"], n_best=3):
        assert math.isfinite(one.score)


def test_an_infinite_perplexity_is_recorded_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a finite one beats it at a tie, also after a resume."""
    monkeypatch.setattr(loop, "validate", lambda *_: Validation("exact_match", 0.0, math.inf, math.inf, []))
    settings = {**SPARSE, "training.metric": "exact_match", "training.average_checkpoints": 1}
    train(write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model", settings=settings)
    text = (tmp_path / "model" / "checkpoints" / "step_00000012" / "state.json").read_text(encoding="utf-8")
    best = json.loads(text, parse_constant=no_infinity)["best_perplexity"]
    assert best == sys.float_info.max
    assert Validation("exact_match", 0.0, 1e300, 1.0, []).replaces(0.0, best)
    assert not Validation("exact_match", 0.0, math.inf, 1.0, []).replaces(0.0, best)
    rows = [row for row in rows_of(tmp_path / "model" / "events.jsonl") if row["event"] == "validation"]
    assert rows
    assert all(row["perplexity"] is None for row in rows)
