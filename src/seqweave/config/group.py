"""What the groups of settings share: frozen, nothing unknown, numbers within bounds."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from seqweave.errors import ConfigError

# Far above what is useful: a larger number is a typing error, and would overflow or use up the memory.
MOST = 1_000_000_000
LARGEST_BATCH = 100_000_000
WIDEST = 65_536
DEEPEST = 64

BY_FORMAT: dict[str, JsonValue] = {"decided_by": "format"}
"""Marks a field that nobody sets: the format of a model folder decides it (`seqweave.config.formats`)."""


class Group(BaseModel):
    """A group of settings."""

    # Numbers become text where text is asked for: --set data.source_column=3 is a column's number.
    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), coerce_numbers_to_str=True, allow_inf_nan=False
    )

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse it: settings never change, but another config can be made of them.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            f"a setting must stay as it is, but {name} was to become {value!r}: make another config with "
            "seqweave.config.build_config({key: value}, config), or give the option to the call, as in "
            "predict(texts, beam_size=3)"
        )

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where a number belongs; they would count as 1 and 0."""
        truths = any(isinstance(part, bool) for part in (value if isinstance(value, list | tuple) else [value]))
        if truths and _is_number(cls.model_fields[str(info.field_name)].annotation):
            raise PydanticCustomError("number", "input should be a number")
        return value


def _is_number(annotation: Any) -> bool:
    return annotation in (int, float) or any(map(_is_number, get_args(annotation)))
