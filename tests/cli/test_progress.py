"""What a run of training shows for its events."""

from __future__ import annotations

import io

from rich.console import Console

from seqweave.cli.progress import TrainingView
from seqweave.training.events import TrainEvent


def test_a_warning_is_shown_with_its_name() -> None:
    text = io.StringIO()
    TrainingView(Console(file=text))(TrainEvent("warning", {"text": "dev.tsv shares 3 distinct sources", "count": 3}))
    assert text.getvalue() == "warning: dev.tsv shares 3 distinct sources\n"
