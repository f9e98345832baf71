"""Checkpoints: weights, optimizer moments and state, complete or not there.

    checkpoints/step_00012000/{model,optimizer[,average]}.safetensors, state.json, COMPLETE

A checkpoint is written under a temporary name, every file is flushed to the disk, COMPLETE (with the
SHA-256 of each file) comes last, then the folder is renamed. A kill at any moment leaves the last
complete checkpoint and perhaps a temporary folder, which the next start removes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from seqweave.config.formats import tensor_name
from seqweave.errors import LimitError, ModelFolderError
from seqweave.files import sync_folder, write_atomic
from seqweave.training.state import TrainState

_TEMPORARY = ".writing"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds; `average` is empty without a moving average."""

    state: TrainState
    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    average: dict[str, Tensor]


def checkpoint_name(step: int) -> str:
    """The folder's name of a step."""
    return f"step_{step:08d}"


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
    contents: dict[str, Mapping[str, Tensor]] = {
        "model.safetensors": checkpoint.model,
        "optimizer.safetensors": checkpoint.optimizer,
    }
    if checkpoint.average:
        contents["average.safetensors"] = checkpoint.average
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        sums = {}
        for name, tensors in contents.items():
            saving(name)
            data = safetensors.torch.save({key: value.contiguous() for key, value in tensors.items()})
            write_atomic(temporary / name, data)
            sums[name] = hashlib.sha256(data).hexdigest()
        saving("state.json")
        data = checkpoint.state.to_json().encode()
        write_atomic(temporary / "state.json", data)
        sums["state.json"] = hashlib.sha256(data).hexdigest()
        saving("COMPLETE")
        write_atomic(temporary / "COMPLETE", (json.dumps(sums, indent=2) + "\n").encode())
        if final.exists():  # the same step again, after a resume: equal content
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


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a complete checkpoint, checking every file against its SHA-256.

    Raises:
        ModelFolderError: when a file is missing or changed.
    """
    try:
        sums = json.loads((path / "COMPLETE").read_text(encoding="utf-8"))
        data = {name: (path / name).read_bytes() for name in sums}
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from None
    for name, content in data.items():
        if hashlib.sha256(content).hexdigest() != sums[name]:
            raise _damaged(path, f"{name} was changed")
    try:
        return Checkpoint(
            TrainState.from_json(data["state.json"].decode()),
            _named(data["model.safetensors"]),
            _named(data["optimizer.safetensors"]),
            _named(data["average.safetensors"]) if "average.safetensors" in data else {},
        )
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise _damaged(path, str(error)) from None


def _named(data: bytes) -> dict[str, Tensor]:
    """Tensors by their names of today, whatever the format of the folder."""
    return {tensor_name(name): tensor for name, tensor in safetensors.torch.load(data).items()}


def newest_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint with the most steps, or None."""
    complete = [path for path in folder.glob("step_*") if (path / "COMPLETE").is_file() and path.suffix != _TEMPORARY]
    return max(complete, key=lambda path: path.name, default=None)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed save left behind."""
    for path in folder.glob(f"*{_TEMPORARY}"):
        shutil.rmtree(path, ignore_errors=True)


def prune_checkpoints(folder: Path, keep: set[int]) -> None:
    """Remove all checkpoints except those of the given steps."""
    names = {checkpoint_name(step) for step in keep}
    for path in folder.glob("step_*"):
        if path.name not in names and not path.name.endswith(_TEMPORARY):
            # Without COMPLETE it no longer counts, should the removal be interrupted.
            (path / "COMPLETE").unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)


def _damaged(path: Path, why: str) -> ModelFolderError:
    return ModelFolderError(
        f"the checkpoint {path} is damaged ({why}): remove that folder to resume from an earlier one, or use --restart"
    )
