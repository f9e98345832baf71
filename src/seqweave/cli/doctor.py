"""`seqweave doctor`: what is wrong with a model, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from seqweave.cli.common import Device, Folder, Json, TargetFile, note, print_json, read_pairs, warn_of_unfinished


def doctor(
    folder: Folder,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]", help="Pairs to look at, other than those of the training. Default: the run's samples."
        ),
    ] = None,
    target_file: TargetFile = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Say what is wrong with the model in DIR, and for each finding the one thing to do.

    Exit code 1 when something is found.

    Example: seqweave doctor model test.tsv
    """
    from seqweave.folder import WEIGHTS, read_model

    if (folder / WEIGHTS).is_file():
        read_model(folder)  # before torch is imported
    from seqweave.inspection.doctor.diagnose import diagnose
    from seqweave.inspection.doctor.run_record import config_of, read_run_record
    from seqweave.run_status import unfinished

    config = config_of(folder)
    run = read_run_record(folder, None if data is None else read_pairs(data, target_file, config.data), device)
    if run.asked is None:
        note(f"{folder} has no weights yet: only the record of its training was looked at")
    warn_of_unfinished([folder])
    found = diagnose(run)
    if json:
        asked = 0 if run.asked is None else len(run.asked.sources)
        findings = [asdict(one) for one in found]
        print_json({"sources": asked, "unfinished": unfinished([folder]) or None, "findings": findings})
    elif not found:
        print("nothing found")
    else:
        print("\n\n".join(f"{one.name}\n  {one.evidence}\n  remedy: {one.remedy}" for one in found))
    if found:
        raise typer.Exit(1)
