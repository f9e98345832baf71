"""`check_data`: the passes over the files, and what comes out of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from seqweave.config import Config, DataConfig
from seqweave.data.check.looks import LOOKS, Look
from seqweave.data.check.measures import (
    EXAMPLES,
    Columns,
    Features,
    SourceList,
    Sources,
    first_conflicts,
    leakage,
    numbers,
    ratio_outliers,
    repeats,
)
from seqweave.data.check.over_long import Longest, over_long
from seqweave.data.check.place import Place
from seqweave.data.check.reasons import left_out
from seqweave.data.check.result import DataCheck, Leakage, LeftOut
from seqweave.data.check.scripts import Scripts
from seqweave.data.check.whole import whole_concerns
from seqweave.data.readers import DEFAULT_CONFIG, Pair, PairReader
from seqweave.data.sides import Sides, with_units
from seqweave.data.split import DevBoundary

SAMPLES = 5


class _Pass:
    """All that is gathered while the pairs go by once."""

    def __init__(self, config: Config):
        self.columns, self.features = Columns(), Features(config.data)
        self.boundary, self.longest = DevBoundary(), Longest(config)
        self.looks: Sequence[Look] = [make() for make in LOOKS]
        self.samples: list[Pair] = []

    def see(self, pair: Pair) -> None:
        self.columns.add(pair)
        self.features.add(pair)
        self.boundary.add(pair.source)
        self.longest.add(pair)
        for look in self.looks:
            look.see(pair)
        if len(self.samples) < SAMPLES:
            self.samples.append(pair)


@dataclass(frozen=True)
class _Split:
    """What is remembered of another file: its sources and, of pairs, the scripts."""

    path: Path
    sources: Sources
    scripts: Scripts


def check_data(
    path: Path | str,
    target_path: Path | str | None = None,
    config: DataConfig = DEFAULT_CONFIG,
    splits: Mapping[str, Path] | None = None,
) -> DataCheck:
    """Look at every record of a file of pairs, and at what it shares with other splits.

    Args:
        path: the pairs, or the source side when `target_path` is given.
        target_path: the target side of two parallel files.
        config: how the file is read, and what is too long.
        splits: name -> file in the same format; with parallel files, its source side. Each is compared by source
            (with its tags) with `path` (named `data`) and with the splits before it.

    Raises:
        DataError: when a file cannot be read at all.
    """
    reader = PairReader(path, target_path, config)
    found = _Pass(Config(data=config))
    for pair in reader:
        found.see(pair)
    place = Place(reader, config)
    units, too_long = _items(place, found)
    sources = found.columns.sources.found()
    others = {name: _split(Path(split), reader, config) for name, split in (splits or {}).items()}
    shared = {"data": sources, **{name: split.sources for name, split in others.items()}}
    leaks = [leakage(one, other, shared[one], shared[other]) for one, other in combinations(shared, 2)]
    return _result(place, found, units, too_long, leaks, others)


def _result(
    place: Place,
    found: _Pass,
    units: dict[str, dict[str, str]],
    too_long: dict[str, LeftOut],
    leaks: list[Leakage],
    others: Mapping[str, _Split],
) -> DataCheck:
    reader, report, columns = place.reader, place.reader.report, found.columns
    sources, targets = columns.sources.found(), numbers(columns.target)
    duplicates, conflicts = repeats(sources.hashes, targets, sources.lines)
    distinct = len(np.unique(sources.hashes))
    median, outliers = ratio_outliers(columns)
    scripts = {name: (split.path, split.scripts) for name, split in others.items()}
    concerns = [concern for look in found.looks if (concern := look.concern(place))]
    concerns += whole_concerns(place, found.boundary, (distinct, len(np.unique(targets))), found.looks, leaks, scripts)
    return DataCheck(
        path=str(reader.path),
        target_path=None if reader.target_path is None else str(reader.target_path),
        dialect=reader.dialect.words,
        target_dialect=None if reader.target_dialect is None else reader.target_dialect.words,
        counts=reader.dialect.counts,
        lines=report.lines,
        records=report.records,
        kept=report.kept,
        dropped={reason: list(dropped.lines) for reason, dropped in report.dropped.items()},
        reasons={reason: left_out(place, reason, dropped) for reason, dropped in report.dropped.items()},
        units=units,
        over_long=too_long,
        concerns=concerns,
        lengths=columns.lengths(),
        duplicates=len(duplicates),
        duplicate_lines=duplicates[:EXAMPLES].tolist(),
        distinct_sources=distinct,
        conflicting_sources=len(conflicts),
        conflicts=list(first_conflicts(conflicts, sources.hashes, targets, sources.lines)),
        leakage=leaks,
        median_ratio=median,
        ratio_outliers=len(outliers),
        ratio_outlier_lines=sources.lines[outliers[:EXAMPLES]].tolist(),
        samples=found.samples,
        features=found.features.columns(len(sources.lines)),
    )


def _items(place: Place, found: _Pass) -> tuple[dict[str, dict[str, str]], dict[str, LeftOut]]:
    """The units that `train` would take, with the reasons, and what it would leave out as too long."""
    report = place.reader.report
    if not report.kept:
        return {}, {}
    sides = Sides(
        PairReader(place.reader.path, place.reader.target_path, place.config), None, Config(data=place.config)
    )
    if found.boundary.few is None:
        sides.hold_out(found.boundary, report.kept)
    config, because = with_units(Config(data=place.config), sides)
    target = config.data.source if config.data.joint_vocabulary else config.data.target
    units = {
        side: {"units": str(chosen), "because": because.get(side, "as it is set")}
        for side, chosen in (("source", config.data.source.units), ("target", target.units))
    }
    return units, over_long(place, config, sides) if found.longest.possible else {}


def _split(path: Path, reader: PairReader, config: DataConfig) -> _Split:
    """Another file: pairs, or with parallel files its source side alone."""
    sources, scripts = SourceList(), Scripts()
    for pair in _pairs_of(path, reader, config):
        sources.add(pair)
        if reader.target_path is None:
            scripts.see(pair)
    return _Split(path, sources.found(), scripts)


def _pairs_of(path: Path, reader: PairReader, config: DataConfig) -> Iterator[Pair]:
    if reader.target_path is None:
        return iter(PairReader(path, None, config))
    return iter(PairReader(path, path, config))  # a source side alone: each line is its own target
