"""Concerns about a file as a whole: too few sources, columns that look swapped, what it shares with other files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from seqweave.data.check.looks import Look
from seqweave.data.check.place import Place
from seqweave.data.check.result import Concern, Leakage
from seqweave.data.check.scripts import Scripts
from seqweave.data.split import LEAST_SOURCES, DevBoundary
from seqweave.wording import count

_REPEATS = 10  # pairs of a source, and as many times more targets than sources: a label stands first


def whole_concerns(
    place: Place,
    boundary: DevBoundary,
    distinct: tuple[int, int],
    looks: Sequence[Look],
    leaks: Sequence[Leakage],
    others: Mapping[str, tuple[Path, Scripts]],
) -> Iterator[Concern]:
    """Those that no single pair shows.

    Args:
        place: the files.
        boundary: has seen all sources.
        distinct: how many distinct sources and targets there are.
        looks: after the last pair; the one at scripts is among them.
        leaks: what files share.
        others: name -> path and scripts of the other files.
    """
    if place.reader.report.kept and boundary.few is not None:
        yield _too_few(place, boundary.few)
    sources, targets = distinct
    if targets >= 2 * _REPEATS and targets >= _REPEATS * sources:
        yield _labels_first(place, sources, targets)
    if targets == 1 and sources > 1:
        yield _one_target(place)
    usual = next((look.usual() for look in looks if isinstance(look, Scripts)), None)
    for name, (path, scripts) in others.items():
        found = scripts.usual()
        if usual and found == usual[::-1]:
            yield _other_way_round(name, path, usual)
    for leak in leaks:
        if leak.pairs:
            yield _overlap(place, leak, others)


def _too_few(place: Place, sources: int) -> Concern:
    words = (
        f"{count(sources, 'distinct source')}: a dev split by distinct source needs at least {LEAST_SOURCES}, so "
        "`train` refuses the file alone"
    )
    remedy = f"give more data, or dev pairs of their own: {place.command('train', more=' -o model --dev dev.tsv')}"
    return Concern("too_few_sources", words, remedy, 0, [], "")


def _one_target(place: Place) -> Concern:
    words = "all targets are the same, so there is nothing to learn"
    remedy = "give other data"
    dialect = place.reader.dialect
    if dialect.left_out:
        setting = f"data.target_column={dialect.left_out[0].removeprefix('column ')}"
        remedy += f", or if the target is in another column, name it, as in {place.again(setting)}"
    return Concern("one_target", words, remedy, 0, [], "")


def _labels_first(place: Place, sources: int, targets: int) -> Concern:
    words = (
        f"{count(sources, 'distinct source')} for {targets:,} distinct targets: the columns look swapped, for nothing "
        "can tell which target of a source is meant"
    )
    source, target = place.reader.dialect.source, place.reader.dialect.target
    if place.reader.dialect.format in ("tsv", "csv"):
        source, target = str(int(source) + 1), str(int(target) + 1)
    if place.reader.target_path is not None:
        paths = f"{shlex.quote(str(place.reader.target_path))} {shlex.quote(str(place.reader.path))}"
        return Concern("swapped_columns", words, f"if they are: `seqweave check {paths}`", 0, [], "")
    command = place.again(f"data.source_column={target}", f"data.target_column={source}")
    return Concern("swapped_columns", words, f"if they are: {command}", 0, [], "")


def _other_way_round(name: str, path: Path, usual: tuple[str, str]) -> Concern:
    words = (
        f"{name} looks as if its columns were swapped: it is {usual[1]} to {usual[0]}, but the data are {usual[0]} to "
        f"{usual[1]}"
    )
    quoted = shlex.quote(str(path))
    remedy = f"exchange them, as in `awk -F'\\t' -v OFS='\\t' '{{ print $2, $1 }}' {quoted} > mended.tsv`"
    return Concern("swapped_columns", words, remedy, 0, [], "")


def _overlap(place: Place, leak: Leakage, others: Mapping[str, tuple[Path, Scripts]]) -> Concern:
    paths = {"data": place.reader.path, **{name: path for name, (path, _) in others.items()}}
    files = " ".join(shlex.quote(str(paths[name])) for name in (leak.first, leak.second))
    words = (
        f"{count(leak.pairs, 'pair')} of {leak.second} ({100 * leak.share:.1f}%) with a source that is also in "
        f"{leak.first}, so figures on {leak.second} will be too good"
    )
    remedy = f"split them anew: `cat {files} > all.tsv`, then `seqweave split all.tsv -o parts`"
    return Concern("overlap", words, remedy, leak.pairs, [second for _, second in leak.lines], "")
