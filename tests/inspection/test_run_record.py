"""Records of runs whose values are of odd kinds: a sentence, from the doctor and from the curve."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seqweave.config import Config, config_to_json
from seqweave.errors import ModelFolderError
from seqweave.folder import CONFIG, EVENTS, RUN
from seqweave.inspection.curve import read_curve
from seqweave.inspection.doctor.diagnose import diagnose
from seqweave.inspection.doctor.run_record import read_run_record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that has no weights yet."""
    (tmp_path / CONFIG).write_text(config_to_json(Config()), encoding="utf-8")
    write(tmp_path / RUN, {"status": "training", "requested": {}, "facts": {}})
    write(tmp_path / EVENTS, {"event": "step", "step": 1, "loss": 2.5})
    return tmp_path


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def test_what_was_written_is_read(folder: Path) -> None:
    assert [row["loss"] for row in read_run_record(folder).steps] == [2.5]
    assert isinstance(diagnose(read_run_record(folder)), list)


@pytest.mark.parametrize(
    "run",
    [
        3,
        None,
        [],
        {},
        {"status": 3, "facts": {}},
        {"status": "x", "facts": []},
        {"status": "x", "facts": {"target_vocabulary": "many"}},
        {"status": "x", "facts": {"target_vocabulary": True}},
        {"status": "x", "facts": {"source_text": [1]}},
        {"status": "x", "facts": {"source_text": {"upper": "x"}}},
        {"status": "x", "facts": {"unknown_rate": {"source": [1]}}},
        {"status": "x", "facts": {"padding": {"share": {}}}},
    ],
)
def test_an_odd_run_is_refused(folder: Path, run: Any) -> None:
    write(folder / RUN, run)
    with pytest.raises(ModelFolderError, match=r"run\.json"):
        read_run_record(folder)


@pytest.mark.parametrize("key", ["step", "loss", "perplexity", "free_running_perplexity"])
@pytest.mark.parametrize("value", ["x", True, [1], {}])
def test_odd_events_are_refused(folder: Path, key: str, value: Any) -> None:
    write(folder / EVENTS, {"event": "validation", "step": 1, key: value})
    with pytest.raises(ModelFolderError, match=r"events\.jsonl must hold what seqweave wrote, but event 1"):
        read_run_record(folder)


@pytest.mark.parametrize(
    "row", [{}, {"step": "x"}, {"step": None}, {"step": 1, "perplexity": "x"}, {"step": 1, "perplexity": -1}]
)
def test_a_curve_of_odd_values_is_refused(folder: Path, row: Any) -> None:
    write(folder / EVENTS, {"event": "validation", **row})
    with pytest.raises(ModelFolderError, match=r"events\.jsonl must hold a step and perplexities"):
        read_curve(folder)
