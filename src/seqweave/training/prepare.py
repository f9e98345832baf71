"""From files and a requested config to what training needs: tokenizers, ids on disk, decided settings.

Every pass over the files is a stream, so memory does not grow with the corpus. A setting left
unset is decided here, from the data alone, and stands in the folder's config.json.
"""

from __future__ import annotations

import hashlib
import heapq
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqweave.config import Config, Metric, ModelConfig, Units, build_config
from seqweave.data.batching import count_batches
from seqweave.data.columns import recorded_columns
from seqweave.data.dataset import PairDataset
from seqweave.data.facts.hashes import SourceHashes
from seqweave.data.facts.padding import Padding, padding_of
from seqweave.data.facts.profile import profile_of
from seqweave.data.lines import check_file
from seqweave.data.readers import Pair, PairReader
from seqweave.data.split import dev_fraction, is_dev
from seqweave.data.vectors import Vectors
from seqweave.errors import ConfigError, DataError
from seqweave.model.precision import best_precision
from seqweave.text.features import FeaturedTokenizer, learn_features
from seqweave.text.tokenizers import Tokenizer, coverage, guess_units, train_tokenizer
from seqweave.training.events import Listener, TrainEvent
from seqweave.training.ids import write_ids
from seqweave.training.sampling import default_settings
from seqweave.training.vectors import all_vectors, vector_facts, vector_files
from seqweave.wording import MORE_DATA, count

_SAMPLE = 5000  # pairs looked at to guess units, to report unknown items, and to see how text is written
_LEAST_STEPS = 1500  # a small corpus still needs this many updates
_MOST_VALIDATIONS = 20


@dataclass(frozen=True)
class DataFiles:
    """Where the pairs are: a file of pairs, or two parallel files; and the same for dev."""

    train: Path
    train_target: Path | None = None
    dev: Path | None = None
    dev_target: Path | None = None

    def paths(self) -> dict[str, Path]:
        """All files named, by what they are for."""
        roles = {"train": self.train, "train_target": self.train_target, "dev": self.dev, "dev_target": self.dev_target}
        return {role: path for role, path in roles.items() if path is not None}


@dataclass(frozen=True)
class DevPairs:
    """The dev texts that validations use, and how many there are in all."""

    sources: list[str]
    targets: list[str]
    total: int


@dataclass(frozen=True)
class Prepared:
    """What training starts from.

    Attributes:
        config: nothing is unset in it.
        facts: what was found, in plain data, for the report and run.json.
        vectors: pretrained ones of each side that has a file of them.
        sources: what `seqweave doctor` needs to tell whether a source was trained on.
    """

    config: Config
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    dataset: PairDataset
    dev: DevPairs
    facts: dict[str, Any]
    vectors: dict[str, Vectors]
    sources: SourceHashes


class _Pairs:
    """The training side and the dev side of the files, each a stream that can be read again."""

    def __init__(self, files: DataFiles, config: Config):
        self.reader = PairReader(files.train, files.train_target, config.data)
        self.dev_reader = PairReader(files.dev, files.dev_target, config.data) if files.dev else None
        self.seed = config.training.seed
        self.fraction = 0.0
        self.shared = 0  # distinct sources of the dev file that are in the training file, too
        self.config = config

    def count(self) -> int:
        """Read everything once, and split. Returns the pairs kept."""
        dev = {_hash(pair.whole) for pair in self.dev_reader or ()}
        if self.dev_reader is not None and not dev:
            raise self.dev_reader.nothing_usable()
        shared: set[bytes] = set()
        kept, first, several = 0, None, False
        for pair in self.reader:
            kept += 1
            first = pair.source if first is None else first
            several = several or pair.source != first
            if dev and (key := _hash(pair.whole)) in dev:
                shared.add(key)
        if kept == 0:
            raise self.reader.nothing_usable()
        if not dev and not several:
            raise DataError(
                "a dev set held out by distinct source needs at least 2 distinct sources, but there is only 1: "
                + MORE_DATA,
                self.reader.path,
            )
        self.shared = len(shared)
        self.split(kept)
        return kept

    def split(self, kept: int) -> None:
        """Decide what is held out of so many pairs."""
        self.fraction = 0.0 if self.dev_reader else dev_fraction(kept, self.config.data.dev_size)

    def train(self) -> Iterator[Pair]:
        """Pairs to train on."""
        return (pair for pair in self.reader if not is_dev(pair.source, self.seed, self.fraction))

    def dev(self) -> Iterator[Pair]:
        """Pairs held out."""
        if self.dev_reader is not None:
            return iter(self.dev_reader)
        return (pair for pair in self.reader if is_dev(pair.source, self.seed, self.fraction))


