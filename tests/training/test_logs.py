"""The logs of a run: cut back to a checkpoint, cut short, changed, or gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from seqweave.errors import ModelFolderError
from seqweave.training.logs import Log, cut_log, cut_log_by_steps
from tiny_run import write_pairs
from tiny_runs import KilledError, assert_equal_runs, killer, run, warnings_of

LINES = ['{"step": 1}', '{"step": 2, "source": "고양이"}', '{"step": 3}']


def written(path: Path, lines: list[str] = LINES) -> Log:
    log = Log.of(path)
    for line in lines:
        log.add(line)
    return log


def test_a_log_is_summed_up_as_it_is_written(tmp_path: Path) -> None:
    sums = written(tmp_path / "log").sums()
    assert sums == Log.of(tmp_path / "log").sums()
    assert sums["bytes"] == (tmp_path / "log").stat().st_size == len("\n".join([*LINES, ""]).encode())


def test_lines_after_the_checkpoint_go(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sums = written(path).sums()
    before = path.read_bytes()
    written(path, ['{"step": 4}'])
    assert cut_log(path, sums) == []
    assert path.read_bytes() == before


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_log_that_ends_inside_a_character_or_a_line_is_cut_back_and_that_is_said(tmp_path: Path, cut: int) -> None:
    """Wherever a kill or a full disk has ended it: the Korean letters have three bytes each."""
    path = tmp_path / "log"
    sums = written(path, LINES[:2]).sums()
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    (said,) = cut_log(path, sums)
    assert said == f"{path} ended inside a line: it is cut back to its last whole line"
    assert path.read_bytes() == LINES[0].encode() + b"\n"
    path.write_bytes(whole[:-cut])
    (said,) = cut_log_by_steps(path, 5)
    assert said == f"{path} ended inside a line: it is cut back to its last whole line"
    assert path.read_bytes() == LINES[0].encode() + b"\n"


def test_a_torn_line_after_the_checkpoint_goes_and_is_said(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sums = written(path).sums()
    before = path.read_bytes()
    path.write_bytes(before + b'{"step": 4, "sour')
    assert cut_log(path, sums) == [f"{path} ended inside a line: it is cut back to its last whole line"]
    assert path.read_bytes() == before


def test_whole_lines_that_are_missing_are_said(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sums = written(path).sums()
    path.write_bytes("\n".join([*LINES[:2], ""]).encode())
    (said,) = cut_log(path, sums)
    assert said == f"{path} has lost its last lines: it has {path.stat().st_size} of {sums['bytes']} bytes"
    path.unlink()
    assert cut_log(path, sums) == [f"{path} is gone, and with it the record of the steps so far"]
    assert cut_log(path, {"bytes": 0, "sha256": ""}) == []


def test_a_log_of_one_torn_line_is_empty_then(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 3_000_000)
    assert len(cut_log(path, {"bytes": 4_000_000, "sha256": ""})) == 1
    assert path.read_bytes() == b""


def test_a_changed_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    sums = written(path).sums()
    path.write_bytes(path.read_bytes().replace(b"2", b"7"))
    with pytest.raises(ModelFolderError, match=r"log was changed since the last checkpoint, so its .* remove it to go"):
        cut_log(path, sums)


@pytest.mark.parametrize("other", [b"\0\0\x03\0\x0a", b"[1]\n", b'{"steps": 3}\n'])
def test_a_shorter_log_with_lines_that_are_no_records_is_refused(tmp_path: Path, other: bytes) -> None:
    """Such as another file of the folder in its place, which happens to hold the end of a line."""
    path = tmp_path / "log"
    sums = written(path, [*LINES, '{"step": 3, "averaged": [1, 2]}']).sums()
    path.write_bytes(other + b"torn")
    with pytest.raises(ModelFolderError, match=r"log was changed since the last checkpoint"):
        cut_log(path, sums)
    assert path.read_bytes() == other + b"torn"


def test_in_a_log_without_sums_steps_decide(tmp_path: Path) -> None:
    path = tmp_path / "log"
    written(path, [*LINES, "[]", "no JSON", '{"step": "2"}', '{"step": 2, "averaged": [1]}', "\0\0"])
    assert cut_log_by_steps(path, 2) == []
    assert path.read_text(encoding="utf-8").split("\n") == [*LINES[:2], '{"step": "2"}', ""]
    assert cut_log_by_steps(tmp_path / "none", 2) == []


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`unbroken`, and `stopped` by a kill in step 11."""
    place = tmp_path_factory.mktemp("runs")
    data = write_pairs(place / "pairs.tsv")
    run(place / "unbroken", data)
    with pytest.raises(KilledError):
        run(place / "stopped", data, killer("batch", 11))
    return place


@pytest.mark.slow
@pytest.mark.parametrize("name", ["events.jsonl", "samples.jsonl"])
def test_a_run_whose_log_is_cut_inside_a_character_goes_on(tmp_path: Path, runs: Path, name: str) -> None:
    """Also the end of a run whose log lost lines: what is there is sealed, and that it is not all was said."""
    data = runs / "pairs.tsv"
    for copy in ("model", "changed"):
        shutil.copytree(runs / "stopped", tmp_path / copy)
    path = tmp_path / "model" / name
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"step") + 2] + "é".encode()[:1])
    (said,) = warnings_of(data, tmp_path / "model")
    assert said == f"{path} ended inside a line: it is cut back to its last whole line"
    assert_equal_runs(tmp_path / "model", runs / "unbroken")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    assert rows[-1]["step"] == 12
    other = tmp_path / "changed" / name
    other.write_bytes(other.read_bytes().replace(b'"step": 4', b'"step": 5', 1))
    with pytest.raises(ModelFolderError, match=rf"{name} was changed since the last checkpoint"):
        run(tmp_path / "changed", data)
    other.unlink()
    (said,) = warnings_of(data, tmp_path / "changed")
    assert said == f"{other} is gone, and with it the record of the steps so far"
    assert_equal_runs(tmp_path / "changed", runs / "unbroken")
