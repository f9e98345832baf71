"""What a run writes into its folder: config, tokenizers, events, samples, the best weights, the model card.

`run.json` also holds what a resume compares the other files with: the settings as they were decided (`config`), and
SHA-256 and size of each file that was made before training began (`sums`), as it was when it was made. `sum` is the
SHA-256 of run.json itself without it. The ids have their sums in `cache/meta.json`, checkpoints in `COMPLETE`, and the
logs in `logs.json` of each checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seqweave import folder as files
from seqweave.config import Config, config_from_json, config_to_json, config_to_tree
from seqweave.data.facts.hashes import SourceHashes
from seqweave.data.storage import META_NAME
from seqweave.errors import ModelFolderError
from seqweave.evaluation.metrics import Metrics
from seqweave.files import copy_atomic, fingerprint, write_atomic
from seqweave.text.features import FeaturedTokenizer
from seqweave.text.tokenizers import Tokenizer
from seqweave.training.checkpoint import LogSums, best_name
from seqweave.training.logs import Log
from seqweave.wording import RESTORE, TRAIN_ANEW

CACHE = "cache"
IDS = f"{CACHE}/{META_NAME}"
Status = str  # preparing, training, finished
STATUSES = ("preparing", "training", "finished")
LOGS = (files.EVENTS, files.SAMPLES)


class Record:
    """Writes the files of one run; only the first process writes.

    `run.json` says what was asked for, on which data, and how far the run is; it is what makes a
    folder a run, and it is written before anything else.

    Attributes:
        made: `config` and `sums` as run.json has them; empty until the files they are of are written.

    Raises:
        OSError: from all that writes, when the system refuses.
    """

    def __init__(self, folder: Path, writes: bool = True):
        self.folder = folder
        self.writes = writes
        self.made: dict[str, Any] = {}
        self._logs: dict[str, Log] = {}

    @property
    def cache(self) -> Path:
        """Where the ids are while training."""
        return self.folder / CACHE

    def run(self, status: Status, requested: Config, facts: Mapping[str, Any]) -> None:
        """Write run.json."""
        self._bytes(files.RUN, self._run(status, requested, facts))

    def _run(self, status: Status, requested: Config, facts: Mapping[str, Any]) -> bytes:
        content = {
            "status": status,
            "requested": config_to_tree(requested),
            **self.made,
            "facts": dict(facts),
            "versions": {"torch": torch.__version__, "python": platform.python_version()},
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
        }
        return _json({**content, "sum": sum_of(content)})

    def reopen(self, requested: Config, facts: Mapping[str, Any], config: Config) -> None:
        """Make a finished or stopped run one that trains on, with other settings; a kill in between is mended."""
        self.made = {**self.made, "config": config_to_tree(config)}
        sealed: list[str] = []
        with suppress(ModelFolderError):
            sealed = files.check_manifest(self.folder)
        if files.RUN in sealed:
            files.replace_file(self.folder, files.RUN, self._run("training", requested, facts), sealed)
        else:
            self.run("training", requested, facts)
        self.unseal()
        self.config(config)

    def unseal(self) -> None:
        """Take the figures of an end away, and out of the manifest what changes while the run trains."""
        if self.writes and (self.folder / files.METRICS).is_file():
            self._manifest()
            (self.folder / files.METRICS).unlink()

    def config(self, config: Config) -> None:
        """Write config.json anew, and its sum where there is a manifest; run.json, which has it too, comes first."""
        if self.writes:
            files.replace_file(self.folder, files.CONFIG, config_to_json(config).encode())

    def prepared(self, config: Config, source: Tokenizer | None, target: Tokenizer) -> None:
        """Write config.json and the tokenizers; a model that reads frames has none for its sources."""
        self.made = {"config": config_to_tree(config), "sums": {}}
        self._bytes(files.CONFIG, config_to_json(config).encode())
        if source is not None:
            self._made(files.SOURCE_TOKENIZER, source.to_json().encode())
        self._made(files.TARGET_TOKENIZER, target.to_json().encode())
        if isinstance(source, FeaturedTokenizer):
            self._made(files.FEATURES, source.features.to_json().encode())
        if self.writes and self.cache.is_dir():
            self.made["sums"][IDS] = fingerprint(self.folder / IDS)

    def measure(self, config: Config) -> None:
        """Take sums of the files of a run that an earlier version began without any."""
        names = (files.SOURCE_TOKENIZER, files.TARGET_TOKENIZER, files.FEATURES, files.SOURCE_HASHES, IDS)
        there = [name for name in names if (self.folder / name).is_file()]
        sums = {name: fingerprint(self.folder / name) for name in there}
        self.made = {"config": config_to_tree(config), "sums": sums}

    def sources(self, hashes: SourceHashes) -> None:
        """Write which sources are trained on, as `seqweave.data.facts.hashes` keeps them."""
        self._made(files.SOURCE_HASHES, hashes.to_bytes())

    def keep_weights(self, model: nn.Module, step: int | None = None) -> str:
        """The best weights so far become the folder's, usable at every moment; returns the SHA-256 of their file.

        With a step, they are kept beside the checkpoints, too, so that the checkpoints' best weights stay there
        when the folder's are replaced or damaged.
        """
        if not self.writes:
            return ""
        content = files.weights_bytes(model)
        digest = files.replace_file(self.folder, files.WEIGHTS, content)
        if step is not None:
            write_atomic(self._kept(step), content)
        return digest

    def copy_weights(self, step: int) -> None:
        """Keep the folder's weights, the best ones of a step, beside the checkpoints, where their copy was lost."""
        copy_atomic(self.folder / files.WEIGHTS, self._kept(step))

    def put_back_weights(self, step: int) -> None:
        """The best weights of a step, kept beside the checkpoints, become the folder's again."""
        copy_atomic(self._kept(step), self.folder / files.WEIGHTS)
        self._manifest()

    def _kept(self, step: int) -> Path:
        """Where the best weights of a step are kept beside the checkpoints."""
        path = self.folder / files.CHECKPOINTS / best_name(step)
        path.parent.mkdir(exist_ok=True)
        return path

    def seal_model(self) -> None:
        """Write the manifest of the files that make the model, which have been found to be as they were made."""
        self._manifest()

    def log_sums(self) -> LogSums:
        """The logs as they are now, flushed to the disk: size and sum of each."""
        return {name: self._log(name).sums() for name in LOGS}

    def forget_logs(self) -> None:
        """Read the logs anew before the next line: they were cut."""
        self._logs.clear()

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

    def finished(self, metrics: Metrics, card: str) -> None:
        """Write metrics.json and the model card."""
        self._bytes(files.METRICS, _json(metrics.to_json()))
        self._bytes(files.MODEL_CARD, card.encode())

    def card(self, card: str | None) -> None:
        """Write the model card of a run that stopped, or take it away; where the disk is full there is none."""
        with suppress(OSError):
            if card is not None:
                self._bytes(files.MODEL_CARD, card.encode())
            elif self.writes:
                (self.folder / files.MODEL_CARD).unlink(missing_ok=True)

    def seal(self) -> None:
        """Write the manifest over all files of a finished model."""
        if self.writes:
            names = (
                files.MODEL_CARD, files.RUN, files.METRICS, files.SAMPLES, files.EVENTS, files.SOURCE_HASHES,
            )  # fmt: skip
            there = [name for name in names if (self.folder / name).is_file()]
            files.write_manifest(self.folder, [*files.model_files(self.folder), *there])

    def _manifest(self) -> None:
        files.write_manifest(self.folder, files.model_files(self.folder))

    def _made(self, name: str, content: bytes) -> None:
        """Write a file that training never changes, and remember its sum."""
        self.made["sums"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        self._bytes(name, content)

    def _bytes(self, name: str, content: bytes) -> None:
        if self.writes:
            write_atomic(self.folder / name, content)

    def _append(self, name: str, content: Mapping[str, Any]) -> None:
        if self.writes:
            self._log(name).add(json.dumps(_plain(content), ensure_ascii=False, allow_nan=False))

    def _log(self, name: str) -> Log:
        if name not in self._logs:
            self._logs[name] = Log.of(self.folder / name)
        return self._logs[name]


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def sum_of(content: Mapping[str, Any]) -> str:
    """The SHA-256 of what run.json says, however it is written."""
    plain = json.loads(json.dumps(content))  # as it is read again
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


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


def is_older(run: Mapping[str, Any]) -> bool:
    """Whether a run is of format 0, which has no sums."""
    return "format" not in run["requested"]


def check_run(run: Mapping[str, Any], folder: Path) -> None:
    """Compare run.json with its own sum.

    Raises:
        ModelFolderError: when it was changed, or lacks the sums that a run of its format has.
    """
    path = folder / files.RUN
    changed = ModelFolderError(f"{path} must be as it was written, but it was changed: {RESTORE}, or {TRAIN_ANEW}")
    if run["status"] not in STATUSES:
        raise changed
    if is_older(run):
        return
    content = {key: value for key, value in run.items() if key != "sum"}
    wanted = {"sum": str} if run["status"] == "preparing" else {"sum": str, "config": dict, "sums": dict}
    if not all(isinstance(run.get(key), kind) for key, kind in wanted.items()):
        raise ModelFolderError(
            f"{path} must hold the sums of the run's files, but it does not: {RESTORE}, or {TRAIN_ANEW}"
        )
    if run["sum"] != sum_of(content):
        raise changed


def requested_config(run: Mapping[str, Any], folder: Path) -> Config:
    """The config that a run was started with."""
    return config_from_json(json.dumps(run["requested"]), str(folder / files.RUN))


def decided_config(run: Mapping[str, Any], folder: Path) -> Config:
    """The config that a run trains with, as run.json has it."""
    return config_from_json(json.dumps(run["config"]), str(folder / files.RUN))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """With null for what JSON has no number for: a perplexity too large for a float."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()
    }
