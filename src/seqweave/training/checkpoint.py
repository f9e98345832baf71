"""Checkpoints: weights, optimizer moments and state, complete or not there.

    checkpoints/step_00012000/{model,optimizer[,average]}.safetensors, state.json, logs.json, COMPLETE
    checkpoints/best_00011500.safetensors     the best weights at that step, as long as a checkpoint's state names them

A checkpoint is written under a temporary name, every file is flushed to the disk, COMPLETE (with the
SHA-256 of each file) comes last, then the folder is renamed. A kill at any moment leaves the last
complete checkpoint and perhaps a temporary folder, which the next start removes.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from seqweave.config.formats import tensor_name
from seqweave.errors import LimitError, ModelFolderError
from seqweave.files import fingerprint, remove_temporary, sync_folder, write_atomic
from seqweave.training.state import TrainState

_TEMPORARY = ".writing"
_NAME = re.compile(r"step_(\d+)")
_BEST_NAME = re.compile(r"best_(\d+)\.safetensors")
_MARK = "COMPLETE"
_STATE, _LOGS = "state.json", "logs.json"
_ALWAYS = ("model.safetensors", "optimizer.safetensors", _STATE)
_SOMETIMES = ("average.safetensors", _LOGS)  # an earlier version wrote no logs.json

LogSums = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        average: empty without a moving average.
        logs: sums of the record up to here (`seqweave.training.record`); empty where an earlier version wrote none.
    """

    state: TrainState
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    average: dict[str, Tensor]
    logs: LogSums = field(default_factory=dict)


def checkpoint_name(step: int) -> str:
    """The folder's name of a step."""
    return f"step_{step:08d}"


def best_name(step: int) -> str:
    """The name of the best weights, those of a step."""
    return f"best_{step:08d}.safetensors"


def write_checkpoint(folder: Path, checkpoint: Checkpoint, saving: Callable[[str], None]) -> Path:
    """Write a checkpoint below `folder`; it appears complete or not at all.

    Args:
        folder: the run's `checkpoints`.
        checkpoint: what to keep.
        saving: told the name of each file before it is written.

    Raises:
        LimitError: when the disk refuses; earlier checkpoints are untouched.
    """
    final = folder / checkpoint_name(checkpoint.state.step)
    temporary = folder / (final.name + _TEMPORARY)
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        sums = {}
        for name, make in _contents(checkpoint).items():
            saving(name)
            data = make()
            write_atomic(temporary / name, data)
            sums[name] = hashlib.sha256(data).hexdigest()
        saving(_MARK)
        write_atomic(temporary / _MARK, (json.dumps(sums, indent=2) + "\n").encode())
        if final.exists():  # without its mark: a removal that a kill cut short
            shutil.rmtree(final)
        temporary.rename(final)
        sync_folder(folder)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        last = newest_checkpoint(folder)
        kept = f"the last good checkpoint is {last.name}" if last else "there is no earlier checkpoint"
        raise LimitError(
            f"cannot write {final}: {error.strerror or error}; {kept}: make room and run the same command again"
        ) from None
    return final


