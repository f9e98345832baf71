"""What a run reports while it goes: one small record an event, to any listener.

The command line draws a progress bar from these, tests make a run die at one of them, and the
folder's `events.jsonl` keeps those that matter later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

EventKind = Literal[
    "reading",  # text: what is being done to the data
    "dialect",  # text: what a data file was recognised as
    "warning",  # text: what may be a mistake; count: of what
    "found",  # what the data and the model are: pairs, dropped, units, vocabularies, device, parameters, ...
    "estimate",  # seconds for the whole run, steps
    "start_from",  # the model that the run starts from: folder, sha256, unknown, added, learning_rate, ...
    "extended",  # text: which steps are added to a run, and what that means; step, max_steps
    "resumed",  # step
    "batch",  # step, batch: after the backward pass of one batch of a step
    "step",  # step, max_steps, loss, tokens_per_second, seconds_left, learning_rate
    "validating",  # step, done, total: pairs, first with none of them done
    "validation",  # step, metric, value, best, perplexity, free_running_perplexity, loss, seconds, samples, ...
    "saving",  # step, file: before a file of a checkpoint is written
    "checkpoint",  # step
    "stopping",  # signal: the run stops after its step; from the handler of the signal, wherever the run is
    "finished",  # step, reason
]


@dataclass(frozen=True)
class TrainEvent:
    """One event; `values` are plain data."""

    kind: EventKind
    values: dict[str, Any]


Listener = Callable[[TrainEvent], None]


def ignore(event: TrainEvent) -> None:
    """A listener that does nothing."""
