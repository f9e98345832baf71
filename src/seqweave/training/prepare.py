"""From files and a requested config to what training needs: tokenizers, ids on disk, decided settings.

Every pass over the files is a stream, so memory does not grow with the corpus. A setting left
unset is decided here, from the data alone, and stands in the folder's config.json.
"""

from __future__ import annotations

import heapq
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqweave.config import Config, ModelConfig, SearchConfig, build_config
from seqweave.data.columns import recorded_columns
from seqweave.data.dataset import PairDataset
from seqweave.data.facts.hashes import SourceHashes
from seqweave.data.facts.padding import Padding, padding_of
from seqweave.data.facts.profile import profile_of
from seqweave.data.lines import check_file
from seqweave.data.readers import Pair, PairReader
from seqweave.data.sides import Sides, learn_tokenizers, text_hash, with_boundary, with_units
from seqweave.data.vectors import Vectors
from seqweave.errors import ConfigError, DataError
from seqweave.model.precision import best_precision
from seqweave.text.features import FeaturedTokenizer
from seqweave.text.tokenizers import Tokenizer, coverage
from seqweave.training.data_files import DataFiles, fingerprints
from seqweave.training.epochs import epoch_size
from seqweave.training.events import Listener, TrainEvent
from seqweave.training.ids import write_ids
from seqweave.training.metric_choice import metric_for, with_measures, with_metric
from seqweave.training.mixed import MixedPairs
from seqweave.training.origin import LEAST_STEPS as LEAST_STEPS_ON
from seqweave.training.origin import Origin
from seqweave.training.sampling import default_settings
from seqweave.training.vectors import all_vectors, vector_facts, vector_files
from seqweave.training.vocabularies import Vocabularies, unknown_facts, vocabularies_of
from seqweave.wording import count

