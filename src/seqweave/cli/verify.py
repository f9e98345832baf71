"""`seqweave verify`: the proofs of the search on a model, and how often the search errs."""

from __future__ import annotations

import json as json_format
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from seqweave.cli.common import (
    Device,
    Folder,
    Json,
    SearchSettings,
    TargetFile,
    load_model,
    note_unknown_pairs,
    one_line,
    print_json,
    read_pairs,
)
from seqweave.cli.options import BeamsCompared, Samples, SourceSeed, SourcesOrPairs, Tolerance
from seqweave.wording import count

if TYPE_CHECKING:
    from seqweave.predictor import Model
    from seqweave.proofs.search_errors import SearchErrors
    from seqweave.proofs.verify import Proof, Verification

DEFAULT_BEAMS = "1,2,5,10"
DEFAULT_SAMPLES = 100
DEFAULT_TOLERANCE = 1e-4
PROOFS = ("proof", "compared", "largest deviation", "tolerance", "result")
BEAMS = ("beam", "mean score", "better", "worse", "cut", "best missed")


def verify(
    folder: Folder,
    data: SourcesOrPairs = None,
    target_file: TargetFile = None,
    samples: Samples = DEFAULT_SAMPLES,
    seed: SourceSeed = 1,
    beams: BeamsCompared = DEFAULT_BEAMS,
    tolerance: Tolerance = DEFAULT_TOLERANCE,
    settings: SearchSettings = None,
    json: Json = False,
    device: Device = "auto",
) -> None:
    """Prove that the search does what the model says, and count search errors.

    Exit code 1 when a proof fails.

    Example: seqweave verify model test.tsv
    """
    from seqweave.errors import ConfigError
    from seqweave.proofs.verify import verify_search

    if samples < 1:
        raise ConfigError(f"--samples must be 1 or more, but it is {samples}: give the most sources to use")
    sizes = _sizes(beams)
    model = load_model(folder, device, settings)
    sources = _sources(model, folder, data, target_file, samples, seed)
    found = verify_search(model, sources, beams=sizes, tolerance=tolerance)
    note_unknown_pairs(model, sources)
    if json:
        print_json(found.to_json())
    else:
        print(_report(found, str(model.device)))
    if not found.passed:
        raise typer.Exit(1)


def _sizes(text: str) -> list[int]:
    from seqweave.errors import ConfigError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--beams takes numbers separated by commas, such as 1,2,5, but got {text!r}") from None


def _sources(
    model: Model, folder: Path, data: Path | None, target_file: Path | None, samples: int, seed: int
) -> list[str]:
    """Distinct sources of DATA or of the folder, at most `samples`, in their order."""
    every = _sampled_while_training(folder) if data is None else read_pairs(data, target_file, model.config.data)[0]
    distinct = list(dict.fromkeys(every))
    if len(distinct) <= samples:
        return distinct
    return [distinct[index] for index in sorted(random.Random(seed).sample(range(len(distinct)), samples))]


def _sampled_while_training(folder: Path) -> list[str]:
    from seqweave.data.readers import read_sources
    from seqweave.errors import DataError
    from seqweave.folder import SAMPLES

    path = folder / SAMPLES
    if not path.is_file():
        raise DataError("there must be sources to verify with, but the folder has no samples: name DATA", path)
    try:
        found = [json_format.loads(line)["source"] for line in read_sources(path)]
    except (ValueError, KeyError, TypeError):
        found = [None]
    if not found or not all(isinstance(one, str) for one in found):
        raise DataError("must hold a JSON object with a source on every line, but does not: name DATA instead", path)
    return found


def _report(found: Verification, device: str) -> str:
    network = "optimized network" if found.optimized else "network as it is"
    head = f"{count(len(found.sources), 'source')}, greedy and beam {found.beam_size}, on {device}, {network}"
    rows = [_proof_row(proof, found.sources) for proof in found.proofs]
    failed = sum(not proof.passed for proof in found.proofs)
    verdict = f"{failed} of {count(len(rows), 'proof')} failed" if failed else "every proof holds"
    return "\n".join([head, "", _table(PROOFS, rows), "", verdict, "", *_errors(found.errors)])


def _proof_row(proof: Proof, sources: Sequence[str]) -> list[str]:
    result = "holds" if proof.passed else "FAILS"
    if proof.compared == 0:
        result = "nothing to compare"
    elif proof.ties:
        result += f", {count(proof.ties, 'tie')}"
    if not proof.passed and proof.worst is not None:
        result += f": {one_line(sources[proof.worst])}"
    return [proof.name, f"{proof.compared:,}", f"{proof.deviation:.1e}", f"{proof.tolerance:.1e}", result]


def _errors(errors: SearchErrors) -> list[str]:
    rows = [
        [
            str(one.beam),
            "-" if one.score is None else f"{one.score:.4f}",
            "-" if place == 0 else str(one.better),
            "-" if place == 0 else str(one.worse),
            str(one.cut),
            f"{one.missed} of {errors.exact}" if errors.exact else "-",
        ]
        for place, one in enumerate(errors.beams)
    ]
    known = f"The best output is known for {errors.exact} of {count(errors.sources, 'source')}"
    if errors.exact < errors.sources:
        known += f"; for the others more than {errors.most_prefixes:,} prefixes may still win"
    return [
        "search errors: sources with a better or a worse score than with the next narrower beam",
        "",
        _table(BEAMS, rows),
        "",
        known + ".",
    ]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    return "\n".join(line.rstrip() for line in lines)
