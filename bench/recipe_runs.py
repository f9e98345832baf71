"""What the recipes of bench/quality and bench/alignments share: where the real data is, and who listens to a training.

The scripts of those folders put this folder on Python's path before they import it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from seqweave.training.events import TrainEvent

REPOSITORY = Path(__file__).resolve().parents[1]


def find_data(folder: Path | None = None) -> Path:
    """The data folder: `folder`, else $SEQWEAVE_DATA, else shared/data beside the repository; exits when absent."""
    found = folder or Path(os.environ.get("SEQWEAVE_DATA") or REPOSITORY.parent / "shared" / "data")
    if not found.is_dir():
        raise SystemExit(f"the data must be in a folder, but {found} is none: give --data FOLDER or set SEQWEAVE_DATA")
    return found


class Progress:
    """A listener: a line on stderr for each validation; remembers whether the run was resumed."""

    resumed = False

    def __call__(self, event: TrainEvent) -> None:
        """Take one event."""
        self.resumed |= event.kind == "resumed"
        if event.kind in ("estimate", "resumed", "validation", "finished"):
            plain = {key: value for key, value in event.values.items() if isinstance(value, (int, float, str))}
            print(event.kind, *(f"{key}={_short(value)}" for key, value in plain.items()), file=sys.stderr, flush=True)


def _short(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
