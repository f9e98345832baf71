"""`seqweave align`: which source items the target items come from, by attention."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seqweave.cli.common import (
    Data,
    Device,
    Folder,
    Json,
    TargetFile,
    check_same_columns,
    note,
    note_unknown_pairs,
    print_json,
    warned_model,
)
from seqweave.cli.options import (
    Also,
    GoldFile,
    GoldFirst,
    Method,
    Pharaoh,
    Reverse,
    Shift,
    Symmetrise,
    Threshold,
    Words,
)
from seqweave.wording import count

if TYPE_CHECKING:
    from seqweave.config import DataConfig
    from seqweave.evaluation.alignment_error import Gold
    from seqweave.inspection.alignments import Links
    from seqweave.predictor import Model


def align(
    folder: Folder,
    data: Data,
    target_file: TargetFile = None,
    method: Method = "argmax",
    threshold: Threshold = 0.0,
    shift: Shift = False,
    words: Words = False,
    also: Also = None,
    reverse: Reverse = None,
    symmetrise: Symmetrise = "grow-diag-final-and",
    gold: GoldFile = None,
    gold_first: GoldFirst = 1,
    pharaoh: Pharaoh = False,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Print each record's line and its links, such as `0-0 1-2` (source-target, from 0); unusable ones have none.

    With --gold, print alignment error rate, precision and recall instead, in percent.

    Example: seqweave align model pairs.tsv --words --method mutual
    """
    from seqweave.inspection.aligning import pair_weights
    from seqweave.inspection.alignments import check_method, check_symmetry, hard_links, turned
    from seqweave.inspection.alignments import symmetrise as put_together

    check_method(method, threshold)
    check_symmetry(symmetrise)
    folders = [folder, *(also or ())]
    models = [warned_model(one, device) for one in folders]
    for model in models:
        model.check_reads_text()
    check_same_columns(folders, models)
    opposite = None if reverse is None else warned_model(reverse, device)
    if opposite is not None:
        _check_turned(models[0], opposite)
    lines, pairs = _numbered_pairs(data, target_file, models[0].config.data)
    right = None if gold is None else _read_gold(gold, gold_first, lines, pairs)
    texts = list(pairs.values())
    found = [hard_links(one, method, threshold) for one in pair_weights(models, texts, shift=shift, words=words)]
    if opposite is not None:
        back = pair_weights([opposite], [(target, source) for source, target in texts], shift=shift, words=words)
        both = zip(found, (turned(hard_links(one, method, threshold)) for one in back), strict=True)
        found = [put_together(one, other, symmetrise) for one, other in both]
    if right is not None:
        _print_figures(found, right, json)
    else:
        _print_links(lines, pairs, found, (pharaoh, json))
    note_unknown_pairs(models[0], *zip(*texts, strict=True))


def _check_turned(*models: Model) -> None:
    """Raise a `ConfigError` where a pair cannot be turned around, because its source has tags."""
    from seqweave.errors import ConfigError

    if any(model.config.data.feature_columns for model in models):
        raise ConfigError(
            "--reverse reads targets as sources and needs models without source tags, but data.feature_columns is set: "
            "leave --reverse out"
        )


def _numbered_pairs(
    path: Path, target_path: Path | None, config: DataConfig
) -> tuple[list[int], dict[int, tuple[str, str]]]:
    """The lines of all records, from 1, and the usable pairs by their line."""
    from seqweave.data.readers import PairReader

    reader = PairReader(path, target_path, config)
    records = list(reader.all_records())
    pairs = {line: (pair.whole, pair.target) for line, pair in records if pair is not None}
    if not pairs:
        raise reader.nothing_usable()
    if reader.report.dropped:
        dropped = count(reader.report.dropped_records, reader.dialect.counts)
        note(f"{path}: {dropped} of {reader.report.records:,} cannot be aligned")
    return [line for line, _ in records], pairs


def _read_gold(path: Path, first: int, lines: list[int], pairs: dict[int, tuple[str, str]]) -> list[Gold]:
    """The gold of each pair, in the order of `pairs`; the file has a line for each record, usable or not."""
    from seqweave.data.readers import read_sources
    from seqweave.errors import DataError
    from seqweave.evaluation.alignment_error import read_gold

    texts = list(read_sources(path))
    if len(texts) != len(lines):
        raise DataError(
            f"the gold must have one line for each pair ({len(lines):,}), but it has {len(texts):,}: correct the file",
            path,
        )
    gold = []
    for place, line in enumerate(lines):
        if line not in pairs:
            continue
        source, target = pairs[line]
        try:
            lengths = (len(source.split()), len(target.split()))
            links = texts[place].removeprefix(f"{line}\t")  # as `align` prints them
            gold.append(read_gold(links, first=first, lengths=lengths))
        except DataError as error:
            raise DataError(str(error), path, place + 1) from None
    return gold


def _print_links(
    lines: list[int], pairs: dict[int, tuple[str, str]], found: list[Links], form: tuple[bool, bool]
) -> None:
    from seqweave.inspection.alignments import to_pharaoh

    pharaoh, json = form
    links = dict(zip(pairs, found, strict=True))
    for line in lines:
        shown = links.get(line, frozenset())
        if json:
            source, target = pairs.get(line, ("", ""))
            print_json({"line": line, "source": source, "target": target, "links": sorted(shown)}, indent=None)
        else:
            print(to_pharaoh(shown) if pharaoh else f"{line}\t{to_pharaoh(shown)}")


def _print_figures(found: list[Links], gold: list[Gold], json: bool) -> None:
    from seqweave.evaluation.alignment_error import alignment_error

    figures = alignment_error(found, gold, samples=1000)
    if json:
        print_json(figures.to_json())
        return
    low, high = figures.interval or (figures.aer, figures.aer)
    print(f"AER        {figures.aer:5.1f}  [{low:.1f}, {high:.1f}]")
    print(f"precision  {figures.precision:5.1f}")
    print(f"recall     {figures.recall:5.1f}")
    right = f"{figures.sure:,} sure, {figures.possible - figures.sure:,} more possible"
    print(f"{count(figures.pairs, 'pair')}, {count(figures.links, 'link')}; gold: {right}")
