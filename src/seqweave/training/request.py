"""What a call of `seqweave.train` asks for: settings, files of pairs, the folder, and the model to start from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqweave.config import Config, PresetName, build_config, resolve_settings
from seqweave.errors import ConfigError, ModelFolderError
from seqweave.evaluation.measures import measures_of
from seqweave.model.build import check_libraries
from seqweave.paths import path_of
from seqweave.training.data_files import DataFiles
from seqweave.training.events import Listener, TrainEvent
from seqweave.training.origin import Origin, check_changes, check_starts_fresh, read_origin, settings_to_start_with
from seqweave.training.record import read_run, requested_config

PathLike = Path | str


@dataclass(frozen=True)
class Start:
    """What a run starts from, before anything is asked for.

    Attributes:
        origin: the model that is named; None: none is, or none need be, for the run is there and has its own weights.
        began: of such a run, what was asked for when it began.
    """

    origin: Origin | None = None
    began: Config | None = None


def start_of(start_from: Path | None, folder: Path, restart: bool, listen: Listener) -> Start:
    """The model to start from; a run in `folder` that started from one goes on without it.

    Raises:
        ConfigError: when `folder` lies in the model's, or that model reads frames.
        ModelFolderError: when there is no such model, or it is damaged, and the run has not begun.
    """
    began = None if restart else _began(folder)
    if start_from is None:
        return Start(began=began)
    if folder.resolve().is_relative_to(start_from.resolve()):
        raise ConfigError(
            f"a run that starts from {start_from} needs a folder outside of it, which leaves that one as it is: choose "
            "another -o; more steps in the same folder need no --from, only a larger training.max_steps"
        )
    try:
        return Start(read_origin(start_from), began)
    except ModelFolderError as error:
        if began is None:
            raise
        text = f"the run in {folder} goes on without the model that it started from: {error}"
        listen(TrainEvent("warning", {"text": text, "count": 1}))
        return Start(began=began)


def _began(folder: Path) -> Config | None:
    """What was asked for when the run in a folder began, if it started from a model; what is damaged says nothing."""
    with suppress(ModelFolderError, ConfigError):
        run = read_run(folder) if folder.is_dir() else None
        if run is not None and "start_from" in run["facts"]:
            return requested_config(run, folder)
    return None


def requested_settings(
    preset: PresetName | None,
    file: Path | None,
    settings: Iterable[str] | Mapping[str, Any],
    seed: int | None,
    start: Start,
) -> Config:
    """The settings of a run: those it starts with or the defaults, then preset, file, settings and seed on top.

    Raises:
        ConfigError: when they are wrong, do not go with the model to start from, or need a library that is missing.
    """
    origin = start.origin
    if origin is not None and preset is not None:
        raise ConfigError(
            f"a preset is the size of a new model, but one that starts from {origin.folder} has that one's size: leave "
            "--preset out"
        )
    base = start.began if origin is None else settings_to_start_with(origin.config)
    config = resolve_settings(preset, file, settings, base)
    if seed is not None:
        config = build_config({"training.seed": seed}, config)
    if origin is not None and base is not None:
        check_changes(base, config, origin.folder)
    elif base is None:
        check_starts_fresh(config)
    _check_libraries(config)
    return config


def _check_libraries(config: Config) -> None:
    """Raise a `ConfigError` when the network or the metrics need a library that is not installed."""
    check_libraries(config.model)
    measures_of(config)


def data_files(
    train: PathLike,
    train_target: PathLike | None,
    dev: PathLike | None,
    dev_target: PathLike | None,
    mix: PathLike | None,
) -> DataFiles:
    """The files that were given.

    Raises:
        ConfigError: when one is no path, or a dev target file has no dev file.
    """
    if dev_target is not None and dev is None:
        raise ConfigError("a dev target file was given without a dev file: give both")
    given = path_of(train, "data", "write the pairs to a file, one on each line with a tab between, and give its path")
    targets, dev_targets = optional_path(train_target, "target_file"), optional_path(dev_target, "dev_target")
    return DataFiles(given, targets, optional_path(dev, "dev"), dev_targets, optional_path(mix, "mix"))


def real_folder(folder: Path) -> Path:
    """The folder with a name of its own, where `.`, or a link that --restart would rename, was given."""
    if folder.name not in ("", "..") and not folder.is_symlink():
        return folder
    try:
        found = folder.resolve()
    except (OSError, RuntimeError):
        found = folder
    if found.is_symlink() or not found.name:
        raise ModelFolderError(f"{folder} can be no model folder: choose another folder for -o")
    return found


def optional_path(value: PathLike | None, what: str) -> Path | None:
    """A path that may be left out; `what` names it in errors."""
    return None if value is None else path_of(value, what)
