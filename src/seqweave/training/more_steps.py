"""More steps for a run that is finished or was stopped: it goes on from its last checkpoint, optimizer included.

`run.json` keeps each extension under `facts.extended`: the step it begins at, the last step before and after, and of a
finished run what its weights reached, which stay the folder's until better ones come, and how long its logs were. The
learning rate is laid anew over the steps from there to the new end, warm-up included.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from seqweave import folder as files
from seqweave.config import Config, build_config
from seqweave.data.dataset import PairDataset
from seqweave.errors import ConfigError, ModelFolderError
from seqweave.files import fingerprint
from seqweave.training.checkpoint import LogSums, check_checkpoint, checkpoint_name, newest_checkpoint, newest_step
from seqweave.training.events import Listener, TrainEvent
from seqweave.training.prepare import steps_of
from seqweave.training.record import Record, decided_config, requested_config
from seqweave.training.state import TrainState

STEPS, EPOCHS = "training.max_steps", "training.max_epochs"


@dataclass(frozen=True)
class Extension:
    """More steps, asked for once.

    Attributes:
        begin: the step of the checkpoint that they begin at.
        before, after: the last step before, and the new one.
        best: of a finished run, what the weights of its folder reached: `best`, `best_step`, `best_perplexity` and
            `best_sum` as in `TrainState`.
        logs: of a finished run, the sums of its logs, which go on after what its end wrote.
    """

    begin: int
    before: int
    after: int
    best: Mapping[str, Any] | None = None
    logs: LogSums | None = None

    def apply(self, state: TrainState) -> None:
        """At the step where it begins, nothing of what ended the run is left in the state."""
        if state.step != self.begin:
            return
        state.stopped = False
        state.validations_without_gain = state.plateau_wait = state.plateau_drops = 0
        if self.best is not None:  # the checkpoints that were averaged are gone
            state.averaged = []
            state.__dict__.update(self.best)


def apply_all(extensions: Sequence[Extension], state: TrainState) -> None:
    """Where more steps begin, take what ended the run before out of its state."""
    for extension in extensions:
        extension.apply(state)


def logs_at(extensions: Sequence[Extension], step: int) -> LogSums | None:
    """The sums of the logs of a finished run that goes on at this step; None where none does."""
    found = [extension.logs for extension in extensions if extension.begin == step and extension.logs is not None]
    return found[-1] if found else None


def extensions_of(facts: Mapping[str, Any]) -> list[Extension]:
    """All extensions of a run, from the facts in its run.json."""
    return [Extension(**entry) for entry in facts.get("extended", [])]


def span(extensions: Sequence[Extension], step: int, max_steps: int) -> tuple[int, int]:
    """Where the schedule that a step belongs to begins, and its last step."""
    ends = [*(extension.before for extension in extensions), max_steps]
    begins = [0, *(extension.begin for extension in extensions)]
    place = max(place for place, begin in enumerate(begins) if begin < step or place == 0)
    return begins[place], ends[place]


def asks_for_more(changes: dict[str, tuple[Any, Any]], wanted: Config) -> bool:
    """Whether some changed settings ask for another last step; these are taken out of the changes."""
    if wanted.training.max_steps is None and STEPS in changes:
        return False  # a number that was left out is no wish
    return any([changes.pop(key, None) is not None for key in (STEPS, EPOCHS)])


def check_more(record: Record, run: Mapping[str, Any], wanted: Config) -> None:
    """Refuse a last step that the run has already done, and a finished run whose last checkpoint is gone.

    Raises:
        ConfigError: with the step that is done.
        ModelFolderError: when there is nothing to go on from.
    """
    newest = newest_checkpoint(record.folder / files.CHECKPOINTS)
    last = run["facts"].get("steps", 0)
    if run["status"] == "finished" and (newest is None or newest.name != checkpoint_name(last)):
        raise ModelFolderError(
            f"the run in {record.folder} must have the checkpoint of its last step, {last:,}, to go on from, but it is "
            f"gone: restore it, or begin a new run with these weights, --from {record.folder} and another -o"
        )
    done = newest_step(record.folder / files.CHECKPOINTS)
    if wanted.training.max_steps is not None and wanted.training.max_steps <= done:
        raise _too_few(record, f"{STEPS}={wanted.training.max_steps}", done)


def extend(record: Record, run: Mapping[str, Any], wanted: Config, world: int, listen: Listener) -> None:
    """Write more steps into a run whose files have been checked and whose ids are there; it can be resumed then.

    Raises:
        ConfigError: when the run has already done as many.
        ModelFolderError: when its last checkpoint is damaged.
    """
    config, facts = decided_config(record.made, record.folder), run["facts"]
    done = newest_step(record.folder / files.CHECKPOINTS)
    asked = {STEPS: wanted.training.max_steps, EPOCHS: wanted.training.max_epochs}
    last = steps_of(build_config(asked, config), PairDataset.open(record.cache), world, "start_from" in facts)
    if last <= done:
        raise _too_few(record, f"{EPOCHS}={wanted.training.max_epochs}, which are {last:,} steps,", done)
    assert config.training.max_steps is not None
    earlier = extensions_of(facts)
    more = Extension(done, config.training.max_steps, last)
    if run["status"] == "finished":
        more = replace(more, best=_best_of(record, earlier), logs=record.log_sums())
    elif earlier and earlier[-1].begin == done:  # nothing was saved since: it takes the place of that one
        more = replace(earlier.pop(), after=last)
    kept = {key: value for key, value in facts.items() if key not in ("steps", "best_step", "seconds")}
    kept["extended"] = [asdict(extension) for extension in (*earlier, more)]
    requested = build_config(asked, requested_config(run, record.folder))
    record.reopen(requested, kept, build_config({**asked, STEPS: last}, config))
    if done:
        text = (
            f"going on at step {done:,} to step {last:,}: the learning rate is laid anew over the "
            f"{last - done:,} steps between, up to {config.training.learning_rate:g}"
        )
        listen(TrainEvent("extended", {"text": text, "step": done, "max_steps": last}))


def _best_of(record: Record, extensions: Sequence[Extension]) -> dict[str, Any]:
    """What the weights of a finished folder reached: as its last state has it, or its log where they are an average.

    Where neither does, because a log was removed, the weights of the next validation take their place.
    """
    newest = newest_checkpoint(record.folder / files.CHECKPOINTS)
    assert newest is not None
    state, _ = check_checkpoint(newest)
    apply_all(extensions, state)
    found = fingerprint(record.folder / files.WEIGHTS)["sha256"]
    known = {"best": state.best, "best_step": state.best_step, "best_perplexity": state.best_perplexity}
    if state.best_sum == found:
        return {**known, "best_sum": found}
    rows = files.read_rows(record.folder / files.EVENTS)
    best = [row for row in rows if row.get("event") == "validation" and row.get("best")]
    if not best:
        return {"best": None, "best_step": 0, "best_perplexity": None, "best_sum": ""}
    perplexity = best[-1]["perplexity"]
    return {
        "best": best[-1]["value"],
        "best_step": best[-1]["step"],
        "best_perplexity": sys.float_info.max if perplexity is None else perplexity,
        "best_sum": found,
    }


def _too_few(record: Record, asked: str, done: int) -> ConfigError:
    return ConfigError(
        f"the run in {record.folder} has done {done:,} steps, so there is nothing to do for {asked}: "
        f"give {STEPS} above {done}, or train into another folder"
    )
