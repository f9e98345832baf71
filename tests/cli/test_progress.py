"""What a run of training shows for its events."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from seqweave.cli import progress
from seqweave.cli.progress import TrainingView
from seqweave.training.events import TrainEvent

VALIDATION = {
    "step": 4, "metric": "cer", "value": 1.0, "perplexity": 2.0, "free_running_perplexity": 3.0, "samples": [],
}  # fmt: skip
STEP = {"step": 4, "max_steps": 12, "loss": 1.0, "tokens_per_second": 10.0, "seconds_left": 3.0}


def view_of(terminal: bool) -> tuple[TrainingView, io.StringIO]:
    text = io.StringIO()
    return TrainingView(Console(file=text, force_terminal=terminal, width=120, color_system=None)), text


def test_a_validation_moves_a_bar_of_its_own() -> None:
    view, text = view_of(terminal=True)
    view(TrainEvent("step", STEP))
    for done in (0, 30, 120):
        view(TrainEvent("validating", {"step": 4, "done": done, "total": 120}))
        assert view._progress is not None
        view._progress.refresh()
        assert f"{done}/120" in text.getvalue()
    view(TrainEvent("validation", VALIDATION))
    assert view._progress is not None
    assert [task.total for task in view._progress.tasks] == [12]
    view.close()


def test_without_a_terminal_a_long_validation_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    view, text = view_of(terminal=False)
    view(TrainEvent("validating", {"step": 4, "done": 30, "total": 120}))
    assert text.getvalue() == ""
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.0)
    view(TrainEvent("validating", {"step": 4, "done": 60, "total": 120}))
    assert text.getvalue() == "validating at step 4: 60 of 120\n"


def test_a_stop_says_after_what() -> None:
    view, text = view_of(terminal=False)
    view(TrainEvent("stopping", {"signal": 2}))
    view(TrainEvent("validating", {"step": 4, "done": 60, "total": 120}))
    view(TrainEvent("stopping", {"signal": 2}))
    view(TrainEvent("validation", VALIDATION))
    view(TrainEvent("stopping", {"signal": 2}))
    said = [line for line in text.getvalue().split("\n") if line.startswith("stopping")]
    assert said == [f"stopping after this {what}; once more stops at once" for what in ("step", "validation", "step")]


def test_a_warning_is_shown_with_its_name() -> None:
    text = io.StringIO()
    TrainingView(Console(file=text))(TrainEvent("warning", {"text": "dev.tsv shares 3 distinct sources", "count": 3}))
    assert text.getvalue() == "warning: dev.tsv shares 3 distinct sources\n"
