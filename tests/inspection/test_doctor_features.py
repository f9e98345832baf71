"""The doctor on models whose sources have features: what is said of their tags, their texts and of leakage."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

import seqweave
from seqweave.cli.main import main
from seqweave.inspection.doctor.data import leakage
from seqweave.inspection.doctor.preparation import prepared_differently
from seqweave.inspection.doctor.run_record import Finding, RunRecord, read_run_record
from tiny_run import SETTINGS, write_tagged_pairs

FEATURED = {**SETTINGS, "data.feature_columns": ["3"], "training.max_steps": 4}
SOURCES = ["abc", "fed", "cab", "deaf", "bead"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of words, forwards or backwards as a feature says."""
    where = tmp_path_factory.mktemp("features")
    pairs = write_tagged_pairs(where / "pairs.tsv")
    seqweave.train(pairs, where / "model", settings=FEATURED)
    return where


def record(folder: Path, cells: str, sources: list[str] = SOURCES) -> RunRecord:
    return read_run_record(folder / "model", ([f"{text}\t{cells}" for text in sources], sources), "cpu")


def prepared(found: RunRecord) -> Finding | None:
    assert found.asked is not None
    return prepared_differently(found, found.asked)


def test_features_as_in_training_are_no_illness(folder: Path) -> None:
    for cells in ("V;KEEP", " TURN ; V", "V"):
        assert prepared(record(folder, cells)) is None


def test_unknown_features_are_named(folder: Path) -> None:
    for cells, share, strange in (("V;KEEP;PST", 33, "'PST'"), ("V,KEEP", 100, "'V,KEEP'")):
        found = prepared(record(folder, cells))
        assert found is not None
        assert found.name == "text prepared differently"
        assert found.evidence == f"{share}% of the source tags are unknown ({strange}); in training 0%"
        assert "write source tags as in training: 'V', " in found.remedy
        assert "in column 3, with ';' between; or train again" in found.remedy


def test_missing_features_are_named(folder: Path) -> None:
    found = prepared(record(folder, ""))
    assert found is not None
    assert found.evidence == "100% of the sources have no source tags; in training 0%"
    assert found.remedy.startswith("write source tags as in training: 'V', ")


def test_more_features_than_in_training_are_no_illness(folder: Path) -> None:
    found = record(folder, "V;KEEP")
    trained = {**found.facts["source_text"], "featureless": 0.8}
    assert prepared(replace(found, facts={**found.facts, "source_text": trained})) is None


def test_unknown_items_beside_features_are_named(folder: Path) -> None:
    found = prepared(record(folder, "V;KEEP", ["xyz", "zzzy", "yxzy"]))
    assert found is not None
    assert found.remedy == "train again with pairs that have these items"


def test_the_same_source_with_other_features_is_no_leakage(folder: Path) -> None:
    pairs = [line.split("\t") for line in (folder / "pairs.tsv").read_text(encoding="utf-8").split("\n") if line]
    sources = list(dict.fromkeys(word for word, _, _ in pairs))
    assert leakage(record(folder, "V", sources)) is None
    data = [f"{word}\t{cells}" for word, _, cells in pairs]
    found = leakage(read_run_record(folder / "model", (data, data), "cpu"))
    assert found is not None


def test_the_command_that_is_named_reads_the_features(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = str(folder / "pairs.tsv")
    assert main(["doctor", str(folder / "model"), data, "--device", "cpu"]) == 1
    named = capsys.readouterr().out.split("`")[1].replace("TRAIN", data).replace("test=DATA", f"test={data}")
    assert main(shlex.split(named)[1:]) == 0
    assert "sources of test that are also in data: 80 (100.0%)" in capsys.readouterr().out
