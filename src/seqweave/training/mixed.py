"""The file of pairs that are mixed into every batch (`--mix`): its texts, and what of it is left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqweave.config import Config
from seqweave.data.dataset import PairDataset
from seqweave.data.readers import PairReader
from seqweave.data.sides import Sides, text_hash
from seqweave.errors import DataError
from seqweave.wording import CHECK_DATA

HELD_OUT, UNUSABLE = "held_out_for_dev", "over_long_or_without_items"


class MixedPairs:
    """The pairs of a file but those whose source is held out for dev, read as a stream with the settings of the run.

    Args:
        path: of the file; None: there is nothing to mix in.
        config: how files are read.
        pairs: those of the run itself, which say what is held out.
    """

    def __init__(self, path: Path | None, config: Config, pairs: Sides):
        self._path = path
        self._reader = None if path is None else PairReader(path, None, config.data)
        self._pairs = pairs
        self._texts = self._held_out = 0

    def texts(self) -> Iterator[tuple[str, str]]:
        """Sources and targets; to be read once."""
        if self._reader is None:
            return
        dev = {text_hash(pair.whole) for pair in self._pairs.dev()}
        for pair in self._reader:
            if text_hash(pair.whole) in dev:
                self._held_out += 1
            else:
                self._texts += 1
                yield pair.whole, pair.target

    def facts(self, dataset: PairDataset) -> dict[str, Any]:
        """What run.json says of them, once their ids are written: records, pairs, and what was left out and why.

        Raises:
            DataError: when none of them can be used.
        """
        if self._reader is None or self._path is None:
            return {}
        if self._texts + self._held_out == 0:
            raise self._reader.nothing_usable()
        if dataset.mixed == 0:
            raise DataError(
                "must have pairs to mix in, but none of them can be used: all are empty, over-long, or held out for "
                f"dev; {CHECK_DATA}",
                self._path,
            )
        left_out = {**self._reader.report.counts, HELD_OUT: self._held_out, UNUSABLE: self._texts - dataset.mixed}
        dropped = {reason: number for reason, number in left_out.items() if number}
        found = {"file": self._path.name, "lines": self._reader.report.records, "pairs": dataset.mixed}
        return {"mixed": {**found, "dropped": dropped}}
