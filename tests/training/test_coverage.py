"""The coverage loss: by hand, against a naive twin, and in a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from seqweave.cli.progress import step_text
from seqweave.loading import load
from seqweave.training.losses import coverage_loss
from seqweave.training.run import train
from tiny_run import SETTINGS, write_pairs

WEIGHTS = torch.tensor([[[0.5, 0.5, 0.0], [0.25, 0.0, 0.75], [0.5, 0.25, 0.25]]])  # (1, 3, 3)


def test_coverage_loss_by_hand() -> None:
    # Before the second step: 0.5, 0.5, 0; looked at again: 0.25. Before the third: 0.75, 0.5, 0.75; again: all of it.
    assert float(coverage_loss(WEIGHTS, torch.tensor([[5, 6, 3]]))) == 1.25
    # The third position is padding.
    assert float(coverage_loss(WEIGHTS, torch.tensor([[5, 3, 0]]))) == 0.25


def test_looking_elsewhere_costs_nothing_and_staying_all() -> None:
    targets = torch.tensor([[5, 6, 7, 3]])
    assert float(coverage_loss(torch.eye(4)[None], targets)) == 0
    assert float(coverage_loss(torch.eye(4)[:1].expand(1, 4, 4), targets)) == 3


def test_coverage_loss_is_that_of_the_naive_twin_and_has_its_gradient() -> None:
    torch.manual_seed(1)
    scores = torch.randn(3, 5, 4, requires_grad=True)
    targets = torch.tensor([[5, 6, 7, 8, 3], [5, 3, 0, 0, 0], [4, 4, 4, 3, 0]])
    weights = scores.softmax(-1)
    total = torch.zeros(())
    for row in range(3):
        covered = torch.zeros(4)
        for step in range(5):
            if targets[row, step] != 0:
                total = total + torch.stack([min(a, b) for a, b in zip(weights[row, step], covered, strict=True)]).sum()
            covered = covered + weights[row, step]
    loss = coverage_loss(weights, targets)
    torch.testing.assert_close(loss, total)
    [expected] = torch.autograd.grad(total, scores, retain_graph=True)
    [found] = torch.autograd.grad(loss, scores)
    torch.testing.assert_close(found, expected)


def coverage_of(folder: Path) -> list[float]:
    rows = [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row["coverage_loss"] for row in rows if row["event"] == "step" and "coverage_loss" in row]


def test_a_run_with_coverage_reports_its_loss_and_predicts(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    settings = {**SETTINGS, "training.max_steps": 4, "model.attention": "additive", "model.coverage": True}
    train(data, tmp_path / "on", settings=settings)
    [*_, last] = coverage_of(tmp_path / "on")
    assert 0 < last < 1
    assert load(tmp_path / "on").predict(["abc"])[0].score < 0
    train(data, tmp_path / "off", settings={**settings, "model.coverage": False})
    assert coverage_of(tmp_path / "off") == []


@pytest.mark.slow
def test_the_loss_changes_what_is_learned(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    settings = {**SETTINGS, "model.attention": "concat", "model.coverage": True, "training.learning_rate": 0.02}
    found = []
    for weight in (0.0, 20.0):
        folder = tmp_path / f"weight{weight:g}"
        train(data, folder, settings={**settings, "training.max_steps": 16, "training.coverage_weight": weight})
        found.append(coverage_of(folder)[-1])
    assert found[1] < found[0]


@pytest.mark.parametrize("more", [{}, {"coverage_loss": 0.25}])
def test_progress_says_it(more: dict[str, float]) -> None:
    text = step_text({"loss": 1.0, "tokens_per_second": 10, **more})
    assert ("coverage 0.250" in text) == bool(more)
