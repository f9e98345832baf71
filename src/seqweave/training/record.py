"""What a run writes into its folder: config, tokenizers, events, samples, the best weights, the model card."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seqweave import folder as files
from seqweave.config import Config, config_from_json, config_to_json, config_to_tree
from seqweave.data.facts.hashes import SourceHashes
from seqweave.errors import ModelFolderError
from seqweave.evaluation.metrics import Metrics
from seqweave.files import remove_temporary, write_atomic
from seqweave.text.features import FeaturedTokenizer
from seqweave.text.tokenizers import Tokenizer

CACHE = "cache"
Status = str  # preparing, training, finished


class Record:
    """Writes the files of one run; only the first process writes.

    `run.json` says what was asked for, on which data, and how far the run is; it is what makes a
    folder a run, and it is written before anything else.
    """

    def __init__(self, folder: Path, writes: bool = True):
        self.folder = folder
        self.writes = writes

    @property
    def cache(self) -> Path:
        """Where the ids are while training."""
        return self.folder / CACHE

    def run(self, status: Status, requested: Config, facts: Mapping[str, Any]) -> None:
        """Write run.json."""
        content = {
            "status": status,
            "requested": config_to_tree(requested),
            "facts": dict(facts),
            "versions": {"torch": torch.__version__, "python": platform.python_version()},
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
        }
        self._json(files.RUN, content)

    def config(self, config: Config) -> None:
        """Write config.json anew, and its sum where there is a manifest."""
        if self.writes:
            files.replace_file(self.folder, files.CONFIG, config_to_json(config).encode())

    def prepared(self, config: Config, source: Tokenizer | None, target: Tokenizer) -> None:
        """Write config.json and the tokenizers; a model that reads frames has none for its sources."""
        self._bytes(files.CONFIG, config_to_json(config).encode())
        if source is not None:
            self._bytes(files.SOURCE_TOKENIZER, source.to_json().encode())
        self._bytes(files.TARGET_TOKENIZER, target.to_json().encode())
        if isinstance(source, FeaturedTokenizer):
            self._bytes(files.FEATURES, source.features.to_json().encode())

    def sources(self, hashes: SourceHashes) -> None:
        """Write which sources are trained on, as `seqweave.data.facts.hashes` keeps them."""
        self._bytes(files.SOURCE_HASHES, hashes.to_bytes())

    def keep_weights(self, model: nn.Module) -> None:
        """The best weights so far become the folder's, which can be used at once, and at every moment."""
        if self.writes:
            files.replace_file(self.folder, files.WEIGHTS, files.weights_bytes(model))

    def step(self, values: Mapping[str, Any]) -> None:
        """A line of progress in events.jsonl, at most twice a second."""
        self._append(files.EVENTS, {"event": "step", **values})

    def validation(self, values: Mapping[str, Any]) -> None:
        """A line in events.jsonl, and the samples in samples.jsonl."""
        figures = {key: value for key, value in values.items() if key != "samples"}
        self._append(files.EVENTS, {"event": "validation", **figures})
        where = {key: values[key] for key in ("step", "averaged") if key in values}
        for sample in values["samples"]:
            self._append(files.SAMPLES, {**where, **sample})

    def forget_after(self, step: int) -> None:
        """Drop lines of steps, and of a final average, that a resumed run will do again; and what a kill left."""
        if self.writes:
            remove_temporary(self.folder)
        for name in (files.EVENTS, files.SAMPLES):
            path = self.folder / name
            if not path.is_file() or not self.writes:
                continue
            lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line]
            kept = [line for line in lines if _stays(line, step)]
            write_atomic(path, "".join(line + "\n" for line in kept).encode())

    def finished(self, metrics: Metrics, card: str) -> None:
        """Write metrics.json and the model card."""
        self._json(files.METRICS, metrics.to_json())
        self._bytes(files.MODEL_CARD, card.encode())

    def seal(self) -> None:
        """Write the manifest over all files of a finished model."""
        if self.writes:
            names = (
                files.MODEL_CARD, files.RUN, files.METRICS, files.SAMPLES, files.EVENTS, files.SOURCE_HASHES,
            )  # fmt: skip
            there = [name for name in names if (self.folder / name).is_file()]
            files.write_manifest(self.folder, [*files.model_files(self.folder), *there])

    def _json(self, name: str, content: Any) -> None:
        self._bytes(name, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())

    def _bytes(self, name: str, content: bytes) -> None:
        if self.writes:
            write_atomic(self.folder / name, content)

    def _append(self, name: str, content: Mapping[str, Any]) -> None:
        if self.writes:
            with (self.folder / name).open("a", encoding="utf-8") as file:
                file.write(json.dumps(_plain(content), ensure_ascii=False, allow_nan=False) + "\n")


def read_run(folder: Path) -> dict[str, Any] | None:
    """run.json of a folder, or None when there is none.

    Raises:
        ModelFolderError: when it is damaged.
    """
    if not (folder / files.RUN).is_file():
        return None
    content = files.read_json(folder / files.RUN)
    kinds = {"status": str, "requested": dict, "facts": dict}
    if not isinstance(content, dict) or not all(isinstance(content.get(key), kind) for key, kind in kinds.items()):
        raise ModelFolderError(
            f"{folder / files.RUN} is not what seqweave wrote: train into another folder, or use --restart"
        )
    return content


def is_run_folder(folder: Path) -> bool:
    """Whether a folder with a run.json, which may be damaged, holds nothing but what a run writes."""
    names = {path.name for path in folder.iterdir()}
    ours = {
        *files.REQUIRED,
        files.SOURCE_TOKENIZER,
        files.MODEL_CARD,
        files.RUN,
        files.METRICS,
        files.SAMPLES,
        files.EVENTS,
        files.MANIFEST,
    }
    ours |= {files.SOURCE_HASHES, files.CHECKPOINTS, CACHE, files.FEATURES}
    strange = [name for name in names - ours if not (name.startswith(".") and name.endswith(".tmp"))]
    return {files.RUN, files.CONFIG} <= names and not strange


def requested_config(run: Mapping[str, Any], folder: Path) -> Config:
    """The config that a run was started with."""
    return config_from_json(json.dumps(run["requested"]), str(folder / files.RUN))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """With null for what JSON has no number for: a perplexity too large for a float."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()
    }


def _stays(line: str, step: int) -> bool:
    """Whether a line of a record is of a step that is done."""
    try:
        values = json.loads(line)
        return int(values["step"]) <= step and "averaged" not in values
    except (ValueError, KeyError, TypeError):
        return False  # cut short by a kill
