"""All settings as one `Config`, and the list of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from seqweave.config.data import DataConfig
from seqweave.config.group import BY_FORMAT, Group
from seqweave.config.model import ModelConfig
from seqweave.config.search import SearchConfig
from seqweave.config.training import TrainConfig


class Config(Group):
    """All settings of a run."""

    data: DataConfig = Field(DataConfig(), description="how files become batches")
    model: ModelConfig = Field(ModelConfig(), description="what rebuilds the network")
    training: TrainConfig = Field(TrainConfig(), description="how it is trained")
    search: SearchConfig = Field(SearchConfig(), description="how it decodes")


def settings_of(config: BaseModel, prefix: str = "") -> dict[str, Any]:
    """Flatten a config into dotted keys and plain values, in the order of the fields; those a user can set."""
    flat: dict[str, Any] = {}
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            flat.update(settings_of(value, f"{prefix}{name}."))
        elif field.json_schema_extra != BY_FORMAT:
            flat[prefix + name] = value
    return flat


def fields_of(group: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every dotted key that a user can set, with its field (description, default, type), for help and docs."""
    for name, field in group.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from fields_of(kind, f"{prefix}{name}.")
        elif field.json_schema_extra != BY_FORMAT:
            yield prefix + name, field