def prepare(
    files: DataFiles, config: Config, cache: Path, device: torch.device, listen: Listener, world: int = 1
) -> Prepared:
    """Read, decide, tokenise; the ids go into `cache`. `world` processes will train.

    Raises:
        ConfigError: when the model reads frames.
        DataError: when a file cannot be read, or nothing usable is left on a side.
    """
    check_reads_text(config)
    for path in vector_files(config).values():
        check_file(path)  # before the long passes; it is read when the vocabulary is known
    pairs = _Pairs(files, config)
    listen(TrainEvent("reading", {"text": f"reading {files.train.name}"}))
    for reader in filter(None, (pairs.reader, pairs.dev_reader)):
        listen(TrainEvent("dialect", {"text": reader.dialects}))
    config = build_config(recorded_columns(pairs.reader.dialect, config.data), config)
    kept = pairs.count()
    if pairs.shared:
        sources = count(pairs.shared, "distinct source")
        text = f"{files.dev} shares {sources} with the training data, so the figures on dev will be too good"
        listen(TrainEvent("warning", {"text": text, "count": pairs.shared}))
    config, reasons = _with_units(config, pairs)
    listen(TrainEvent("reading", {"text": "learning the vocabularies"}))
    source_tokenizer, target_tokenizer = both = _tokenizers(config, pairs)
    vectors = all_vectors(config, both, listen)
    listen(TrainEvent("reading", {"text": "writing ids"}))
    hashes, sample = SourceHashes(), list[str]()
    texts = _remembered(pairs.train(), hashes, sample)
    dataset, too_long = write_ids(texts, both, cache, config)
    if len(dataset) == 0:
        raise DataError("no pair is left to train on: all are held out or over-long; give more pairs", files.train)
    dev = dev_pairs(pairs.dev(), config.training.max_dev_pairs)
    if not dev.sources:
        raise DataError(f"no dev pair could be held out, because {kept:,} pairs are too few: {MORE_DATA}", files.train)
    facts = {
        **_facts(config, pairs, both, dataset, dev, sample),
        "kept": kept,
        "over_long": too_long,
        "units_because": reasons,
        "files": fingerprints(files),
        **_features(source_tokenizer, dev),
        **vector_facts(vectors, both, dataset, config),
    }
    config = decided(config, dataset, device, world)
    return Prepared(config, source_tokenizer, target_tokenizer, dataset, dev, facts, vectors, hashes)


def check_reads_text(config: Config) -> None:
    """Raise a `ConfigError` when the model reads frames, which no file has."""
    if config.model.frame_size:
        raise ConfigError(
            f"model.frame_size={config.model.frame_size} reads frames, but files of pairs hold texts, and there is no "
            "reader of frames yet: leave it at 0"
        )


def _facts(
    config: Config,
    pairs: _Pairs,
    tokenizers: tuple[Tokenizer, Tokenizer],
    dataset: PairDataset,
    dev: DevPairs,
    sample: list[str],
) -> dict[str, Any]:
    """What run.json and the model card say of the data; `sample` has sources of the training."""
    source, target = tokenizers
    return {
        "lines": pairs.reader.report.records,
        "dialect": pairs.reader.dialect.to_json(),
        "dropped": pairs.reader.report.counts,
        "dev_dropped": {} if pairs.dev_reader is None else pairs.dev_reader.report.counts,
        "pairs": len(dataset),
        "dev_pairs": dev.total,
        "dev_sources_shared": pairs.shared,
        "dev_pairs_used": len(dev.sources),
        "source_units": config.data.source.units,
        "target_units": config.data.target.units,
        "source_vocabulary": source.size,
        "target_vocabulary": target.size,
        "unknown_rate": {
            "source": coverage(source, dev.sources[:_SAMPLE]).rate,
            "target": coverage(target, dev.targets[:_SAMPLE]).rate,
        },
        "mean_source_length": float(np.mean(dataset.source_lengths)),
        "mean_target_length": float(np.mean(dataset.target_lengths)),
        "source_text": asdict(profile_of(source, sample)),
        "padding": asdict(_padding(config, dataset)),
    }


def _remembered(pairs: Iterable[Pair], sources: SourceHashes, sample: list[str]) -> Iterator[tuple[str, str]]:
    """The texts of pairs; remembers what the doctor needs of their sources."""
    for pair in pairs:
        sources.add(pair.whole)
        if len(sample) < _SAMPLE:
            sample.append(pair.whole)
        yield pair.whole, pair.target


def _padding(config: Config, dataset: PairDataset) -> Padding:
    training = config.training
    return padding_of(
        dataset.source_lengths,
        dataset.target_lengths,
        batch_tokens=training.batch_tokens,
        max_pairs=training.max_batch_pairs,
        seed=training.seed,
    )


def reopen(
    files: DataFiles, config: Config, tokenizers: tuple[Tokenizer, Tokenizer], cache: Path, kept: int
) -> tuple[PairDataset, DevPairs]:
    """The ids and dev pairs of a run that goes on; the ids are written again if they are gone.

    `kept` pairs were found when the run began, which decides the split without counting them again.
    """
    pairs = _Pairs(files, config)
    pairs.split(kept)
    dev = dev_pairs(pairs.dev(), config.training.max_dev_pairs)
    try:
        return PairDataset.open(cache), dev
    except DataError:
        texts = ((pair.whole, pair.target) for pair in pairs.train())
        return write_ids(texts, tokenizers, cache, config)[0], dev


