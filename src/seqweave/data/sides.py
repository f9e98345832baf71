"""The pairs to train on and the dev pairs of one file, or of two, and what is learned from them before training.

`seqweave train` and `seqweave check` share it, so that they agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from seqweave.config import Config, build_config
from seqweave.data.readers import Pair, PairReader
from seqweave.data.split import LEAST_SOURCES, DevBoundary, dev_fraction, is_dev, place_of
from seqweave.errors import DataError
from seqweave.text.features import FeaturedTokenizer, learn_features
from seqweave.text.tokenizers import Tokenizer, guess_units, train_tokenizer
from seqweave.text.writing import WritingCounter
from seqweave.wording import MORE_DATA, count

SAMPLE = 5000
"""Pairs looked at to guess units."""


class Sides:
    """The training side and the dev side of files of pairs, each a stream that can be read again.

    Args:
        reader: of the pairs to train on.
        dev_reader: of dev pairs from a file of their own; without it, some are held out of the others.
        config: of a run that goes on: with the boundary that was found when it began, if any.

    Attributes:
        boundary: what is held out is below it (`seqweave.data.split`); None: nothing, or as in format 0.
        targets: how the targets of `reader` are written, of the whole file, so that it does not depend on the split;
            known after `count`.
        shared: distinct sources of the dev file that are in the training file, too; known after `count`.
    """

    def __init__(self, reader: PairReader, dev_reader: PairReader | None, config: Config):
        self.reader = reader
        self.dev_reader = dev_reader
        self.targets = WritingCounter()
        self.shared = 0
        found = config.data.dev_boundary
        self.boundary = None if found is None else int(found, 16)
        self._seed = config.training.seed
        self._dev_size = config.data.dev_size
        self._fraction = 0.0  # held out by the rule of format 0

    def count(self) -> int:
        """Read everything once, and decide what is held out. Returns the pairs kept.

        Raises:
            DataError: when a file has no usable pair, or too few distinct sources to hold some out.
        """
        dev = {text_hash(pair.whole) for pair in self.dev_reader or ()}
        if self.dev_reader is not None and not dev:
            raise self.dev_reader.nothing_usable()
        shared: set[bytes] = set()
        boundary = DevBoundary()
        kept = 0
        for pair in self.reader:
            kept += 1
            self.targets.add(pair.target)
            if self.dev_reader is None:
                boundary.add(pair.source)
            elif (key := text_hash(pair.whole)) in dev:
                shared.add(key)
        if kept == 0:
            raise self.reader.nothing_usable()
        self.shared = len(shared)
        if self.dev_reader is None:
            self.hold_out(boundary, kept)
        return kept

    def hold_out(self, boundary: DevBoundary, kept: int) -> None:
        """Decide what is held out of so many pairs, whose sources `boundary` has seen.

        Raises:
            DataError: when there are too few distinct sources.
        """
        if boundary.few is not None:
            found = f"{boundary.few} in {count(kept, 'usable pair')}"
            raise DataError(
                f"a dev set held out by distinct source needs at least {LEAST_SOURCES} distinct sources, but there "
                f"{'is' if boundary.few == 1 else 'are'} only {found}: {MORE_DATA}",
                self.reader.path,
            )
        self.boundary = boundary.of(dev_fraction(kept, self._dev_size))

    def hold_out_as_before(self, kept: int) -> None:
        """What a run held out when so many pairs were found: below the boundary of its config, or as in format 0."""
        if self.dev_reader is None and self.boundary is None:
            self._fraction = dev_fraction(kept, self._dev_size)

    def train(self) -> Iterator[Pair]:
        """Pairs to train on."""
        return (pair for pair in self.reader if not self.holds_out(pair))

    def dev(self) -> Iterator[Pair]:
        """Dev pairs."""
        if self.dev_reader is not None:
            return iter(self.dev_reader)
        return (pair for pair in self.reader if self.holds_out(pair))

    def holds_out(self, pair: Pair) -> bool:
        """Whether a pair of `reader` is kept for dev."""
        if self.dev_reader is not None:
            return False
        if self.boundary is not None:
            return place_of(pair.source) < self.boundary
        return is_dev(pair.source, self._seed, self._fraction)


def text_hash(text: str) -> bytes:
    """64 bits that stand for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def with_boundary(config: Config, sides: Sides) -> Config:
    """The config with the boundary of the dev split, for a run that goes on later."""
    found = None if sides.boundary is None else f"{sides.boundary:016x}"
    return config.model_copy(update={"data": config.data.model_copy(update={"dev_boundary": found})})


def with_units(config: Config, sides: Sides) -> tuple[Config, dict[str, str]]:
    """Fill in units left unset, with the reason for each."""
    if config.data.source.units is not None and config.data.target.units is not None:
        return config, {}
    sample = list(islice(sides.train(), SAMPLE))
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


def learn_tokenizers(config: Config, sides: Sides) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of source and target, learned from the pairs to train on; units are set."""
    if config.data.joint_vocabulary:
        both = (text for pair in sides.train() for text in (pair.source, pair.target))
        joint = train_tokenizer(both, config.data.source)
        return _with_features(joint, config, sides.train()), joint
    source = train_tokenizer((pair.source for pair in sides.train()), config.data.source)
    source = _with_features(source, config, sides.train())
    return source, train_tokenizer((pair.target for pair in sides.train()), config.data.target)


def _with_features(tokenizer: Tokenizer, config: Config, pairs: Iterable[Pair]) -> Tokenizer:
    """The source's tokenizer, which knows the features of the training pairs where there are columns of them."""
    columns = config.data.feature_columns
    if not columns:
        return tokenizer
    rows = (pair.features for pair in pairs)
    return FeaturedTokenizer(tokenizer, learn_features(rows, columns, config.data.feature_separator))
