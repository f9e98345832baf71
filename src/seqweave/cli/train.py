"""`seqweave train`: from a file of pairs to a model folder."""

from __future__ import annotations

import shlex
import signal
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import typer

from seqweave.cli.common import Data, Device, TargetFile
from seqweave.cli.options import (
    DevFile,
    DevTarget,
    ExtendVocabulary,
    Mix,
    MixShare,
    Out,
    Preset,
    Restart,
    Seed,
    Settings,
    SettingsFile,
    SourceUnits,
    StartFrom,
    TargetUnits,
)
from seqweave.config import PresetName, fields_of
from seqweave.errors import ConfigError, Interrupted
from seqweave.wording import RUN_AGAIN, shown, stopped_text

if TYPE_CHECKING:
    from seqweave.cli.progress import TrainingView
    from seqweave.training.run import TrainResult


def train(
    data: Data,
    out: Out,
    target_file: TargetFile = None,
    dev: DevFile = None,
    dev_target: DevTarget = None,
    preset: Preset = None,
    source_units: SourceUnits = None,
    target_units: TargetUnits = None,
    config: SettingsFile = None,
    set_: Settings = None,
    seed: Seed = None,
    device: Device = "auto",
    restart: Restart = False,
    from_: StartFrom = None,
    extend_vocabulary: ExtendVocabulary = False,
    mix: Mix = None,
    mix_share: MixShare = None,
) -> None:
    """Train a model on DATA and write it to DIR.

    Settings override each other in this order: preset, file, options such as --source-units, --set.
    Put --dev after the arguments. Ctrl-C saves, and the same command resumes; once more stops at once. The exit code is
    130, 143 or 129 when SIGINT, SIGTERM or SIGHUP stopped it. With a larger training.max_steps or training.max_epochs
    it goes on with a finished run. --from starts a new run with the weights of another model.

    Example: seqweave train words.tsv -o model --preset tiny --set model.cell=gru

    Start from it: seqweave train new.tsv -o newer --from model --extend-vocabulary --mix words.tsv

    With several processes or GPUs: torchrun --nproc-per-node 2 -m seqweave train words.tsv -o model
    """
    from seqweave.cli.progress import TrainingView
    from seqweave.training.run import train as run

    if mix_share is not None and mix is None:
        raise ConfigError("--mix-share is the share of the pairs of --mix, but there are none: name them with --mix")
    short = short_settings(source_units, target_units, extend_vocabulary, mix_share)
    view = TrainingView()
    with watched(view, out):
        result = run(
            data, out, target_file=target_file, dev=dev, dev_target=dev_target, preset=preset_name(preset),
            config_file=config, settings=[*short, *(set_ or [])], seed=seed, device=device, restart=restart,
            listen=view, start_from=from_, mix=mix,
        )  # fmt: skip
    view.say("\n".join(ending(result)))
    exit_if_stopped(result)


def short_settings(
    source_units: str | None, target_units: str | None, extend_vocabulary: bool, mix_share: float | None
) -> list[str]:
    """The settings that have an option of their own, as `--set` would have them; only those that were given."""
    given = {
        "data.source.units": source_units,
        "data.target.units": target_units,
        "data.extend_vocabulary": "true" if extend_vocabulary else None,
        "training.mix_share": mix_share,
    }
    return [f"{key}={value}" for key, value in given.items() if value is not None]


@contextmanager
def watched(view: TrainingView, folder: Path) -> Iterator[None]:
    """While a view shows a training: it is closed at the end, and what is kept is said of a stop at once.

    Raises:
        Interrupted: in the place of a `KeyboardInterrupt`, with that sentence.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        number = stop.number if isinstance(stop, Interrupted) else signal.SIGINT
        raise Interrupted(number, f"stopped at once: {kept(folder)}") from None
    finally:
        view.close()


def exit_if_stopped(result: TrainResult) -> None:
    """End the command as its signal wants it: what is unfinished is no success."""
    if result.status == "interrupted":
        raise typer.Exit(Interrupted(result.signal or signal.SIGINT).exit_code)


def kept(folder: Path) -> str:
    """What a training that stopped at once has left."""
    from seqweave.run_status import run_status

    run = run_status(folder)
    if run is None:
        return f"{shlex.quote(str(folder))} is as it was"
    if run.finished:
        return f"{shlex.quote(str(folder))} holds a finished model"
    if run.step:
        return f"the checkpoint of step {run.step:,} is kept, and the same command goes on from there"
    return "there was no checkpoint yet, so the same command begins again"


def preset_name(text: str | None) -> PresetName | None:
    """A preset by its name.

    Raises:
        ConfigError: when there is no such preset.
    """
    for name in get_args(PresetName):
        if name == text:
            return name  # type: ignore[no-any-return]
    if text is not None:
        raise ConfigError(f"--preset must be one of {', '.join(get_args(PresetName))}, but it is {text!r}")
    return None


def ending(result: TrainResult) -> list[str]:
    """How a run ended, its figures, and what to do next."""
    from seqweave.cli.figures import figures
    from seqweave.folder import read_config

    folder = shlex.quote(str(result.folder))
    if result.status == "interrupted":
        return [f"{stopped_text(result.step, result.max_steps)}, {RUN_AGAIN}"]
    if result.status == "already_finished":
        lines = [
            f"{folder} is already finished, at step {result.step:,}; --set training.max_steps=N goes on to step N, and "
            "--restart trains it again"
        ]
    else:
        lines = [f"finished at step {result.step:,}; the model is in {folder}"]
    if result.metrics:
        lines += ["on the dev pairs, in percent, with 95% intervals:", *figures(result.metrics)]
    first, *others = next_commands(folder)
    if columns := read_config(result.folder).data.feature_columns:
        cells = "".join(f"\\tcolumn {name}" for name in columns)
        first = f"printf 'your text{cells}\\n' | seqweave predict {folder}"
    return [*lines, "next:", *(f"  {command}" for command in (first, *others))]


def next_commands(folder: str, example: str = "your text", data: str = "test.tsv") -> Sequence[str]:
    """The three commands to try with a new model."""
    return (
        f"echo {shlex.quote(example)} | seqweave predict {folder}",
        f"seqweave evaluate {folder} {data}",
        f"seqweave info {folder}",
    )


def settings_help() -> str:
    """Every key of the config with its values, default and meaning, for `--help`."""
    lines = ["\b", "Settings for --set and --config, with their values and [defaults]:"]
    group = ""
    for key, field in fields_of():
        if key.split(".")[0] != group:
            group = key.split(".")[0]
            lines += ["", "\b"]
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        lines.append(f"{key}  {_kind(field.annotation)}  [{shown(default)}]")
        lines += textwrap.wrap(str(field.description), 78, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _kind(annotation: Any) -> str:
    """A type for people: `gru|lstm`, `integer`, `[number, number]`."""
    choices = [item for item in get_args(annotation) if item is not type(None)]
    if annotation in (int, float, bool, str):
        return {int: "integer", float: "number", bool: "true|false", str: "text"}[annotation]
    if get_origin(annotation) is tuple:
        return "[" + ", ".join("..." if item is Ellipsis else _kind(item) for item in choices) + "]"
    if choices and all(isinstance(item, str) for item in choices):
        return "|".join(choices)
    return "|".join(_kind(item) for item in choices) or str(annotation)
