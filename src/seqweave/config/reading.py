"""From settings to a checked `Config`.

They come from a preset, a TOML file or the config.json of another run, and `KEY=VALUE` of the command line (later ones
win); or from the config.json of a model folder, as what the model is.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from seqweave.config.checks import contradictions, model_contradictions, unread
from seqweave.config.formats import FORMAT, translated_settings
from seqweave.config.model import ModelConfig
from seqweave.config.presets import PRESETS, PresetName
from seqweave.config.schema import Config, fields_of, settings_of
from seqweave.errors import ConfigError


def load_settings(path: Path) -> dict[str, Any]:
    """Read a file of settings into dotted keys (unknown keys are found by `build_config`).

    It is TOML, or the config.json of a run: then the new run has the settings of that one, and what was decided from
    its data is decided. What a format alone decides is left out, for a new run is of today's format.

    Raises:
        ConfigError: when the file is missing, or is neither.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read the config file {path}: {error.strerror}; check the path") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} must be UTF-8, but it is not ({error}): save it as UTF-8") from None
    if text.lstrip().startswith("{"):
        return _settings_from_json(text, str(path))
    try:
        return _flatten(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} must be TOML, or the config.json of a run, but it is neither: {error}") from None


def _settings_from_json(text: str, where: str) -> dict[str, Any]:
    """The settings that stand in a config.json, in today's terms; those that its format decides are left out."""
    settings = settings_of(config_from_json(text, where))
    written = _flatten(translated_settings(json.loads(text), where))
    return {key: value for key, value in settings.items() if key in written}


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
    base: Config | None = None,
) -> Config:
    """Combine preset, file and settings over `base` (default: the defaults); later ones win.

    Raises:
        ConfigError: as `load_settings` and `build_config`, or when settings are neither texts nor a mapping.
    """
    merged: dict[str, Any] = {}
    if preset is not None:
        if preset not in PRESETS:
            raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, but it is {preset!r}")
        merged.update(PRESETS[preset])
    if config_file is not None:
        merged.update(load_settings(config_file))
    merged.update(_pairs(settings))
    return build_config(merged, base)


def _pairs(settings: Any) -> Mapping[str, Any]:
    """Settings as a caller of Python gave them, by their keys."""
    wrong: list[Any] = [settings]
    given: dict[str, Any] = {}
    if isinstance(settings, Mapping):
        wrong = [key for key in settings if not isinstance(key, str)]
        given = dict(settings)
    elif isinstance(settings, Iterable) and not isinstance(settings, str | bytes):
        texts = list(settings)
        wrong = [text for text in texts if not isinstance(text, str)]
        given = {} if wrong else dict(map(parse_setting, texts))
    if wrong:
        raise ConfigError(
            'settings must be a mapping such as {"model.cell": "gru"}, or a list of texts such as ["model.cell=gru"], '
            f"but there is {wrong[0]!r}"
        )
    return given


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


def build_config(settings: Mapping[str, Any], base: Config | None = None) -> Config:
    """Make a config from dotted keys over `base` (default: the defaults).

    Raises:
        ConfigError: listing every unknown key (with the nearest one), every wrong value, every contradiction, and
            every setting that nothing reads, unless `base` has it so already.
    """
    known = [key for key, _ in fields_of()]
    problems = []
    tree: dict[str, Any] = (base or Config()).model_dump()
    for key, value in settings.items():
        if key not in known:
            problems.append(_unknown_key(key, known))
            continue
        *groups, leaf = key.split(".")
        node = tree
        for group in groups:
            node = node[group]
        node[leaf] = value
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        problems += [_wrong_value(item) for item in error.errors()]
        raise ConfigError(_joined(problems)) from None
    _refuse(problems)
    before = set(unread(base)) if base else set()
    _refuse([*contradictions(config), *(sentence for sentence in unread(config) if sentence not in before)])
    return config


def check_config(config: Config) -> None:
    """Raise one `ConfigError` listing every contradiction between settings (`seqweave.config.checks`)."""
    _refuse(list(contradictions(config)))


def check_model(model: ModelConfig) -> None:
    """Raise one `ConfigError` listing every contradiction between the settings of a network."""
    _refuse(list(model_contradictions(model)))


def differing_keys(old: Config, new: Config) -> dict[str, tuple[Any, Any]]:
    """The dotted keys whose values differ, with the old and the new value."""
    before, after = settings_of(old), settings_of(new)
    return {key: (before[key], after[key]) for key in before if before[key] != after[key]}


def config_from_json(text: str, where: str) -> Config:
    """Read a config written by `config_to_json`, of any format; `where` names the file in errors.

    Raises:
        ConfigError: when it is no JSON, its format is unknown, or a value is wrong.
    """
    try:
        tree = json.loads(text)
        return Config.model_validate(translated_settings(tree, where) if isinstance(tree, dict) else tree)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"{where} is not valid JSON: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{where}: " + _joined([_wrong_value(item) for item in error.errors()])) from None


def config_to_json(config: Config) -> str:
    """The whole config with the format's number as indented JSON with a final newline."""
    return json.dumps(config_to_tree(config), indent=2, ensure_ascii=False) + "\n"


def config_to_tree(config: Config) -> dict[str, Any]:
    """The whole config with the format's number, as JSON has it."""
    return {"format": FORMAT, **config.model_dump(mode="json")}


def _unknown_key(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
    leaf = [name for name in known if name.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]]
    nearest = leaf[:1] or near
    hint = f": did you mean {nearest[0]}?" if nearest else ": see `seqweave train --help` for all keys"
    return f"unknown key {key}{hint}"


def _wrong_value(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "tuple_type":
        shown = "[0.9, 0.98]" if key == "training.adam_betas" else '["a", "b"]'
        return f"{key}: input should be a list, such as {shown}, but it is {item['input']!r}"
    return f"{key}: {item['msg'][0].lower()}{item['msg'][1:]}, but it is {item['input']!r}"


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigError(_joined(problems))


def _joined(problems: list[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} problems with the settings: " + "; ".join(problems)
