"""How far the training in a folder is: finished, stopped at some step, or still going on.

Read from `run.json` and the names of the checkpoints, without torch. What is damaged or of another form says
nothing here: whoever needs those files says what is wrong with them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqweave.errors import SeqweaveError
from seqweave.folder import CHECKPOINTS, CONFIG, RUN, read_json
from seqweave.wording import FINISH_IT, stopped_text

_STATE = "state.json"
_MOST_BYTES = 1 << 20  # of a state, which has a few hundred


@dataclass(frozen=True)
class RunStatus:
    """How far a run is.

    Attributes:
        finished: whether it is done.
        trains: whether a process trains it now.
        step: the last one that is done, or saved while it is not finished.
        max_steps: the last one there can be.
        best_step: the one whose weights the folder has; 0 when that is not known.
    """

    finished: bool
    trains: bool
    step: int
    max_steps: int
    best_step: int

    @property
    def text(self) -> str:
        """`finished at step 300 of 300`, `stopped at step 24 of 300`, or `at step 24 of 300, and still training`."""
        if self.finished:
            return f"finished at step {self.step:,} of {self.max_steps:,}"
        if self.trains:
            return f"at step {self.step:,} of {self.max_steps:,}, and still training"
        return stopped_text(self.step, self.max_steps)

    def to_json(self) -> dict[str, Any]:
        """As `--json` shows it."""
        status = "finished" if self.finished else "training" if self.trains else "stopped"
        steps = {"step": self.step, "max_steps": self.max_steps, "best_step": self.best_step}
        return {"status": status, "text": self.text, **steps}


def run_status(folder: Path) -> RunStatus | None:
    """How far the run of a folder is; None where nothing can be read that says so."""
    with suppress(SeqweaveError, KeyError, TypeError, ValueError, OSError):
        run, config = read_json(folder / RUN), read_json(folder / CONFIG)
        finished, facts = run["status"] == "finished", run["facts"]
        if finished and "steps" not in facts:
            return None
        step, best_step = (facts["steps"], facts.get("best_step", 0)) if finished else _saved(folder / CHECKPOINTS)
        max_steps = config["training"]["max_steps"] or step
        if all(type(number) is int for number in (step, best_step, max_steps)):
            return RunStatus(finished, not finished and _trains(folder), step, max_steps, best_step)
    return None


def unfinished(folders: Sequence[Path]) -> list[str]:
    """For each of some folders whose training is not finished: which it is, and how far."""
    found = [(folder, run_status(folder)) for folder in folders]
    return [f"{folder}: {run.text}" for folder, run in found if run is not None and not run.finished]


def unfinished_warning(sentence: str) -> str:
    """One of `unfinished`, and what that means."""
    return f"warning: {sentence}, so this is no finished model; {FINISH_IT}"


def _saved(checkpoints: Path) -> tuple[int, int]:
    """The step of the newest complete checkpoint, and the best step up to there; 0 for none."""
    names = [path.name for path in checkpoints.glob("step_*") if (path / "COMPLETE").is_file()]
    steps = {int(name[5:]): name for name in names if name[5:].isdecimal()}
    if not steps:
        return 0, 0
    newest = max(steps)
    with suppress(OSError, ValueError, KeyError, TypeError), (checkpoints / steps[newest] / _STATE).open("rb") as file:
        best = json.loads(file.read(_MOST_BYTES))["best_step"]
        return newest, best if type(best) is int else 0
    return newest, 0


def _trains(folder: Path) -> bool:
    """Whether the process that the file beside the folder names is alive; it is empty when training has ended."""
    with suppress(OSError, ValueError, IndexError, OverflowError):
        real = folder.resolve()
        process = int(real.with_name(f".{real.name}.lock").read_text(encoding="ascii").split()[0])
        if process <= 0 or os.name == "nt":  # there, asking would end it
            return False
        with suppress(PermissionError):  # somebody else's
            os.kill(process, 0)
        return True
    return False
