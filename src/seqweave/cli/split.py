"""`seqweave split`: a file of pairs into files for training, validation and test."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqweave.cli.common import Data, DataSettings, Json, TargetFile, print_json
from seqweave.wording import count

if TYPE_CHECKING:
    from seqweave.data.splitting import SplitResult


def split(
    data: Data,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="New folder for the files.")],
    target_file: TargetFile = None,
    dev: Annotated[float, typer.Option(metavar="SHARE", help="Share of the distinct sources for dev; 0: none.")] = 0.1,
    test: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the distinct sources for test; 0: none.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another one draws other parts.")] = 1,
    set_: DataSettings = None,
    json: Json = False,
) -> None:
    """Write the usable pairs of DATA into train, dev and test files that share no source.

    Repeated pairs are written once. The parts depend on the sources, the shares and --seed alone.

    Example: seqweave split pairs.tsv -o parts --dev 0.1 --test 0.1
    """
    from seqweave.config import resolve_settings
    from seqweave.data.splitting import split_data

    config = resolve_settings(settings=set_ or [])
    found = split_data(data, out, target_file, config.data, dev=dev, test=test, seed=seed)
    if json:
        parts = [{**asdict(part), "paths": [str(path) for path in part.paths]} for part in found.parts]
        print_json({**asdict(found), "parts": parts})
    else:
        print("\n".join(_report(found)))


def _report(found: SplitResult) -> Iterator[str]:
    dropped = found.records - found.kept
    reasons = ", ".join(f"{reason} ({number:,})" for reason, number in found.dropped.items())
    yield found.dialect
    yield f"{count(found.records, 'record')}: {found.kept:,} kept, {dropped:,} dropped" + (
        f": {reasons}; `seqweave check` says more" if reasons else ""
    )
    yield f"repeated pairs left out: {found.repeated:,}"
    for part in found.parts:
        paths = " and ".join(map(str, part.paths))
        yield f"{paths}: {count(part.pairs, 'pair')} of {count(part.sources, 'distinct source')}"
    yield f"written as {found.written}"
    yield f"next: {_next(found)}"


def _next(found: SplitResult) -> str:
    files = {part.name: " ".join(shlex.quote(str(path)) for path in part.paths) for part in found.parts}
    dev = f" --dev {files['dev']}" if "dev" in files else ""
    return f"seqweave train {files['train']} -o model{found.options}{dev}"
