"""Settings that a model which reads frames cannot have: they are about items or texts of the source.

`seqweave.config.checks` has the others, and says how the sentences are made.
"""

from __future__ import annotations

from collections.abc import Iterator

from seqweave.config.group import Group
from seqweave.config.model import ModelConfig
from seqweave.config.schema import Config
from seqweave.wording import shown

# What each does to a source.
_OF_MODEL = {
    "copy": "takes items of the source into the output",
    "feature_size": "is for tags of the source",
    "input": "is how items of both sides enter the network",
    "word_dropout": "drops items of both sides",
}
_OF_DATA = {
    "joint_vocabulary": "makes one tokenizer for both sides",
    "feature_columns": "are tags of a text",
}


def model_frames(model: ModelConfig) -> Iterator[str]:
    """All contradictions of a network's settings with frames."""
    if model.frame_size:
        yield from _changed(model, model, "model", _OF_MODEL)


def data_frames(config: Config) -> Iterator[str]:
    """All contradictions of the other settings with frames."""
    model, data = config.model, config.data
    if not model.frame_size:
        return
    yield from _changed(model, data, "data", _OF_DATA)
    text = dict.fromkeys(type(data.source).model_fields, "is about texts")
    yield from _changed(model, data.source, "data.source", text)
    vectors = {"source_vectors": "is a file of the source vocabulary's vectors"}
    yield from _changed(model, config.training, "training", vectors)
    unknown = {"replace_unknown": "puts items of the source into the output"}
    yield from _changed(model, config.search, "search", unknown)


def _changed(model: ModelConfig, group: Group, prefix: str, reasons: dict[str, str]) -> Iterator[str]:
    """The settings of a group that are not at their default, with what each is about."""
    for name, reason in reasons.items():
        value, default = getattr(group, name), type(group).model_fields[name].default
        if value != default:
            yield (
                f"{prefix}.{name}={_shown(value)} {reason}, but model.frame_size={model.frame_size} reads frames: "
                f"leave {prefix}.{name} out, or set model.frame_size=0"
            )


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else shown(value)
