"""`seqweave split`: one file of pairs, or two, into files for training, validation and test that share no source.

Two passes. The first keeps 16 bytes for each pair: the place of its source (`seqweave.data.split`) and a 64-bit hash
of the pair, by which repeats are found. The second writes. What was written is read once more, and must be the same
pairs; a format that cannot hold them gives way to JSON lines.
"""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqweave.config import DataConfig
from seqweave.data.columns import column_options
from seqweave.data.pair_writers import PairWriter, Written, written_as
from seqweave.data.readers import DEFAULT_CONFIG, Pair, PairReader
from seqweave.data.split import LEAST_HELD_OUT, place_of, source_key
from seqweave.errors import ConfigError, DataError
from seqweave.files import sync_folder
from seqweave.lock import only_one
from seqweave.wording import count

_ESCAPED = 6  # bytes of a control character in JSON
TRAIN, DEV, TEST = "train", "dev", "test"


@dataclass(frozen=True)
class Part:
    """One part of the pairs: where it is, and what is in it."""

    name: str
    paths: tuple[Path, ...]  # two of parallel files
    pairs: int
    sources: int  # distinct


@dataclass(frozen=True)
class SplitResult:
    """What `split_data` did: kept + dropped = records, and the pairs of all parts + repeated = kept.

    Attributes:
        options: with which other commands read the parts, each after a blank; "" for none.
    """

    dialect: str
    written: str
    records: int
    kept: int
    dropped: dict[str, int]
    repeated: int
    parts: tuple[Part, ...]
    options: str


@dataclass(frozen=True)
class _Plan:
    """Which pair goes where: below `test` to test, below `dev` to dev; only the first of equal pairs."""

    places: NDArray[np.uint64]
    first: NDArray[np.bool_]
    test: int
    dev: int

    def part(self, number: int) -> str | None:
        """The part of the pair of this number, from 0; None: it is a repeat."""
        if not self.first[number]:
            return None
        place = int(self.places[number])
        return TEST if place < self.test else DEV if place < self.dev else TRAIN

    def sources(self, low: int, high: int | None) -> int:
        """Distinct sources with a place from `low` to below `high`."""
        inside = (self.places >= np.uint64(low)) & (True if high is None else self.places < np.uint64(high))
        return len(np.unique(self.places[inside]))


def split_data(
    path: Path | str,
    folder: Path | str,
    target_path: Path | str | None = None,
    config: DataConfig = DEFAULT_CONFIG,
    dev: float = 0.1,
    test: float = 0.1,
    seed: int = 1,
) -> SplitResult:
    """Write the usable pairs, each once, into `train`, `dev` and `test` files that share no source.

    Which part a source is in depends on the distinct sources, `seed` and the shares, and on nothing else.

    Args:
        path: the pairs, or the source side when `target_path` is given.
        folder: new or empty; it appears with all files in it, or not at all.
        target_path: the target side of two parallel files.
        config: how the files are read.
        dev: share of the distinct sources in dev; 0: there is no such file.
        test: likewise for test.
        seed: another one draws other parts.

    Raises:
        ConfigError: when the shares are not from 0 to less than 1 together.
        DataError: when the files cannot be read, no pair is usable, there are too few distinct sources, or `folder`
            is there and not empty.
        ModelFolderError: when another process is writing into `folder`.
    """
    shares = {TEST: test, DEV: dev}
    if not all(0 <= share < 1 for share in shares.values()) or dev + test >= 1:
        raise ConfigError(
            f"--dev and --test must be shares from 0 on, and less than 1 together, but they are {dev:g} and {test:g}: "
            "give shares such as --dev 0.1 --test 0.1"
        )
    folder = Path(folder)
    real = folder.resolve()
    reader = PairReader(path, target_path, config)
    with only_one(real, "split", stays=False), _appearing(real) as temporary:
        plan = _plan(reader, shares, seed)
        written = written_as(reader)
        found = _write(reader, plan, written, temporary)
        if not _reads_back(found, written, temporary, config):
            written = replace(written, format="jsonl", source="source", target="target")
            found = _write(reader, plan, written, temporary)
            assert _reads_back(found, written, temporary, config)
    return _result(reader, plan, written, folder, found, column_options(written.config(config)))


def _result(
    reader: PairReader, plan: _Plan, written: Written, folder: Path, found: Mapping[str, _Sum], options: str
) -> SplitResult:
    report = reader.report
    bounds = {TEST: (0, plan.test), DEV: (plan.test, plan.dev), TRAIN: (plan.dev, None)}
    parts = tuple(
        Part(name, tuple(folder / file for file in written.names(name)), found[name].pairs, plan.sources(*bounds[name]))
        for name in (TRAIN, DEV, TEST)
        if name in found
    )
    repeated = report.kept - sum(part.pairs for part in parts)
    return SplitResult(
        reader.dialects, written.words, report.records, report.kept, report.counts, repeated, parts, options
    )


