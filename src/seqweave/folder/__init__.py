"""The model folder: the names of its files, written whole or not at all, and read with checks.

    config.json        the settings, and the number of the folder's format (`seqweave.config.formats`)
    model.safetensors  source.tokenizer.json  target.tokenizer.json
    features.json      only with data.feature_columns
    README.md  run.json  metrics.json  samples.jsonl  events.jsonl  source_hashes.bin
    MANIFEST.json      SHA-256 and size of each file that makes the model
    checkpoints/       what a run needs to be resumed

Nothing in a folder names code. torch and the config schema are imported only where they are needed,
because a folder is also read on machines without them. A folder may be a stranger's: what is read of it is read once,
within bounds, and compared with the rest before anything is built.
"""

from __future__ import annotations

from seqweave.folder.manifest import check_manifest, replace_file, write_manifest
from seqweave.folder.names import (
    CHECKPOINTS,
    CONFIG,
    EVENTS,
    FEATURES,
    MANIFEST,
    METRICS,
    MODEL_CARD,
    OF_TEXT,
    REQUIRED,
    RUN,
    SAMPLES,
    SOURCE_HASHES,
    SOURCE_TOKENIZER,
    TARGET_TOKENIZER,
    WEIGHTS,
    model_files,
)
from seqweave.folder.opening import read_json, read_object, read_rows
from seqweave.folder.reading import (
    ModelFiles,
    check_source_files,
    read_config,
    read_model,
    read_tokenizers,
    replace_config,
)
from seqweave.folder.weights import Weights, load_weights, save_weights, weights_bytes

__all__ = [
    "CHECKPOINTS", "CONFIG", "EVENTS", "FEATURES", "MANIFEST", "METRICS", "MODEL_CARD", "OF_TEXT", "REQUIRED", "RUN",
    "SAMPLES", "SOURCE_HASHES", "SOURCE_TOKENIZER", "TARGET_TOKENIZER", "WEIGHTS", "ModelFiles", "Weights",
    "check_manifest", "check_source_files", "load_weights", "model_files", "read_config", "read_json", "read_model",
    "read_object", "read_rows", "read_tokenizers", "replace_config", "replace_file", "save_weights", "weights_bytes",
    "write_manifest",
]  # fmt: skip
