"""The model that a run starts from: what is taken of it, and which of its settings the new run may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqweave.config import Config, build_config, differing_keys, settings_of
from seqweave.errors import ConfigError
from seqweave.folder import Weights, read_model
from seqweave.run_status import run_status
from seqweave.text.tokenizers import Tokenizer
from seqweave.wording import shown

GOING_ON: Mapping[str, Any] = {
    "training.learning_rate": 5e-4,
    "training.warmup_steps": 50,
    "training.schedule": "cosine",
    "training.max_epochs": 20,
}
"""What a run that starts from a model has in place of the model's own settings; a first choice (docs/start-from.md)."""
LEAST_STEPS = 300
"""A small corpus still needs this many updates."""

# These belong to the files or to the run of the other model: the new run has the defaults.
_DATA_ANEW = (
    "format", "delimiter", "quoting", "header", "encoding", "column_names", "source_column", "target_column",
    "extend_vocabulary",
)  # fmt: skip
_TRAINING_ANEW = (
    "max_steps", "validate_every", "checkpoint_every", "precision", "source_vectors", "target_vectors",
    "freeze_vectors", "freeze", "mix_share", "sampling_k", "sampling_slope", "bleu_tokenize", "metric_units",
)  # fmt: skip
# Of the model's own settings, those that change neither the shape of a tensor nor what an item is.
_FREE = (
    "model.dropout", "model.embedding_dropout", "model.word_dropout", "model.variational",
    "data.source.subword_dropout", "data.target.subword_dropout",
    "data.source.min_frequency", "data.target.min_frequency",
)  # fmt: skip
_FIXED = ("model.", "data.source.", "data.target.", "data.joint_vocabulary", "data.feature_")


@dataclass(frozen=True)
class Origin:
    """The model that a run starts from.

    Attributes:
        folder: where it lies.
        config: its settings.
        source, target: its tokenizers.
        weights: those of its folder, opened: they stay what they were.
    """

    folder: Path
    config: Config
    source: Tokenizer
    target: Tokenizer
    weights: Weights

    def facts(self) -> dict[str, Any]:
        """What run.json says of it: the folder's name, how far its training was, and the SHA-256 of its weights."""
        run = run_status(self.folder)
        said = {"training": run.text} if run is not None else {}
        return {"folder": self.folder.resolve().name, "sha256": self.weights.sha256, **said}


def read_origin(folder: Path) -> Origin:
    """The model in a folder, checked against its manifest, to start from.

    Raises:
        ModelFolderError: when it is no model folder, or damaged.
        ConfigError: when it reads frames.
    """
    found = read_model(folder)
    if found.source is None:
        raise ConfigError(
            f"--from must be a model that reads text, but {folder} reads frames "
            f"(model.frame_size={found.config.model.frame_size}), and there is no reader of frames yet: name another"
        )
    return Origin(folder, found.config, found.source, found.target, found.weights)


def settings_to_start_with(old: Config) -> Config:
    """The settings of a run that starts from a model with the settings `old`, where nothing else is asked for."""
    defaults = settings_of(Config())
    anew = [*(f"data.{key}" for key in _DATA_ANEW), *(f"training.{key}" for key in _TRAINING_ANEW)]
    # What a format decides is that of today, but for what says what an item is, or how the network computes.
    data = old.data.model_copy(update={"trim_ends": True, "recognize": True, "dev_boundary": None})
    training = old.training.model_copy(update={"ties": "perplexity"})
    base = old.model_copy(update={"data": data, "training": training})
    return build_config({**{key: defaults[key] for key in anew}, **GOING_ON}, base)


def check_changes(base: Config, wanted: Config, folder: Path) -> None:
    """Refuse settings that a model of other settings cannot take over.

    Raises:
        ConfigError: naming each, with what it is in the model and what was asked for.
    """
    problems = [
        f"{key} (it is {shown(old)}, asked for is {shown(new)})"
        for key, (old, new) in differing_keys(base, wanted).items()
        if key.startswith(_FIXED) and key not in _FREE
    ]
    if wanted.training.source_vectors or wanted.training.target_vectors:
        raise ConfigError(
            "pretrained vectors are for a new model, but a run that starts from one keeps its embeddings: leave "
            "training.source_vectors and training.target_vectors unset, or train without --from"
        )
    if problems:
        raise ConfigError(
            f"a run that starts from {folder} keeps its sizes, units and source tags, so these must stay as they are: "
            f"{', '.join(problems)}; leave them out, or train without --from. Others may be: training.*, search.*, how "
            f"the files are read, and {', '.join(_FREE)}"
        )


def check_starts_fresh(config: Config) -> None:
    """Refuse settings that only a run that starts from a model has a use for.

    Raises:
        ConfigError: naming the setting.
    """
    if config.training.max_steps == 0:
        raise ConfigError(
            "training.max_steps=0 trains nothing, which only a run that starts from a model can mean: raise it, leave "
            "it unset, or name the model with --from"
        )
    if config.data.extend_vocabulary:
        raise ConfigError(
            "data.extend_vocabulary adds to the vocabulary of another model, but there is none: name it with --from, "
            "or leave it out"
        )