def _check_new(folder: Path) -> None:
    """Refuse a folder that must not be written."""
    if folder.exists() and not folder.is_dir():
        raise DataError("must be a new or empty folder, but it is a file; choose another name", folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError("must be a new or empty folder, but there is something in it; choose another name", folder)
    if folder.is_dir() and Path.cwd().is_relative_to(folder):
        raise DataError("must be a new folder, but it is the one you are in; name one inside of it", folder)


def _plan(reader: PairReader, shares: Mapping[str, float], seed: int) -> _Plan:
    """Read everything once, and decide."""
    places, pairs = array("Q"), array("Q")
    for pair in reader:
        places.append(place_of(pair.source, seed))
        cells = source_key(pair.source), source_key(pair.target), *pair.features
        pairs.append(int.from_bytes(_digest(cells), "little"))
    if not places:
        raise reader.nothing_usable()
    all_places = np.frombuffer(places, dtype=np.uint64)
    first = np.zeros(len(all_places), dtype=bool)
    first[np.unique(np.frombuffer(pairs, dtype=np.uint64), return_index=True)[1]] = True
    distinct = np.unique(all_places)
    numbers = _numbers(len(distinct), shares, reader)
    bounds = [0, *map(int, distinct)]
    test, dev = numbers[TEST], numbers[TEST] + numbers[DEV]
    # One more than the place of the last source inside.
    return _Plan(all_places, first, bounds[test] + (test > 0), bounds[dev] + (dev > 0))


def _numbers(sources: int, shares: Mapping[str, float], reader: PairReader) -> dict[str, int]:
    """How many distinct sources each part but train has: its share, and no part a single one where there are enough."""
    wanted = [name for name, share in shares.items() if share > 0]
    parts = len(wanted) + 1
    if sources < parts:
        found = f"{'is' if sources == 1 else 'are'} only {sources} in {count(reader.report.kept, 'usable pair')}"
        raise DataError(
            f"{parts} parts that share no source need at least {parts} distinct sources, but there {found}: give more "
            "data, or ask for fewer parts with --dev 0 or --test 0",
            reader.path,
        )
    least = LEAST_HELD_OUT if sources >= LEAST_HELD_OUT * parts else 1
    numbers = {name: max(least, int(share * sources + 0.5)) if share > 0 else 0 for name, share in shares.items()}
    while sources - sum(numbers.values()) < least:  # rounded up too often
        numbers[max(numbers, key=lambda name: numbers[name])] -= 1
    return numbers


@dataclass
class _Sum:
    """The pairs of a part: how many, and a hash of them in their order."""

    pairs: int = 0
    digest: bytes = b""

    def add(self, pair: Pair) -> None:
        self.pairs += 1
        self.digest = blake2b(
            self.digest + _digest((pair.source, pair.target, *pair.features)), digest_size=16
        ).digest()


def _write(reader: PairReader, plan: _Plan, written: Written, folder: Path) -> dict[str, _Sum]:
    """Write every part, over what is there."""
    for path in folder.iterdir():
        path.unlink()
    found: dict[str, _Sum] = {}
    number = -1
    with ExitStack() as stack:
        writers: dict[str, PairWriter] = {}
        for number, pair in enumerate(reader):
            part = plan.part(number) if number < len(plan.first) else TRAIN
            if part is None:
                continue
            if part not in writers:
                writers[part] = stack.enter_context(PairWriter(written, folder, part))
            writers[part].write(pair)
            found.setdefault(part, _Sum()).add(pair)
    if number + 1 != len(plan.first):
        raise DataError("has changed while it was read; start again", reader.path)
    return found


def _reads_back(found: Mapping[str, _Sum], written: Written, folder: Path, config: DataConfig) -> bool:
    """Whether what was written is read as the same pairs."""
    longer = written.config(config).model_copy(update={"max_line_bytes": _ESCAPED * config.max_line_bytes + 1000})
    for name, expected in found.items():
        again = _Sum()
        try:
            source, *target = (folder / file for file in written.names(name))
            for pair in PairReader(source, target[0] if target else None, longer):
                again.add(pair)
        except DataError:
            return False
        if again != expected:
            return False
    return True


def _digest(cells: Iterable[str]) -> bytes:
    """64 bits that stand for some cells."""
    content = b"".join(len(cell).to_bytes(8, "little") + cell for cell in (text.encode("utf-8") for text in cells))
    return blake2b(content, digest_size=8).digest()


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A temporary folder beside, which takes the place of `folder` when all went well."""
    _check_new(folder)
    temporary = folder.with_name(f".{folder.name}.split.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed process
    temporary.mkdir()
    try:
        yield temporary
        sync_folder(temporary)
        if folder.is_dir():
            folder.rmdir()
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder.parent)
