"""Settings that contradict each other because of what the data are: units, source tags, vectors, copying.

`seqweave.config.checks` has the others, and says how the sentences are made.
"""

from __future__ import annotations

from collections.abc import Iterator

from seqweave.config.model import ModelConfig
from seqweave.config.schema import Config
from seqweave.wording import CHOOSE_ATTENTION, shown


def data_contradictions(config: Config) -> Iterator[str]:
    """All contradictions with the settings of the data."""
    yield from _subword_dropout(config)
    yield from _features(config)
    yield from _labels(config)
    yield from _metric_units(config)
    yield from _vectors(config)
    yield from _copying(config)


def unread_of_data(config: Config) -> Iterator[str]:
    """Settings of the target's text that nothing reads, because the source's make the one tokenizer."""
    source, target = config.data.source, config.data.target
    if not config.data.joint_vocabulary:
        return
    for name, field in type(target).model_fields.items():
        value = getattr(target, name)
        if name != "subword_dropout" and value not in (field.default, getattr(source, name)):
            yield (
                f"data.target.{name}={shown(value)} must equal data.source.{name}, because data.joint_vocabulary=true "
                f"makes one tokenizer with the source's settings, but that is {shown(getattr(source, name))}: "
                "change one of them, or set data.joint_vocabulary=false"
            )


def _subword_dropout(config: Config) -> Iterator[str]:
    data = config.data
    for side, text in (("source", data.source), ("target", data.target)):
        name = "source" if data.joint_vocabulary else side  # whose settings made the tokenizer
        made = data.source if data.joint_vocabulary else text
        if not text.subword_dropout:
            continue
        key = f"data.{side}.subword_dropout={text.subword_dropout:g}"
        if made.units != "subword":
            yield (
                f"{key} leaves out merges and needs data.{name}.units=subword, but it is {shown(made.units)}: "
                f"set data.{name}.units=subword, or leave the dropout at 0"
            )
        elif made.subword_model != "bpe":
            yield (
                f"{key} leaves out merges and needs data.{name}.subword_model=bpe, but it is {made.subword_model}, "
                "which has no merges: change one of them"
            )


def _features(config: Config) -> Iterator[str]:
    """Columns of source tags that are read as something else, and a width for tags that there are not."""
    data = config.data
    for key, usual in (("source_column", "1"), ("target_column", "2")):
        column = getattr(data, key) or usual
        if column in data.feature_columns:
            yield (
                f"data.feature_columns must name other columns than data.{key}, but both name {column}: "
                "change one of them"
            )
    if not data.feature_columns and config.model.feature_size is not None:
        yield (
            f"model.feature_size={config.model.feature_size} is for models with data.feature_columns, but there are "
            "none: name the columns, or leave it unset"
        )
    if data.feature_columns:
        yield from _counted_positions(config.model)


def _counted_positions(model: ModelConfig) -> Iterator[str]:
    """What counts a source's positions, which source tags before its text would shift."""
    why = (
        "counts the positions of a source, but data.feature_columns puts source tags before its text, and not the same "
        "number in each pair"
    )
    if model.decoder != "recurrent" or model.attention == "none":
        return
    if model.attention_window != "global":
        yield f"model.attention_window={model.attention_window} {why}: set model.attention_window=global"
    if model.attention == "location":
        yield f"model.attention=location {why}: use another attention, such as location_aware"


def _labels(config: Config) -> Iterator[str]:
    """What does not go with targets of one label."""
    metric, units = config.training.metric, config.data.target.units
    if metric in ("accuracy", "macro_f1") and units not in (None, "label"):
        yield (
            f"training.metric={metric} is for data.target.units=label, but the target's units are {units}: "
            "change one of them"
        )
    if config.data.target.units == "label" and config.search.min_length > 1:
        yield (
            f"search.min_length={config.search.min_length} asks for more than one item, but with "
            "data.target.units=label an output has exactly one: leave it at 0"
        )
    if config.data.source.units == "label" and config.data.joint_vocabulary:
        yield "data.joint_vocabulary=true is for units that both sides share, but data.source.units=label: change one"


def _metric_units(config: Config) -> Iterator[str]:
    """A selecting metric that counts words where targets have none."""
    if config.training.metric == "wer" and config.training.metric_units == "characters":
        yield (
            "training.metric=wer counts words between blanks, but with training.metric_units=characters targets have "
            "none: set training.metric=cer, or training.metric_units=words"
        )


def _vectors(config: Config) -> Iterator[str]:
    """Pretrained vectors without an embedding to take them."""
    training = config.training
    given = [key for key in ("source_vectors", "target_vectors") if getattr(training, key) is not None]
    if config.model.input != "embedding":
        for key in given:
            yield (
                f"training.{key} needs embeddings and so model.input=embedding, but it is {config.model.input}: "
                "change one of them"
            )
    if training.freeze_vectors and not given:
        yield (
            "training.freeze_vectors=true needs pretrained vectors, but there are none: "
            "set training.source_vectors or training.target_vectors, or leave it at false"
        )


def _copying(config: Config) -> Iterator[str]:
    """What puts items of the source into the output."""
    model, source, target = config.model, config.data.source.units, config.data.target.units
    if target == "label":
        for key, on in (("model.copy", model.copy), ("search.replace_unknown", config.search.replace_unknown)):
            if on:
                yield (
                    f"{key}=true puts items of the source into the output, but with data.target.units=label an output "
                    "is one label: leave it at false"
                )
    elif model.copy and None not in (source, target) and source != target:
        yield (
            "model.copy=true needs the same units on both sides, but data.source.units is "
            f"{source} and data.target.units is {target}: change one of them, or set model.copy=false"
        )
    for side, text in (("source", config.data.source), ("target", config.data.target)):
        if model.copy and text.subword_dropout:
            yield (
                f"data.{side}.subword_dropout={text.subword_dropout:g} cuts texts differently in each epoch, but "
                "model.copy=true needs one way to cut them to find what can be copied: change one of them"
            )
    if config.search.replace_unknown and model.decoder == "recurrent" and model.attention == "none":
        yield f"search.replace_unknown=true follows attention, but {CHOOSE_ATTENTION}"
