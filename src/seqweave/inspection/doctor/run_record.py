"""What the doctor looks at: the record of a run, and the model's answers to some sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from seqweave.config import Config
from seqweave.data.facts.hashes import SourceHashes
from seqweave.data.facts.profile import TextProfile
from seqweave.errors import DataError, ModelFolderError
from seqweave.folder import (
    EVENTS,
    RUN,
    SAMPLES,
    SOURCE_HASHES,
    WEIGHTS,
    check_manifest,
    read_config,
    read_object,
    read_rows,
)
from seqweave.loading import load
from seqweave.predictor import Model
from seqweave.search.hypothesis import Hypothesis
from seqweave.wording import RESTORE, RESTORE_OR_TRAIN

_NUMBER = (int, float)
# What is looked at of run.json and events.jsonl, and of which kind it is.
FACTS: Mapping[str, Any] = {
    "target_vocabulary": _NUMBER,
    "dev_sources_shared": _NUMBER,
    "dev_pairs": _NUMBER,
    "source_text": {part.name: _NUMBER for part in fields(TextProfile)},
    "unknown_rate": {"source": _NUMBER},
    "features": {"unknown_rate": _NUMBER},
    "padding": {"share": _NUMBER, "share_without": _NUMBER},
}
EVENT = dict.fromkeys(("step", "loss", "perplexity", "free_running_perplexity"), _NUMBER)
MOST_ASKED = 1000  # sources; with more pairs these are evenly spaced


@dataclass(frozen=True)
class Finding:
    """One illness: its name, what shows it, and the one thing to do."""

    name: str
    evidence: str
    remedy: str


@dataclass(frozen=True)
class Asked:
    """What a model was asked, each source once, and what it said.

    Attributes:
        model: the model.
        sources, targets: what it was asked, and what it should have said (of several targets the first).
        answers: its greedy answers, with attention where it has any.
    """

    model: Model
    sources: Sequence[str]
    targets: Sequence[str]
    answers: Sequence[Hypothesis]


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run.

    Attributes:
        config: its settings.
        asked: questions and answers; None while the run has no weights.
        data: all sources of DATA; none where the run's own samples are looked at.
        trained_on: which sources were trained on; None in folders that do not keep it.
        facts: those of run.json.
        finished: whether the run is finished.
        steps, validations: the lines of events.jsonl, in order; the averaged weights' validation is left out.
    """

    config: Config
    asked: Asked | None = None
    data: Sequence[str] = ()
    trained_on: SourceHashes | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    finished: bool = True
    steps: Sequence[Mapping[str, Any]] = ()
    validations: Sequence[Mapping[str, Any]] = ()


def read_run_record(
    folder: Path, pairs: tuple[Sequence[str], Sequence[str]] | None = None, device: str = "auto"
) -> RunRecord:
    """Read a run, and ask its model.

    Args:
        folder: a model folder, or one whose training has not got as far as weights yet: then nothing is asked.
        pairs: sources and targets of DATA; None: the fixed samples of the run.
        device: auto, cpu, cuda or mps.

    Raises:
        ModelFolderError: when the folder is no run, or damaged.
        DataError: when there are no pairs to look at.
    """
    config = config_of(folder)
    run: dict[str, Any] = {"facts": {}, "status": "finished"}
    if (folder / RUN).is_file():
        run = _run(folder / RUN)
    asked = None
    if (folder / WEIGHTS).is_file():
        model = load(folder, device)
        model.check_reads_text()
        asked = ask(model, *(pairs or _samples(folder)))
    events = _events(folder / EVENTS)
    return RunRecord(
        config=config,
        asked=asked,
        data=pairs[0] if pairs else (),
        trained_on=SourceHashes.from_file(folder / SOURCE_HASHES) if (folder / SOURCE_HASHES).is_file() else None,
        facts=run["facts"],
        finished=run["status"] == "finished",
        steps=[row for row in events if row.get("event") == "step"],
        validations=[row for row in events if row.get("event") == "validation" and "averaged" not in row],
    )


def config_of(folder: Path) -> Config:
    """The settings of a model folder, which may have no weights yet if it is that of a run.

    Raises:
        ModelFolderError: when the folder is neither, or damaged.
    """
    if not (folder / RUN).is_file() or (folder / WEIGHTS).is_file():
        check_manifest(folder)
    return read_config(folder)


def ask(model: Model, sources: Sequence[str], targets: Sequence[str]) -> Asked:
    """Let a model answer, each distinct source once, greedily and with attention."""
    pairs = dict(zip(reversed(sources), reversed(targets), strict=True))  # the first target of each source
    every = list(dict.fromkeys(sources))
    some = every[:: -(-len(every) // MOST_ASKED)]
    answers = model.predict(some, beam_size=1, return_attention=True, tabs=True)
    return Asked(model, some, [pairs[source] for source in some], answers)


def _samples(folder: Path) -> tuple[list[str], list[str]]:
    """Sources and targets of the fixed samples of a run."""
    pairs = {row["source"]: row["target"] for row in read_rows(folder / SAMPLES) if _is_pair(row)}
    if not pairs:
        raise DataError("there must be pairs to look at, but the folder has no samples: name DATA", folder / SAMPLES)
    return list(pairs), list(pairs.values())


def _is_pair(row: Mapping[str, Any]) -> bool:
    return isinstance(row.get("source"), str) and isinstance(row.get("target"), str)


def _run(path: Path) -> dict[str, Any]:
    """What run.json holds."""
    run = read_object(path)
    facts = run.get("facts")
    if not isinstance(facts, dict) or not isinstance(run.get("status"), str) or not _fit(facts, FACTS):
        raise ModelFolderError(f"{path} is not what seqweave wrote: {RESTORE_OR_TRAIN}")
    return run


def _events(path: Path) -> list[dict[str, Any]]:
    """The lines of events.jsonl."""
    rows = read_rows(path)
    for number, row in enumerate(rows, 1):
        if not _fit(row, EVENT):
            raise ModelFolderError(
                f"{path} must hold what seqweave wrote, but event {number} has a text where a number belongs: {RESTORE}"
            )
    return rows


def _fit(given: Mapping[str, Any], kinds: Mapping[str, Any]) -> bool:
    """Whether what is looked at has the kinds it was written with; what is missing, or null, does no harm."""
    for key, kind in kinds.items():
        value = given.get(key)
        if isinstance(kind, Mapping):
            fits = isinstance(value, dict) and _fit(value, kind)
        else:
            fits = isinstance(value, kind) and not isinstance(value, bool)
        if value is not None and not fits:
            return False
    return True
