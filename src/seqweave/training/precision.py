"""The precision of a run: refused where the processor cannot run it, and changed where a stopped run is resumed."""

from __future__ import annotations

from pathlib import Path

import torch

from seqweave import folder as files
from seqweave.config import Cell, Config, ModelConfig, build_config, config_to_tree
from seqweave.device import has_fast_bf16
from seqweave.errors import ConfigError
from seqweave.model.precision import best_precision, runs_in_bf16
from seqweave.training.checkpoint import newest_checkpoint
from seqweave.training.events import Listener, TrainEvent
from seqweave.training.record import Record, read_run

KEY = "training.precision"
_NAMES: dict[Cell, str] = {"rnn": "recurrent layers (rnn)", "gru": "GRU layers", "lstm": "LSTM layers"}


def check_new(config: Config, device: torch.device) -> None:
    """Refuse a precision that this device cannot run.

    Raises:
        ConfigError: with the setting that can be used instead.
    """
    if config.training.precision == "bf16" and not runs_in_bf16(config.model, device):
        raise ConfigError(
            f"{KEY} is bf16, but {_named(device)} cannot train {_layers(config.model)} in bf16: use {KEY}=fp32"
        )


def check_rest(folder: Path, wanted: Config, device: torch.device) -> None:
    """Refuse to resume a run where its precision would have to change without having been asked for.

    Raises:
        ConfigError: when the run has trained in bf16 and this device cannot, or `auto` would not choose it here; or
            when bf16 is asked for and this device cannot.
    """
    if files.read_config(folder).training.precision != "bf16" or wanted.training.precision == "fp32":
        return check_new(wanted, device)
    possible = runs_in_bf16(wanted.model, device)
    if possible and (wanted.training.precision == "bf16" or best_precision(wanted.model, device) == "bf16"):
        return None
    why = f"cannot train {_layers(wanted.model)} in bf16" if not possible else "is slow in bf16"
    other = f", or --set {KEY}=bf16 to continue slowly" if possible else ""
    raise ConfigError(
        f"the run in {folder} was begun in bf16, but {_named(device)} {why}: the rest would be fp32, and the "
        "result then not bit for bit that of the unbroken run; if you want that, run the same command with "
        f"--set {KEY}=fp32{other}"
    )


def change_precision(record: Record, wanted: Config, listen: Listener) -> None:
    """Write the precision that is asked for into a stopped run, and say what a change of it means."""
    run, config = read_run(record.folder) or {}, files.read_config(record.folder)
    requested = run["requested"]["training"]["precision"]
    before, after = config.training.precision, wanted.training.precision
    if after == requested:
        return
    facts, changed = dict(run["facts"]), config
    if after not in ("auto", before):
        newest = newest_checkpoint(record.folder / files.CHECKPOINTS)
        if newest is not None:
            step = int(newest.name.removeprefix("step_"))
            facts["earlier_precision"] = [*facts.get("earlier_precision", []), {"precision": before, "steps": step}]
            text = (
                f"up to step {step} the run trained in {before}, the rest is {after}: "
                "its result is not bit for bit that of an unbroken run"
            )
            listen(TrainEvent("warning", {"text": text, "count": 1}))
        changed = build_config({KEY: after}, config)
    # First, because run.json alone decides: after a kill before config.json is written, that is written from it.
    record.made = {**record.made, "config": config_to_tree(changed)}
    record.run(run["status"], wanted, facts)
    if changed != config:
        record.config(changed)


def warn_if_slow(config: Config, device: torch.device, listen: Listener) -> None:
    """Say that bf16 is slow, where a processor has no instructions for it."""
    if config.training.precision == "bf16" and device.type == "cpu" and not has_fast_bf16(device):
        text = f"this processor has no fast bf16: with {KEY}=fp32 training is many times faster"
        listen(TrainEvent("warning", {"text": text, "count": 1}))


def _named(device: torch.device) -> str:
    return "this processor" if device.type == "cpu" else f"the device {device.type}"


def _layers(model: ModelConfig) -> str:
    return _NAMES[model.cell] if "recurrent" in (model.encoder, model.decoder) else "a network"