_SAMPLE = 5000  # pairs looked at to guess units, to report unknown items, and to see how text is written
_LEAST_STEPS = 1500  # a small corpus still needs this many updates
_MOST_VALIDATIONS = 20


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
        vocabularies: of a run that starts from a model.
    """

    config: Config
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    dataset: PairDataset
    dev: DevPairs
    facts: dict[str, Any]
    vectors: dict[str, Vectors]
    sources: SourceHashes
    vocabularies: Vocabularies | None


def prepare(
    files: DataFiles,
    config: Config,
    cache: Path,
    device: torch.device,
    listen: Listener,
    world: int = 1,
    origin: Origin | None = None,
) -> Prepared:
    """Read, decide, tokenise; the ids go into `cache`.

    Args:
        files: the data.
        config: what is asked for.
        cache: where the ids go.
        device: to train on.
        listen: told what is being done.
        world: how many processes will train.
        origin: the model that the run starts from.

    Raises:
        ConfigError: when the model reads frames.
        DataError: when a file cannot be read, or nothing usable is left on a side.
    """
    check_reads_text(config)
    for path in (*vector_files(config).values(), *([files.mix] if files.mix else [])):
        check_file(path)  # before the long passes; it is read when the vocabulary is known
    pairs = _sides(files, config)
    config, read = _read(files, config, pairs, listen)
    both, found, started = _vocabularies(origin, config, pairs, listen)
    vectors = all_vectors(config, both, listen)
    listen(TrainEvent("reading", {"text": "writing ids"}))
    hashes, sample, mixed = SourceHashes(), list[str](), MixedPairs(files.mix, config, pairs)
    texts = _remembered(pairs.train(), hashes, sample)
    dataset, too_long = write_ids(texts, both, cache, config, mixed.texts())
    if dataset.own == 0:
        raise _nothing_left(files.train, too_long, config)
    dev = dev_pairs(pairs.dev(), config.training.max_dev_pairs)
    facts = {
        **_facts(config, pairs, both, dataset, dev, sample),
        **read,
        "over_long": too_long,
        "files": fingerprints(files),
        **vector_facts(vectors, both, dataset, config),
        **started,
        **mixed.facts(dataset),
    }
    old = None if origin is None else origin.config.search
    config = decided(with_metric(config, dev.targets), dataset, device, world, old)
    return Prepared(config, *both, dataset, dev, facts, vectors, hashes, found)


def _read(files: DataFiles, config: Config, pairs: Sides, listen: Listener) -> tuple[Config, dict[str, Any]]:
    """Read all pairs once: the config with what they decide, and what was found."""
    listen(TrainEvent("reading", {"text": f"reading {files.train.name}"}))
    for reader in filter(None, (pairs.reader, pairs.dev_reader)):
        listen(TrainEvent("dialect", {"text": reader.dialects}))
    config = build_config(recorded_columns(pairs.reader.dialect, config.data), config)
    kept = pairs.count()
    if pairs.shared:
        sources = count(pairs.shared, "distinct source")
        text = f"{files.dev} shares {sources} with the training data, so the figures on dev will be too good"
        listen(TrainEvent("warning", {"text": text, "count": pairs.shared}))
    config, measured = with_measures(config, pairs.targets.found())
    config, reasons = with_units(with_boundary(config, pairs), pairs)
    return config, {"kept": kept, "units_because": reasons, **measured}


def _vocabularies(
    origin: Origin | None, config: Config, pairs: Sides, listen: Listener
) -> tuple[tuple[Tokenizer, Tokenizer], Vocabularies | None, dict[str, Any]]:
    """Both tokenizers; of a run that starts from a model, how its vocabularies fit that, and what run.json says of it.

    The last is said before the run trains.
    """
    listen(TrainEvent("reading", {"text": "learning the vocabularies"}))
    if origin is None:
        return learn_tokenizers(config, pairs), None, {}
    unknown = unknown_facts((origin.source, origin.target), pairs.train())
    found = vocabularies_of(origin, config, pairs)
    facts = {**origin.facts(), "unknown": unknown, "added": found.added}
    rates = {key: getattr(config.training, key) for key in ("learning_rate", "warmup_steps", "schedule")}
    extends = config.data.extend_vocabulary
    listen(TrainEvent("start_from", {**facts, **rates, "extends": extends, "units": origin.source.units}))
    return found.tokenizers, found, {"start_from": facts}


def _nothing_left(path: Path, too_long: dict[str, int], config: Config) -> DataError:
    """What to say when every pair that is not held out has too many items, or none."""
    limits = {"source_too_long": config.data.max_source_length, "target_too_long": config.data.max_target_length}
    said = [
        f"{number:,} have more than data.max_{reason.removesuffix('_too_long')}_length={limits[reason]} items"
        if reason in limits
        else f"{number:,} are {reason}"
        for reason, number in too_long.items()
    ]
    why = " and ".join(said)
    return DataError(f"no pair is left to train on: {why}; `seqweave check` says what would keep them", path)


def _sides(files: DataFiles, config: Config) -> Sides:
    dev = PairReader(files.dev, files.dev_target, config.data) if files.dev else None
    return Sides(PairReader(files.train, files.train_target, config.data), dev, config)


def check_reads_text(config: Config) -> None:
    """Raise a `ConfigError` when the model reads frames, which no file has."""
    if config.model.frame_size:
        raise ConfigError(
            f"model.frame_size={config.model.frame_size} reads frames, but files of pairs hold texts, and there is no "
            "reader of frames yet: leave it at 0"
        )


def _facts(
    config: Config,
    pairs: Sides,
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
        "pairs": dataset.own,
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
        "mean_source_length": float(np.mean(dataset.source_lengths[: dataset.own])),
        "mean_target_length": float(np.mean(dataset.target_lengths[: dataset.own])),
        "source_text": asdict(profile_of(source, sample)),
        "padding": asdict(_padding(config, dataset)),
        **_features(source, dev),
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
        dataset.source_lengths[: dataset.own],
        dataset.target_lengths[: dataset.own],
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
    dev = dev_pairs(_split(files, config, kept).dev(), config.training.max_dev_pairs)
    try:
        return PairDataset.open(cache), dev
    except DataError:
        return write_ids_again(files, config, tokenizers, cache, kept), dev


def write_ids_again(
    files: DataFiles, config: Config, tokenizers: tuple[Tokenizer, Tokenizer], cache: Path, kept: int
) -> PairDataset:
    """Write the ids of a run that goes on once more, from its data; `kept` as in `reopen`."""
    pairs = _split(files, config, kept)
    texts = ((pair.whole, pair.target) for pair in pairs.train())
    return write_ids(texts, tokenizers, cache, config, MixedPairs(files.mix, config, pairs).texts())[0]


def sources_again(files: DataFiles, config: Config, kept: int) -> SourceHashes:
    """The hashes of the sources of a run that goes on once more, from its data; `kept` as in `reopen`."""
    hashes = SourceHashes()
    for pair in _split(files, config, kept).train():
        hashes.add(pair.whole)
    return hashes


def _split(files: DataFiles, config: Config, kept: int) -> Sides:
    """The pairs as they were split when so many of them were found."""
    pairs = _sides(files, config)
    pairs.hold_out_as_before(kept)
    return pairs


def dev_pairs(pairs: Iterable[Pair], most: int) -> DevPairs:
    """At most `most` pairs, chosen by a hash of the source; all references of a source stay together.

    Only when one source alone has more than `most` is it cut.
    """
    total = 0

    def keyed() -> Iterator[tuple[bytes, int, str, str]]:
        nonlocal total
        for pair in pairs:
            total += 1
            yield text_hash(pair.whole), pair.line, pair.whole, pair.target

    chosen = heapq.nsmallest(most + 1, keyed())
    if len(chosen) > most:  # the last source may have more pairs behind the cut
        last = chosen.pop()[0]
        whole = [row for row in chosen if row[0] != last]
        chosen = whole or chosen
    return DevPairs([row[2] for row in chosen], [row[3] for row in chosen], total)


def _features(tokenizer: Tokenizer, dev: DevPairs) -> dict[str, Any]:
    """What was found of features: how many a column has, and the share of them in dev that is unknown."""
    if not isinstance(tokenizer, FeaturedTokenizer):
        return {}
    known = tokenizer.features
    unknown, total = tokenizer.unknown_features(dev.sources[:_SAMPLE])
    columns = {name: len(tags) for name, tags in zip(known.columns, known.tags, strict=True)}
    return {"features": {"columns": columns, "unknown_rate": unknown / total if total else 0.0}}


def steps_of(config: Config, dataset: PairDataset, world: int, starts_from_model: bool) -> int:
    """The last step: as it is set, or what the epochs need; `world` processes share a step's batches."""
    training = config.training
    if training.max_steps is not None:
        return training.max_steps
    epoch_steps = max(1, epoch_size(dataset, training) // (training.accumulate * world))
    return max(LEAST_STEPS_ON if starts_from_model else _LEAST_STEPS, epoch_steps * training.max_epochs)


def decided(
    config: Config, dataset: PairDataset, device: torch.device, world: int = 1, old: SearchConfig | None = None
) -> Config:
    """The config with everything decided that was left unset.

    Args:
        config: what was asked for.
        dataset: the pairs to train on.
        device: to train on.
        world: how many processes share a step's batches.
        old: the settings of the search of the model that the run starts from.
    """
    training = config.training
    max_steps = steps_of(config, dataset, world, old is not None)
    validate_every = training.validate_every or max(1, math.ceil(max_steps / _MOST_VALIDATIONS))
    precision = training.precision
    if precision == "auto":
        precision = best_precision(config.model, device)
    settings: dict[str, Any] = {
        "training.max_steps": max_steps,
        "training.validate_every": validate_every,
        "training.checkpoint_every": training.checkpoint_every or validate_every,
        "training.metric": training.metric or metric_for(config.data.target.units),
        "training.precision": precision,
        **default_settings(training, max(1, max_steps)),
        **_lengths(config, dataset, old if max_steps else None),
    }
    return build_config(settings, config)


def _lengths(config: Config, dataset: PairDataset, old: SearchConfig | None) -> dict[str, Any]:
    """How long outputs may be, where it is unset; or where it is as in a model whose targets were shorter."""
    search = config.search
    longest = int(dataset.target_lengths.max())
    length = max(min(2 * longest + 10, _most_positions(config.model)), search.min_length + 1)
    ratio = round(float(np.max(dataset.target_lengths / np.maximum(dataset.source_lengths, 1))) + 0.005, 2)
    found = {"max_length": length, "max_length_ratio": ratio}
    lengths: dict[str, Any] = {}
    for key, least in found.items():
        given = getattr(search, key)
        as_before = old is not None and given == getattr(old, key)
        lengths[f"search.{key}"] = max(given or 0, least) if given is None or as_before else given
    return lengths


def _most_positions(model: ModelConfig) -> int:
    """The longest output that the decoder can write."""
    return model.max_positions if model.decoder == "transformer" and model.positions == "learned" else sys.maxsize
