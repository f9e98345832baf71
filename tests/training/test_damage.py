"""Files of a stopped run that are not as they were written: mended and said, or refused; never believed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import golden
from quick import slow
from seqweave.errors import ModelFolderError
from seqweave.folder import check_manifest
from seqweave.training import precision
from seqweave.training.checkpoint import DamagedCheckpointError, check_checkpoint, read_checkpoint
from seqweave.training.record import Record, sum_of
from tiny_run import SETTINGS, write_pairs
from tiny_runs import KilledError, assert_equal_runs, killer, run, warnings_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`unbroken`, and `stopped` by a kill in step 11, with checkpoints of steps 6 and 9."""
    place = tmp_path_factory.mktemp("runs")
    data = write_pairs(place / "pairs.tsv", seed=5)  # the validations of steps 4 and 8 each keep their weights
    run(place / "unbroken", data)
    with pytest.raises(KilledError):
        run(place / "stopped", data, killer("batch", 11))
    return place


@pytest.fixture
def stopped(runs: Path, tmp_path: Path) -> Path:
    """A copy of the stopped run."""
    return Path(shutil.copytree(runs / "stopped", tmp_path / "model"))


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def gone_on(stopped: Path, runs: Path) -> list[str]:
    """Go on to the end, which must be that of the unbroken run; gives what was said."""
    said = warnings_of(runs / "pairs.tsv", stopped)
    assert_equal_runs(stopped, runs / "unbroken")
    assert check_manifest(stopped) == check_manifest(runs / "unbroken")
    assert {path.name for path in (stopped / "checkpoints").iterdir()} == {"step_00000012"}
    return said


def refused(stopped: Path, runs: Path, match: str) -> None:
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    with pytest.raises(ModelFolderError, match=match):
        run(stopped, runs / "pairs.tsv")
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()} == before


