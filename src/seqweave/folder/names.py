"""The names of the files in a model folder."""

from __future__ import annotations

from pathlib import Path

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
SOURCE_TOKENIZER = "source.tokenizer.json"
TARGET_TOKENIZER = "target.tokenizer.json"
FEATURES = "features.json"
MODEL_CARD = "README.md"
RUN = "run.json"
METRICS = "metrics.json"
SAMPLES = "samples.jsonl"
EVENTS = "events.jsonl"
SOURCE_HASHES = "source_hashes.bin"
MANIFEST = "MANIFEST.json"
CHECKPOINTS = "checkpoints"

REQUIRED = (CONFIG, WEIGHTS, TARGET_TOKENIZER)
"""The files without which there is no model; a manifest must list them. One that reads text has `OF_TEXT`, too."""
OF_TEXT = (SOURCE_TOKENIZER, FEATURES)
"""Files that some models have: how they read sources."""


def model_files(folder: Path) -> tuple[str, ...]:
    """The files that make the model in a folder: those of every model, and how it reads texts where it does."""
    return (*REQUIRED, *(name for name in OF_TEXT if (folder / name).is_file()))
