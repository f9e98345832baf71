"""What a call of `seqweave.train` asks for: settings, files of pairs, the folder, and the model to start from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seqweave.config import Config, PresetName, build_config, resolve_settings
from seqweave.errors import ConfigError, ModelFolderError
from seqweave.evaluation.measures import measures_of
from seqweave.model.build import check_libraries
from seqweave.paths import path_of
from seqweave.training.data_files import DataFiles
from seqweave.training.origin import Origin, check_changes, check_starts_fresh, read_origin, settings_to_start_with

PathLike = Path | str


def origin_of(start_from: Path | None, folder: Path) -> Origin | None:
    """The model to start from."""
    if start_from is None:
        return None
    if start_from.resolve() == folder.resolve():
        raise ConfigError(
            f"a run that starts from {start_from} needs a folder of its own, which leaves that one as it is: choose "
            "another -o; more steps in the same folder need no --from, only a larger training.max_steps"
        )
    return read_origin(start_from)


def requested_settings(
    preset: PresetName | None,
    file: Path | None,
    settings: Iterable[str] | Mapping[str, Any],
    seed: int | None,
    origin: Origin | None,
) -> Config:
    """The settings of a run: those of `origin` or the defaults, then preset, file, settings and seed on top.

    Raises:
        ConfigError: when they are wrong, do not go with `origin`, or need a library that is missing.
    """
    if origin is not None and preset is not None:
        raise ConfigError(
            f"a preset is the size of a new model, but one that starts from {origin.folder} has that one's size: leave "
            "--preset out"
        )
    base = None if origin is None else settings_to_start_with(origin.config)
    config = resolve_settings(preset, file, settings, base)
    if seed is not None:
        config = build_config({"training.seed": seed}, config)
    if origin is not None and base is not None:
        check_changes(base, config, origin.folder)
    else:
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