def fingerprints(files: DataFiles) -> dict[str, str]:
    """SHA-256 of every data file by its role, so that a resumed run finds the same data.

    Read whole at every start: sizes and times of change can agree when the content does not.
    """
    found = {}
    for role, path in files.paths().items():
        with path.open("rb") as file:
            found[role] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def dev_pairs(pairs: Iterable[Pair], most: int) -> DevPairs:
    """At most `most` pairs, chosen by a hash of the source; all references of a source stay together.

    Only when one source alone has more than `most` is it cut.
    """
    total = 0

    def keyed() -> Iterator[tuple[bytes, int, str, str]]:
        nonlocal total
        for pair in pairs:
            total += 1
            yield _hash(pair.whole), pair.line, pair.whole, pair.target

    chosen = heapq.nsmallest(most + 1, keyed())
    if len(chosen) > most:  # the last source may have more pairs behind the cut
        last = chosen.pop()[0]
        whole = [row for row in chosen if row[0] != last]
        chosen = whole or chosen
    return DevPairs([row[2] for row in chosen], [row[3] for row in chosen], total)


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _with_units(config: Config, pairs: _Pairs) -> tuple[Config, dict[str, str]]:
    """Fill in units left unset, with the reason for each."""
    if config.data.source.units is not None and config.data.target.units is not None:
        return config, {}
    sample = list(islice(pairs.train(), _SAMPLE))
    settings: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for side, given in (("source", config.data.source.units), ("target", config.data.target.units)):
        if given is not None:
            continue
        if side == "target" and config.data.joint_vocabulary:
            settings["data.target.units"] = settings.get("data.source.units", config.data.source.units)
            reasons["target"] = "one vocabulary for both sides"
            continue
        texts = [pair.source if side == "source" else pair.target for pair in sample]
        settings[f"data.{side}.units"], reasons[side] = guess_units(texts, side)
    return build_config(settings, config), reasons


def _tokenizers(config: Config, pairs: _Pairs) -> tuple[Tokenizer, Tokenizer]:
    if config.data.joint_vocabulary:
        both = (text for pair in pairs.train() for text in (pair.source, pair.target))
        joint = train_tokenizer(both, config.data.source)
        return _with_features(joint, config, pairs), joint
    source = train_tokenizer((pair.source for pair in pairs.train()), config.data.source)
    source = _with_features(source, config, pairs)
    return source, train_tokenizer((pair.target for pair in pairs.train()), config.data.target)


def _with_features(tokenizer: Tokenizer, config: Config, pairs: _Pairs) -> Tokenizer:
    """The source's tokenizer, which knows the features of the training pairs where there are columns of them."""
    columns = config.data.feature_columns
    if not columns:
        return tokenizer
    rows = (pair.features for pair in pairs.train())
    return FeaturedTokenizer(tokenizer, learn_features(rows, columns, config.data.feature_separator))


def _features(tokenizer: Tokenizer, dev: DevPairs) -> dict[str, Any]:
    """What was found of features: how many a column has, and the share of them in dev that is unknown."""
    if not isinstance(tokenizer, FeaturedTokenizer):
        return {}
    known = tokenizer.features
    unknown, total = tokenizer.unknown_features(dev.sources[:_SAMPLE])
    columns = {name: len(tags) for name, tags in zip(known.columns, known.tags, strict=True)}
    return {"features": {"columns": columns, "unknown_rate": unknown / total if total else 0.0}}


def decided(config: Config, dataset: PairDataset, device: torch.device, world: int = 1) -> Config:
    """The config with everything decided that was left unset; `world` processes share a step's batches."""
    training = config.training
    batches = count_batches(
        dataset.source_lengths,
        dataset.target_lengths,
        batch_tokens=training.batch_tokens,
        max_pairs=training.max_batch_pairs,
        seed=training.seed,
        epoch=0,
    )
    epoch_steps = max(1, batches // (training.accumulate * world))
    max_steps = training.max_steps or max(_LEAST_STEPS, epoch_steps * training.max_epochs)
    validate_every = training.validate_every or max(1, math.ceil(max_steps / _MOST_VALIDATIONS))
    precision = training.precision
    if precision == "auto":
        precision = best_precision(config.model, device)
    longest = int(dataset.target_lengths.max())
    ratio = float(np.max(dataset.target_lengths / np.maximum(dataset.source_lengths, 1)))
    settings: dict[str, Any] = {
        "training.max_steps": max_steps,
        "training.validate_every": validate_every,
        "training.checkpoint_every": training.checkpoint_every or validate_every,
        "training.metric": training.metric or _metric_for(config.data.target.units),
        "training.precision": precision,
        **default_settings(training, max_steps),
        "search.max_length": config.search.max_length
        or max(min(2 * longest + 10, _most_positions(config.model)), config.search.min_length + 1),
        "search.max_length_ratio": config.search.max_length_ratio or round(ratio + 0.005, 2),
    }
    return build_config(settings, config)


def _most_positions(model: ModelConfig) -> int:
    """The longest output that the decoder can write."""
    return model.max_positions if model.decoder == "transformer" and model.positions == "learned" else sys.maxsize


def _metric_for(units: Units | None) -> Metric:
    if units == "label":
        return "accuracy"
    return "bleu" if units in ("word", "subword") else "token_error_rate"
