"""All settings as one `Config`: made from dotted keys over the defaults, checked, listed, and as JSON."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from pydantic.fields import FieldInfo

from seqweave.config.data import DataConfig
from seqweave.config.group import Group
from seqweave.config.model import ModelConfig
from seqweave.config.search import SearchConfig
from seqweave.config.training import TrainConfig
from seqweave.contradictions import contradictions, model_contradictions, unread
from seqweave.errors import ConfigError


class Config(Group):
    """All settings of a run."""

    data: DataConfig = Field(DataConfig(), description="how files become batches")
    model: ModelConfig = Field(ModelConfig(), description="what rebuilds the network")
    training: TrainConfig = Field(TrainConfig(), description="how it is trained")
    search: SearchConfig = Field(SearchConfig(), description="how it decodes")


def settings_of(config: BaseModel, prefix: str = "") -> dict[str, Any]:
    """Flatten a config into dotted keys and plain values, in the order of the fields."""
    flat: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            flat.update(settings_of(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def fields_of(group: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every dotted key with its field (description, default, type), for help and docs."""
    for name, field in group.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from fields_of(kind, f"{prefix}{name}.")
        else:
            yield prefix + name, field


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
    """Raise one `ConfigError` listing every contradiction between settings (`seqweave.contradictions`)."""
    _refuse(list(contradictions(config)))


def check_model(model: ModelConfig) -> None:
    """Raise one `ConfigError` listing every contradiction between the settings of a network."""
    _refuse(list(model_contradictions(model)))


def differing_keys(old: Config, new: Config) -> dict[str, tuple[Any, Any]]:
    """The dotted keys whose values differ, with the old and the new value."""
    before, after = settings_of(old), settings_of(new)
    return {key: (before[key], after[key]) for key in before if before[key] != after[key]}


def config_from_json(text: str, where: str) -> Config:
    """Read a config written by `config_to_json`; `where` names the file in errors."""
    try:
        return Config.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where} is not valid JSON: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{where}: " + _joined([_wrong_value(item) for item in error.errors()])) from None


def config_to_json(config: Config) -> str:
    """The whole config as indented JSON with a final newline."""
    return json.dumps(config.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


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
