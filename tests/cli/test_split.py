"""`seqweave split` at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqweave.cli.main import main

Capture = pytest.CaptureFixture[str]


def write(path: Path, pairs: int = 40) -> Path:
    rows = "".join(f"word {number}\tWort {number}\n" for number in range(pairs))
    path.write_text(rows + "word 1\tWort 1\nno tab\n", encoding="utf-8")
    return path


def test_split_says_what_it_wrote(capsys: Capture, tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.tsv")
    assert main(["split", str(path), "-o", str(tmp_path / "parts")]) == 0
    shown = capsys.readouterr().out
    parts = tmp_path / "parts"
    for said in (
        "42 records: 41 kept, 1 dropped: missing_column (1)",
        "repeated pairs left out: 1",
        f"{parts / 'train.tsv'}: 32 pairs of 32 distinct sources",
        f"{parts / 'dev.tsv'}: 4 pairs of 4 distinct sources",
        "written as TSV in UTF-8",
        f"next: seqweave train {parts / 'train.tsv'} -o model --dev {parts / 'dev.tsv'}",
    ):
        assert said in shown


def test_split_as_json(capsys: Capture, tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.tsv")
    words = ["split", str(path), "-o", str(tmp_path / "parts"), "--dev", "0.2", "--test", "0", "--seed", "7", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["records"], found["kept"], found["repeated"]) == (42, 41, 1)
    assert [(part["name"], part["pairs"]) for part in found["parts"]] == [("train", 32), ("dev", 8)]
    assert all(Path(path).is_file() for part in found["parts"] for path in part["paths"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--dev", "1"], "--dev and --test must be shares"),
        (["--set", "data.source_column=9"], "data.source_column"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_what_split_refuses(capsys: Capture, tmp_path: Path, more: list[str], said: str) -> None:
    path = write(tmp_path / "pairs.tsv")
    assert main(["split", str(path), "-o", str(tmp_path / "parts"), *more]) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.tsv"]


def test_split_leaves_a_full_folder_alone(capsys: Capture, tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.tsv")
    assert main(["split", str(path), "-o", str(tmp_path)]) == 2
    assert "must be a new or empty folder" in capsys.readouterr().err
