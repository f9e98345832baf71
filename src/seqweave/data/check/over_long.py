"""What `train` would leave out as too long: the items are counted as it counts them, with the vocabulary it learns.

Subwords need the vocabulary to be learned, which takes as long as it takes `train`; so nothing is learned where no
text has so many characters that it could be too long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from seqweave.config import Config, TextConfig
from seqweave.data.check.place import Place
from seqweave.data.check.result import LeftOut
from seqweave.data.formats.report import EXAMPLE_CHARACTERS, Dropped
from seqweave.data.limits import unusable
from seqweave.data.readers import Pair
from seqweave.data.sides import Sides, learn_tokenizers

_BATCH = 1000  # pairs tokenised at once


class Longest:
    """The most items that a text of each side may have, whatever the vocabulary; and how many texts may have none."""

    def __init__(self, config: Config):
        self._settings = {"source": config.data.source, "target": config.data.target}
        if config.data.joint_vocabulary:
            self._settings["target"] = config.data.source
        self._limits = {"source": config.data.max_source_length, "target": config.data.max_target_length}
        self._separator = config.data.feature_separator
        self.possible = False

    def add(self, pair: Pair) -> None:
        """Look at a pair."""
        if not self.possible:
            tags = sum(cell.count(self._separator) + 1 for cell in pair.features)
            self.possible = (
                _most_items(pair.source, self._settings["source"]) + tags > self._limits["source"]
                or _most_items(pair.target, self._settings["target"]) > self._limits["target"]
            )


def _most_items(text: str, settings: TextConfig) -> int:
    """No vocabulary cuts a text into more items than it has bytes once it is normalised, and one for a blank."""
    if text.isascii():
        return len(text) + 1
    # A character becomes at most 18 in NFKC, of 3 bytes; 3 in NFC or jamo, of 4 bytes at most.
    return len(text) * (54 if settings.normalize == "nfkc" else 12) + 1


def over_long(place: Place, config: Config, sides: Sides) -> dict[str, LeftOut]:
    """The pairs with too many items, or none, by reason; `config` has units."""
    tokenizers = learn_tokenizers(config, sides)
    limits = (config.data.max_source_length, config.data.max_target_length)
    found: dict[str, Dropped] = {}
    longest, dev = Counter[str](), Counter[str]()
    for batch in _batches(iter(sides.reader)):
        sources = tokenizers[0].encode_batch([pair.whole for pair in batch])
        targets = tokenizers[1].encode_batch([pair.target for pair in batch])
        for pair, source, target in zip(batch, sources, targets, strict=True):
            if reason := unusable(len(source), len(target), *limits):
                text = pair.source if reason.startswith("source") else pair.target
                found.setdefault(reason, Dropped()).add(pair.line, text[:EXAMPLE_CHARACTERS])
                items = len(source if reason.startswith("source") else target)
                longest[reason] = max(longest[reason], items)
                dev[reason] += sides.holds_out(pair)
    return {
        reason: _left_out(place, config, reason, dropped, longest[reason], dev[reason])
        for reason, dropped in found.items()
    }


def _left_out(place: Place, config: Config, reason: str, dropped: Dropped, longest: int, dev: int) -> LeftOut:
    side = reason.partition("_")[0]
    units = (config.data.source if side == "source" or config.data.joint_vocabulary else config.data.target).units
    if reason.endswith("without_items"):
        words, remedy = f"no item of the {side} is left (units: {units})", place.leave_out(dropped.count)
    else:
        key = f"data.max_{side}_length"
        most = config.data.max_source_length if side == "source" else config.data.max_target_length
        words = f"{side} longer than {key}={most:,} items (units: {units}); the longest has {longest:,}"
        remedy = f"keep them with {place.command('train', f'{key}={longest}', more=' -o model')}, or shorten the texts"
    if dev:
        words += f"; dev pairs are kept, and {dev:,} of these would be held out for dev"
    return LeftOut(dropped.count, list(dropped.lines), dropped.text, words, remedy)


def _batches(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    while batch := list(islice(pairs, _BATCH)):
        yield batch
