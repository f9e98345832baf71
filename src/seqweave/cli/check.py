"""`seqweave check`: what is in a data file, before training on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqweave.cli.common import Data, DataSettings, Json, TargetFile, print_json
from seqweave.wording import count, visible

if TYPE_CHECKING:
    from seqweave.data.check import DataCheck, LeftOut, Lengths

BAR = 40  # columns of the longest bar
SHOWN = 10  # line numbers shown of a reason
MEASURES = {"characters": "characters", "items": "words (between blanks)"}


def check(
    data: Data,
    target_file: TargetFile = None,
    split: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="Another file, to look for sources that both have; repeatable."),
    ] = None,
    set_: DataSettings = None,
    json: Json = False,
) -> None:
    """Print which lines of DATA would be used and which dropped, with the command that mends each kind.

    Also what DATA is read as, what would be too long to train on, what looks wrong, lengths, repeats and leakage.
    Exit code 1 when a line would be dropped, or is too long to be trained on.

    Example: seqweave check train.tsv --split dev=dev.tsv
    """
    from seqweave.config import resolve_settings
    from seqweave.data.check import check_data

    config = resolve_settings(settings=set_ or [])
    found = check_data(data, target_file, config.data, _splits(split or []))
    if json:
        print_json(found.to_json())
    else:
        print("\n".join(_report(found)))
    if not found.ok:
        raise typer.Exit(1)


def _splits(texts: Sequence[str]) -> dict[str, Path]:
    from seqweave.errors import ConfigError

    splits: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise ConfigError(f"--split takes NAME=FILE, such as --split dev=dev.tsv, but got {text!r}")
        if name == "data" or name in splits:
            taken = "DATA itself" if name == "data" else splits[name]
            raise ConfigError(f"--split names must differ, but {name!r} is already {taken}: choose another name")
        splits[name] = Path(path)
    return splits


def _report(found: DataCheck) -> Iterator[str]:
    target = "" if found.target_path is None else f" and {found.target_path}"
    dropped = found.records - found.kept
    header = "" if found.lines == found.records else f", {count(found.records, 'record')}"
    yield f"{found.path}: {found.dialect}"
    if found.target_dialect is not None:
        yield f"{found.target_path}: {found.target_dialect}"
    counted = count(found.lines, found.counts)
    yield f"{found.path}{target}: {counted}{header}, {found.kept:,} kept, {dropped:,} dropped"
    for reason, left_out in found.reasons.items():
        yield from _left_out(reason, left_out, found.counts)
    for side, chosen in found.units.items():
        yield f"units of the {side}: {chosen['units']} ({chosen['because']})"
    for reason, left_out in found.over_long.items():
        yield from _left_out(f"{reason}, left out of training", left_out, found.counts)
    for concern in found.concerns:
        yield f"warning: {visible(concern.words)}{_in_brackets(concern.lines, concern.count, found.counts)}"
        if concern.example:
            yield f"  as in: {_one_line(concern.example)}"
        yield f"  {concern.remedy}"
    if found.kept:
        yield from _figures(found)


def _left_out(reason: str, found: LeftOut, counts: str) -> Iterator[str]:
    yield f"  {reason}: {count(found.count, counts)} ({_some(found.lines, found.count)}): {found.words}"
    if found.example:
        yield f"    as in {counts} {found.lines[0]}: {_one_line(found.example)}"
    yield f"    {found.remedy}"


def _figures(found: DataCheck) -> Iterator[str]:
    for side, measures in found.lengths.items():
        for measure, lengths in measures.items():
            yield ""
            yield from _histogram(f"{side}, {MEASURES[measure]}", lengths)
    for column in found.features:
        frequent = ", ".join(f"{visible(tag)} {number:,}" for tag, number in column.frequent.items())
        yield ""
        yield (
            f"source tags of column {column.name}: {column.distinct:,} distinct, {column.mean:.1f} in a pair, "
            f"{count(column.without, 'pair')} without"
        )
        yield f"  most frequent: {frequent}"
    yield ""
    yield f"distinct sources: {found.distinct_sources:,}"
    yield f"repeated pairs: {found.duplicates:,}{_in_brackets(found.duplicate_lines, found.duplicates, found.counts)}"
    yield f"sources with several targets: {found.conflicting_sources:,}"
    for conflict in found.conflicts[:3]:
        yield f"  {conflict.targets} targets: {found.counts}s {_some(conflict.lines)}"
    far = _in_brackets(found.ratio_outlier_lines, found.ratio_outliers, found.counts)
    yield (
        f"target characters for each source character: {found.median_ratio:.2f} (median); "
        f"far from it: {found.ratio_outliers:,}{far}"
    )
    for leak in found.leakage:
        yield f"sources of {leak.second} that are also in {leak.first}: {leak.pairs:,} ({100 * leak.share:.1f}%)"
    yield ""
    yield "the first pairs:"
    for pair in found.samples:
        yield f"  {pair.line}: {_one_line('  '.join((pair.source, *pair.features)))}  ->  {_one_line(pair.target)}"


def _one_line(text: str) -> str:
    r"""A text from the data as it can be shown on one line: tabs and line ends are `\t` and `\n`."""
    return visible(text.replace("\t", "\\t").replace("\n", "\\n"))


def _histogram(title: str, lengths: Lengths) -> Iterator[str]:
    middle, high, longest = (lengths.quantiles[share] for share in ("0.5", "0.99", "1"))
    yield f"{title}: mean {lengths.mean:.1f}, median {middle}, 99% {high}, longest {longest}"
    most = max(lengths.counts)
    for low, above, number in zip(lengths.edges, lengths.edges[1:], lengths.counts, strict=False):
        bar = "█" * -(-number * BAR // most)
        yield f"  {low:>6} to {above - 1:<6} {number:>10,} {bar}".rstrip()


def _some(lines: Sequence[int], number: int | None = None) -> str:
    """The first of the numbers, of so many in all."""
    more = (len(lines) if number is None else number) - len(lines[:SHOWN])
    return ", ".join(map(str, lines[:SHOWN])) + (f", and {more:,} more" if more > 0 else "")


def _in_brackets(lines: Sequence[int], number: int, counts: str) -> str:
    several = "s" if number > 1 else ""
    return f" ({counts}{several} {_some(lines, number)})" if lines else ""
