"""Where settings come from: a preset, a TOML file, `KEY=VALUE` of the command line; later ones win."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seqweave.config.presets import PRESETS, PresetName
from seqweave.config.whole import Config, build_config
from seqweave.errors import ConfigError


def load_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file into dotted keys (unknown keys are found by `build_config`).

    Raises:
        ConfigError: when the file is missing or is not TOML.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read the config file {path}: {error.strerror}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    return _flatten(tree)


def parse_setting(text: str) -> tuple[str, Any]:
    """Turn `KEY=VALUE` into a key and a value.

    The value is a TOML literal (number, boolean, array, quoted text) where it is one; `unset` and
    `null` mean None, as in `data.source.max_size=unset`; anything else is text, `none` too.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set takes KEY=VALUE, such as --set model.cell=gru, but got {text!r}")
    return key.strip(), _literal(value.strip())


def resolve_settings(
    preset: PresetName | None = None,
    config_file: Path | None = None,
    settings: Iterable[str] | Mapping[str, Any] = (),
) -> Config:
    """Combine preset, TOML file and settings; later ones win."""
    merged: dict[str, Any] = {}
    if preset is not None:
        if preset not in PRESETS:
            raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, but it is {preset!r}")
        merged.update(PRESETS[preset])
    if config_file is not None:
        merged.update(load_toml(config_file))
    pairs = settings.items() if isinstance(settings, Mapping) else map(parse_setting, settings)
    merged.update(pairs)
    return build_config(merged)


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _literal(value: str) -> Any:
    if value.lower() in ("unset", "null"):
        return None
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value