def _contents(checkpoint: Checkpoint) -> dict[str, Callable[[], bytes]]:
    """What makes each file, one at a time: all at once would be three times the memory."""

    def tensors(named: Mapping[str, Tensor]) -> Callable[[], bytes]:
        return lambda: safetensors.torch.save({key: value.contiguous() for key, value in named.items()})

    made = {"model.safetensors": tensors(checkpoint.model), "optimizer.safetensors": tensors(checkpoint.optimizer)}
    if checkpoint.average:
        made["average.safetensors"] = tensors(checkpoint.average)
    made[_STATE] = lambda: checkpoint.state.to_json().encode()
    if checkpoint.logs:
        made[_LOGS] = lambda: (json.dumps(checkpoint.logs, indent=2) + "\n").encode()
    return made


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a complete checkpoint, checking every file against its SHA-256.

    Raises:
        ModelFolderError: when a file is missing or changed, or is not of this step.
    """
    sums = _sums(path)
    data = {}
    for name, wanted in sums.items():
        try:
            data[name] = (path / name).read_bytes()
        except OSError as error:
            raise _unreadable(path, name, error) from None
        if hashlib.sha256(data[name]).hexdigest() != wanted:
            raise _damaged(path, f"{name} was changed")
    try:
        return Checkpoint(
            _state(path, data[_STATE]),
            _named(data["model.safetensors"]),
            _named(data["optimizer.safetensors"]),
            _named(data["average.safetensors"]) if "average.safetensors" in data else {},
            _logs(path, data.get(_LOGS, b"{}")),
        )
    except (TypeError, ValueError, RecursionError, SafetensorError) as error:
        raise _damaged(path, str(error)) from None


def check_checkpoint(path: Path) -> tuple[TrainState, LogSums]:
    """Compare every file of a checkpoint with its SHA-256, without its tensors in memory; gives its state.

    Raises:
        ModelFolderError: when a file is missing or changed, or is not of this step.
    """
    for name, wanted in _sums(path).items():
        try:
            changed = fingerprint(path / name)["sha256"] != wanted
        except OSError as error:
            raise _unreadable(path, name, error) from None
        if changed:
            raise _damaged(path, f"{name} was changed")
    try:
        logs = (path / _LOGS).read_bytes() if (path / _LOGS).is_file() else b"{}"
        return _state(path, (path / _STATE).read_bytes()), _logs(path, logs)
    except (TypeError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None


def _sums(path: Path) -> dict[str, str]:
    """What COMPLETE says of each file."""
    try:
        sums = json.loads((path / _MARK).read_bytes())
    except OSError as error:
        raise _unreadable(path, _MARK, error) from None
    except (ValueError, RecursionError):
        raise _damaged(path, f"{_MARK} is no JSON") from None
    names = set(sums) if isinstance(sums, dict) else set()
    if not set(_ALWAYS) <= names <= {*_ALWAYS, *_SOMETIMES} or not all(isinstance(each, str) for each in sums.values()):
        raise _damaged(path, f"{_MARK} does not list its files with their sums")
    return sums  # type: ignore[no-any-return]


def _state(path: Path, content: bytes) -> TrainState:
    state = TrainState.from_json(content.decode())
    if checkpoint_name(state.step) != path.name:
        raise _damaged(path, f"{_STATE} is of step {state.step}")
    return state


def _logs(path: Path, content: bytes) -> LogSums:
    logs = json.loads(content)
    if not isinstance(logs, dict) or not all(
        isinstance(each, dict) and isinstance(each.get("bytes"), int) and isinstance(each.get("sha256"), str)
        for each in logs.values()
    ):
        raise _damaged(path, f"{_LOGS} does not list files with their sums")
    return logs


def _named(data: bytes) -> dict[str, Tensor]:
    """Tensors by their names of today, whatever the format of the folder."""
    return {tensor_name(name): tensor for name, tensor in safetensors.torch.load(data).items()}


def all_checkpoints(folder: Path) -> list[Path]:
    """Every checkpoint by its name, whether it is complete or not; the newest first."""
    steps = {int(found[1]): path for path in folder.glob("step_*") if (found := _NAME.fullmatch(path.name))}
    return [steps[step] for step in sorted(steps, reverse=True)]


def complete_steps(folder: Path) -> list[int]:
    """The steps of the complete checkpoints, ascending."""
    complete = [path for path in all_checkpoints(folder) if (path / _MARK).is_file()]
    return sorted(int(path.name.removeprefix("step_")) for path in complete)


def newest_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint with the most steps, or None."""
    steps = complete_steps(folder)
    return folder / checkpoint_name(steps[-1]) if steps else None


def newest_step(folder: Path) -> int:
    """The step of the newest complete checkpoint; 0 where there is none."""
    return max(complete_steps(folder), default=0)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed save left behind."""
    remove_temporary(folder)
    for path in folder.glob(f"*{_TEMPORARY}"):
        shutil.rmtree(path, ignore_errors=True)


def prune_checkpoints(folder: Path, keep: set[int]) -> None:
    """Remove all checkpoints except those of the given steps, and best weights that no state of them names."""
    names = {checkpoint_name(step) for step in keep}
    for path in all_checkpoints(folder):
        if path.name not in names:
            remove_checkpoint(path)
    best = {best_name(state.best_step) for path in all_checkpoints(folder) if (state := _state_or_none(path))}
    for path in folder.glob("best_*.safetensors"):
        if _BEST_NAME.fullmatch(path.name) and path.name not in best:
            path.unlink(missing_ok=True)


def remove_checkpoint(path: Path) -> None:
    """Remove one; without COMPLETE, which goes first, it no longer counts, should the removal be interrupted."""
    (path / _MARK).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def remove_best(folder: Path) -> None:
    """Remove the copies of best weights, which a finished run no longer needs."""
    for path in folder.glob("best_*.safetensors"):
        if _BEST_NAME.fullmatch(path.name):
            path.unlink(missing_ok=True)


def steps_needed(folder: Path, steps: Iterable[int]) -> set[int]:
    """The checkpoints that a run needs to go on from any of those steps: the ones it would be averaged with, too."""
    states = [_state_or_none(folder / checkpoint_name(step)) for step in steps]
    return {step for state in states if state is not None for step in (state.step, *state.averaged)}


def _state_or_none(path: Path) -> TrainState | None:
    """The state of a checkpoint, which is not compared with its sum here."""
    try:
        return TrainState.from_json((path / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return None


def _unreadable(path: Path, name: str, error: OSError) -> ModelFolderError:
    """Gone is damaged; what only cannot be read now may be whole."""
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return _damaged(path, f"{name} is missing")
    return ModelFolderError(
        f"cannot read {path / name} ({error.strerror or error}): make it readable and run the same command again"
    )


def _damaged(path: Path, why: str) -> DamagedCheckpointError:
    return DamagedCheckpointError(path, why)


class DamagedCheckpointError(ModelFolderError):
    """A checkpoint that is not as it was written; `why` says what is wrong with it."""

    def __init__(self, path: Path, why: str):
        self.why = why
        super().__init__(
            f"the checkpoint {path} is damaged ({why}): remove that folder to resume from an earlier one, "
            "or use --restart"
        )
