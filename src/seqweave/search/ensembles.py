"""What folders must have in common to decode as one, and which settings the whole has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from seqweave.config import Config, build_config
from seqweave.errors import ConfigError
from seqweave.text.tokenizers import Tokenizer

Tokenizers = tuple[Tokenizer | None, Tokenizer]


def check_vocabularies(folders: Sequence[Path], tokenizers: Sequence[Tokenizers]) -> None:
    """Raise a `ConfigError` unless all folders turn text into the same ids, and back; frames have no tokenizer."""
    first = folders[0]
    for folder, others in zip(folders[1:], tokenizers[1:], strict=True):
        for side, ours, theirs in zip(("source", "target"), tokenizers[0], others, strict=True):
            if ours is None or theirs is None:
                continue  # `combined_config` compares what they read
            same_features = getattr(ours, "features", None) == getattr(theirs, "features", None)
            if same_features and json.loads(ours.to_json()) == json.loads(theirs.to_json()):
                continue
            how = "differs"
            if ours.units != theirs.units:
                how = f"has {theirs.units} units where {first} has {ours.units}"
            elif not same_features:
                how = "has other source tags"
            elif ours.size != theirs.size:
                how = f"has {theirs.size:,} entries where {first} has {ours.size:,}"
            raise ConfigError(
                f"the {side} vocabulary of {folder} must equal that of {first} for an ensemble, but it {how}: "
                "train all members on the same data with the same data.* settings, and where training.seed differs "
                "with --dev, since the seed decides which pairs are held out"
            )


def combined_config(configs: Sequence[Config]) -> Config:
    """The first config, within the lengths that every member can read and write.

    Raises:
        ConfigError: when only some of the members copy, or they read frames of different sizes.
    """
    first = configs[0]
    if len({config.model.copy for config in configs}) > 1:
        raise ConfigError(
            "the members of an ensemble must all copy or none, but model.copy is true in some and false in others: "
            "leave one kind out"
        )
    if len({config.model.frame_size for config in configs}) > 1:
        sizes = ", ".join(str(config.model.frame_size) for config in configs)
        raise ConfigError(
            f"the members of an ensemble must read the same sources, but model.frame_size is {sizes}: "
            "leave those out that differ"
        )
    settings = {"data.max_source_length": min(config.data.max_source_length for config in configs)}
    longest = [config.search.max_length for config in configs[:1]] + [
        config.model.max_positions
        for config in configs
        if config.model.decoder == "transformer" and config.model.positions == "learned"
    ]
    known = [length for length in longest if length is not None]
    if known:
        settings["search.max_length"] = min(known)
    return build_config(settings, first)