def test_an_undamaged_run_goes_on_without_a_word(stopped: Path, runs: Path) -> None:
    assert gone_on(stopped, runs) == []


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("source.bin", flip),
        slow("target_lengths.bin", flip),
        slow("source_offsets.bin", Path.unlink),
        ("meta.json", Path.unlink),
    ],
)
def test_damaged_ids_are_made_again(stopped: Path, runs: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(stopped / "cache" / name)
    (said,) = gone_on(stopped, runs)
    assert "cache are made again from the data: " in said
    assert name in said


@pytest.mark.slow
def test_ids_whose_sums_fit_but_are_others_are_made_again(stopped: Path, runs: Path) -> None:
    """As a copy of another run's cache: its own meta.json does not know."""
    (stopped / "cache" / "meta.json").write_text((stopped / "cache" / "meta.json").read_text() + "\n")
    (said,) = gone_on(stopped, runs)
    assert "meta.json was changed" in said


def test_data_that_give_other_ids_now_are_refused(stopped: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a library that takes words apart does it otherwise in a later version."""
    flip(stopped / "cache" / "source.bin")
    monkeypatch.setattr("seqweave.data.storage.FORMAT_VERSION", 99)
    with pytest.raises(
        ModelFolderError, match=r"the data give other ids than when the run in .* began: go on with the"
    ):
        run(stopped, runs / "pairs.tsv")


@pytest.mark.parametrize("damage", [flip, slow(Path.unlink)], ids=["flipped", "gone"])
def test_hashes_of_sources_are_made_again(stopped: Path, runs: Path, damage: Callable[[Path], None]) -> None:
    damage(stopped / "source_hashes.bin")
    (said,) = gone_on(stopped, runs)
    assert "source_hashes.bin" in said
    assert (stopped / "source_hashes.bin").read_bytes() == (runs / "unbroken" / "source_hashes.bin").read_bytes()


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_changed_tokenizer_is_refused_and_not_sealed(stopped: Path, runs: Path, side: str) -> None:
    path = stopped / f"{side}.tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"a"', '"A"'), encoding="utf-8")
    refused(stopped, runs, rf"when the run began, but {side}\.tokenizer\.json was changed: restore the folder")
    path.unlink()
    refused(stopped, runs, rf"when the run began, but {side}\.tokenizer\.json is missing: restore the folder")


def test_a_changed_config_is_refused_and_not_sealed(stopped: Path, runs: Path) -> None:
    path = stopped / "config.json"
    text = path.read_text()
    path.write_text(text.replace('"dropout": 0.2', '"dropout": 0.25'))
    refused(
        stopped, runs, r"config\.json was changed since the run began: model\.dropout \(was 0\.2, now 0\.25\); remove"
    )
    path.write_text(text[:-20])
    refused(stopped, runs, r"config\.json must be JSON.*; or remove .*config\.json, and the same command writes it")
    path.unlink()
    (said,) = gone_on(stopped, runs)
    assert said.endswith("config.json was gone: it is written again, as run.json has it")


def test_a_kill_while_the_precision_changes_is_mended(
    stopped: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(record: Record, config: object) -> None:
        raise KilledError

    wanted = {**SETTINGS, "training.precision": "bf16"}
    monkeypatch.setattr(precision, "runs_in_bf16", lambda *_: True)
    with monkeypatch.context() as patch:
        patch.setattr(Record, "config", killed)
        with pytest.raises(KilledError):
            warnings_of(runs / "pairs.tsv", stopped, wanted)
    assert json.loads((stopped / "config.json").read_text())["training"]["precision"] == "fp32"
    monkeypatch.setattr("seqweave.training.run.warn_if_slow", killed_by_anything)  # before it trains in bf16
    with pytest.raises(KilledError):
        warnings_of(runs / "pairs.tsv", stopped, wanted)
    assert json.loads((stopped / "config.json").read_text())["training"]["precision"] == "bf16"
    assert json.loads((stopped / "run.json").read_text())["config"]["training"]["precision"] == "bf16"
    check_manifest(stopped)


def killed_by_anything(*_: object) -> None:
    raise KilledError


def changed_run(stopped: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads((stopped / "run.json").read_text())
    change(content)
    (stopped / "run.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.update(status="finished"),
        lambda run: run.update(status="preparing"),
        lambda run: run.update(status="trainimg"),
        lambda run: run["facts"].update(kept=119),
        lambda run: run["requested"]["training"].update(seed=2),
        lambda run: run["config"]["model"].update(dropout=0.3),
        lambda run: run["sums"]["target.tokenizer.json"].update(bytes=1),
        lambda run: run.update(sum="0" * 64),
    ],
)
def test_a_changed_run_record_is_refused(stopped: Path, runs: Path, change: Callable[[dict[str, Any]], None]) -> None:
    changed_run(stopped, change)
    refused(
        stopped, runs, r"run\.json must be as it was written, but it was changed: restore the folder from a copy, or"
    )


@pytest.mark.parametrize("name", ["sum", "sums", "config"])
def test_missing_sums_are_refused(stopped: Path, runs: Path, name: str) -> None:
    changed_run(stopped, lambda run: run.pop(name))
    refused(stopped, runs, r"run\.json must hold the sums of the run's files, but it does not: restore")


def test_a_run_record_is_known_however_it_is_written(stopped: Path, runs: Path) -> None:
    changed_run(stopped, lambda run: run.update(dict(reversed(run.items()))))
    assert gone_on(stopped, runs) == []
    assert sum_of({"a": 1, "b": (2,)}) == sum_of({"b": [2], "a": 1}) != sum_of({"a": 1, "b": [3]})


FILES = ("model.safetensors", "optimizer.safetensors", "average.safetensors", "state.json", "logs.json")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("optimizer.safetensors", flip),
        *(slow(name, flip) for name in FILES if name != "optimizer.safetensors"),
        slow("logs.json", Path.unlink),
        ("COMPLETE", Path.unlink),
    ],
)
def test_a_damaged_newest_checkpoint_falls_back(
    stopped: Path, runs: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(stopped / "checkpoints" / "step_00000009" / name)
    (said,) = gone_on(stopped, runs)
    assert "step_00000009 is damaged (" in said
    assert name in said
    assert said.endswith("the run goes on from step 6")


@pytest.mark.slow
def test_two_checkpoints_that_changed_places_are_noticed(stopped: Path, runs: Path) -> None:
    checkpoints = stopped / "checkpoints"
    for name, other in (("step_00000006", "x"), ("step_00000009", "step_00000006"), ("x", "step_00000009")):
        (checkpoints / name).rename(checkpoints / other)
    first, second = gone_on(stopped, runs)
    assert first.endswith("step_00000009 is damaged (state.json is of step 6): the run goes on from step 3")
    assert second.endswith("step_00000006 is damaged (state.json is of step 9): the run goes on from step 3")


def test_a_checkpoint_of_the_average_is_looked_at_before_the_end(stopped: Path, runs: Path) -> None:
    flip(stopped / "checkpoints" / "step_00000006" / "average.safetensors")
    first, second = gone_on(stopped, runs)
    assert "step_00000009 is damaged (step_00000006, which it is averaged with: average.safetensors was" in first
    assert "step_00000006 is damaged (average.safetensors was changed): the run goes on from step 3" in second


def test_where_no_checkpoint_is_whole_the_run_is_refused(stopped: Path, runs: Path) -> None:
    for path in stopped.glob("checkpoints/step_*/model.safetensors"):
        flip(path)
    refused(
        stopped, runs, r"step_00000009 is damaged \(.*\), and the checkpoint .*step_00000003 is damaged .*no other: "
    )
    shutil.rmtree(stopped / "checkpoints")
    assert gone_on(stopped, runs) == []  # from the beginning


@pytest.mark.parametrize("content", ["[]", "{}", "3", "[" * 100_000, '{"model.safetensors": 3}', '{"../x": "a"}'])
def test_a_mark_that_marks_nothing_is_damage(runs: Path, tmp_path: Path, content: str) -> None:
    path = Path(shutil.copytree(runs / "stopped" / "checkpoints" / "step_00000009", tmp_path / "step_00000009"))
    check_checkpoint(path)
    (path / "COMPLETE").write_text(content)
    for read in (check_checkpoint, read_checkpoint):
        with pytest.raises(DamagedCheckpointError, match=r"step_00000009 is damaged \(COMPLETE "):
            read(path)


@pytest.mark.parametrize("damage", [flip, slow(Path.unlink)], ids=["flipped", "gone"])
def test_damaged_best_weights_are_put_back(stopped: Path, runs: Path, damage: Callable[[Path], None]) -> None:
    damage(stopped / "model.safetensors")
    (said,) = gone_on(stopped, runs)
    assert "model.safetensors" in said
    assert "the best weights so far, of step 8, are put back" in said


@pytest.mark.slow
def test_where_the_copy_of_the_best_weights_is_damaged_it_is_made_again(stopped: Path, runs: Path) -> None:
    flip(stopped / "checkpoints" / "best_00000008.safetensors")
    assert gone_on(stopped, runs) == []


def test_best_weights_that_are_lost_are_trained_again(stopped: Path, runs: Path) -> None:
    for path in (stopped / "model.safetensors", stopped / "checkpoints" / "best_00000008.safetensors"):
        flip(path)
    put_back, said = gone_on(stopped, runs)
    assert "model.safetensors was changed and best_00000008.safetensors was changed" in said
    assert said.endswith("the run goes on from step 6")
    assert "of step 4, are put back" in put_back


@pytest.mark.parametrize("damage", [slow(flip), Path.unlink], ids=["flipped", "gone"])
def test_a_damaged_manifest_is_written_again(stopped: Path, runs: Path, damage: Callable[[Path], None]) -> None:
    damage(stopped / "MANIFEST.json")
    (said,) = gone_on(stopped, runs)
    assert said.startswith("MANIFEST.json is written again, because ")


def test_settings_that_were_only_laid_out_anew_are_written_as_they_were(stopped: Path, runs: Path) -> None:
    path = stopped / "config.json"
    before = path.read_bytes()
    path.write_bytes(before + b" \n")
    (said,) = gone_on(stopped, runs)
    assert said.startswith("MANIFEST.json is written again, because ")
    assert path.read_bytes() == before


@pytest.mark.slow
def test_weights_of_a_validation_that_is_done_again_are_put_back_without_a_word(runs: Path, tmp_path: Path) -> None:
    data = runs / "pairs.tsv"
    with pytest.raises(KilledError):
        run(tmp_path / "model", data, killer("validation", 8))  # the newest checkpoint is of step 6
    before = (tmp_path / "model" / "checkpoints" / "best_00000004.safetensors").read_bytes()
    assert (tmp_path / "model" / "model.safetensors").read_bytes() != before
    with pytest.raises(KilledError):
        run(tmp_path / "model", data, killer("batch", 7))
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == before
    assert gone_on(tmp_path / "model", runs) == []


# Runs of format 0 have no sums.


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A stopped run of format 0."""
    return Path(shutil.copytree(golden.FORMAT_0 / "folders" / "interrupted_copy", tmp_path / "model"))


def test_an_older_run_says_what_could_not_be_checked(older: Path) -> None:
    before = (older / "cache" / "source.bin").stat().st_ino
    said = []

    def listen(event: Any) -> None:
        if event.kind == "warning":
            said.append(event.values["text"])
        if event.kind == "found":
            assert (older / "cache" / "source.bin").stat().st_ino != before
            raise KilledError

    with pytest.raises(KilledError):
        run_older(older, listen)
    assert len(said) == 1
    assert "was begun by an earlier seqweave, which wrote no sums: its ids are made again from the data, and" in said[0]
    assert "config.json and the tokenizers could not be checked" in said[0]


@pytest.mark.parametrize("name", ["config.json", "target.tokenizer.json"])
def test_an_older_run_is_compared_with_its_manifest(older: Path, name: str) -> None:
    (older / name).write_text((older / name).read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(ModelFolderError, match=rf"must be as its manifest says, but {name} was changed: restore"):
        run_older(older, lambda event: None)


def run_older(folder: Path, listen: Callable[[Any], None]) -> None:
    from seqweave import train

    settings = golden.settings_of("interrupted_copy")
    train(golden.FORMAT_0 / "pairs.tsv", folder, settings=settings, device="cpu", listen=listen)
