"""What `train` refuses, decides and leaves behind; and that several processes change nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

from quick import slow
from seqweave.config import Config, TrainConfig
from seqweave.errors import ConfigError, DataError, ModelFolderError, SeqweaveError
from seqweave.loading import load
from seqweave.model.output.softmax import summed_loss
from seqweave.training.events import TrainEvent
from seqweave.training.record import Record
from seqweave.training.run import train
from seqweave.training.schedules import learning_rate
from tiny_run import SETTINGS, train_as_the_first_of_two, write_pairs

RESTART = "train again with --restart; .*model holds no model yet"


@pytest.fixture(scope="session")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which pairs.tsv was trained on for a moment."""
    folder = tmp_path_factory.mktemp("short")
    train(write_pairs(folder / "pairs.tsv"), folder / "model", settings=quick())
    return folder


@pytest.fixture
def trained(short_run: Path, tmp_path: Path) -> Path:
    """The pairs of a finished run, whose folder is `model`: a copy of both."""
    shutil.copytree(short_run, tmp_path, dirs_exist_ok=True)
    return tmp_path / "pairs.tsv"


def quick(**settings: object) -> dict[str, object]:
    return {**SETTINGS, "training.max_steps": 4, **settings}


def test_another_config_is_refused_with_the_keys_that_differ(tmp_path: Path, trained: Path) -> None:
    with pytest.raises(ConfigError, match=r"other settings: model.dropout \(was 0.2, now 0.5\); .*--restart"):
        train(trained, tmp_path / "model", settings=quick(**{"model.dropout": 0.5}))
    result = train(trained, tmp_path / "model", settings=quick(**{"model.dropout": 0.5}), restart=True)
    assert result.status == "finished"


def test_changed_data_are_refused(tmp_path: Path, trained: Path) -> None:
    write_pairs(trained, seed=2)
    with pytest.raises(DataError, match="the data have changed"):
        train(trained, tmp_path / "model", settings=quick())


def test_changed_data_are_noticed_where_files_share_a_name(tmp_path: Path) -> None:
    for side in ("train", "dev"):
        (tmp_path / side).mkdir()
    data, dev = write_pairs(tmp_path / "train" / "pairs.tsv"), write_pairs(tmp_path / "dev" / "pairs.tsv", 20, seed=3)
    train(data, tmp_path / "model", dev=dev, settings=quick())
    assert train(data, tmp_path / "model", dev=dev, settings=quick()).status == "already_finished"
    write_pairs(data, seed=2)
    with pytest.raises(DataError, match="the data have changed"):
        train(data, tmp_path / "model", dev=dev, settings=quick())


def test_a_finished_run_whose_weights_are_gone_is_refused(tmp_path: Path, trained: Path) -> None:
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(ModelFolderError, match=r"model\.safetensors is missing"):
        train(trained, tmp_path / "model", settings=quick())


@pytest.mark.parametrize("kill", ["earlier version", "tidies"])
def test_a_killed_restart_gives_the_old_model_back(tmp_path: Path, trained: Path, kill: str) -> None:
    folder = tmp_path / "model"
    (tmp_path / "model.replaced").mkdir()  # somebody's own
    weights = (folder / "model.safetensors").read_bytes()

    def interrupt(event: TrainEvent) -> None:
        if event.kind == "reading":
            assert (folder / "model.safetensors").read_bytes() == weights
            assert (tmp_path / ".model.preparing").is_dir()
            raise KeyboardInterrupt

    if kill == "earlier version":  # as one leaves it that is killed while it prepares the new run
        folder.rename(tmp_path / ".model.replaced")
        folder.mkdir()
        Record(folder).run("preparing", Config(), {})
    else:
        with pytest.raises(KeyboardInterrupt):
            train(trained, folder, settings=quick(), restart=True, listen=interrupt)
    assert train(trained, folder, settings=quick()).status == "already_finished"
    assert (folder / "model.safetensors").read_bytes() == weights
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.tsv", "model", "model.replaced", ".model.lock"}


def test_a_restart_killed_once_it_trains_goes_on(tmp_path: Path, trained: Path) -> None:
    (tmp_path / ".model.replaced").mkdir()
    assert train(trained, tmp_path / "model", settings=quick()).status == "already_finished"
    assert not (tmp_path / ".model.replaced").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("meow")
    for restart in (False, True):
        with pytest.raises(ModelFolderError, match="is not a seqweave run"):
            train(data, tmp_path / "photos", settings=quick(), restart=restart)
    assert (tmp_path / "photos" / "cat.jpg").read_text() == "meow"


UNUSABLE = [
    (b"", "it is empty"),
    (b"no tab\n", r"none of 1 line is usable: missing_column \(1\); see `seqweave check`"),
    (b"no tab\n\t\nno\n", r"none of 3 lines is usable: missing_column \(2\), empty_line \(1\); see"),
]


@pytest.mark.parametrize(("content", "why"), UNUSABLE)
def test_unusable_data_leave_nothing_behind(tmp_path: Path, content: bytes, why: str) -> None:
    data = tmp_path / "pairs.tsv"
    data.write_bytes(content)
    with pytest.raises(DataError, match=f"pairs.tsv: there must be a usable pair, but {why}"):
        train(data, tmp_path / "new" / "deep" / "model", settings=quick())
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.tsv"}


@pytest.mark.parametrize(("content", "why"), UNUSABLE)
def test_unusable_dev_pairs_are_named(tmp_path: Path, content: bytes, why: str) -> None:
    data, dev = write_pairs(tmp_path / "pairs.tsv"), tmp_path / "dev.tsv"
    dev.write_bytes(content)
    with pytest.raises(DataError, match=f"dev.tsv: there must be a usable pair, but {why}"):
        train(data, tmp_path / "model", dev=dev, settings=quick())
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("ab\tba\n", "there is only 1 in 1 usable pair: give more data, or .* --dev"),
        slow("ab\tba\nab\tb\n", "there is only 1 in 2 usable pairs: give more data, or .* --dev"),
        slow("ab\tba\nb\tb\n", "there are only 2 in 2 usable pairs: give more data, or .* --dev"),
        ("ab\tba\nb\tb\nc\tc\n" * 200, "at least 4 distinct sources, but there are only 3 in 600 usable pairs"),
        slow("ab\tba\n ab\tba\nab \tba\n\u00a0ab\tba\n", "there is only 1 in 4 usable pairs"),
    ],
)
def test_too_few_pairs_to_hold_some_out(tmp_path: Path, content: str, why: str) -> None:
    data = tmp_path / "pairs.tsv"
    data.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=why):
        train(data, tmp_path / "model", settings=quick())
    dev = write_pairs(tmp_path / "dev.tsv", 5)
    assert train(data, tmp_path / "model", dev=dev, settings=quick()).status == "finished"


@pytest.mark.parametrize(("rows", "count"), [(5, 4), (0, 0)])
def test_sources_shared_with_dev_are_a_warning(tmp_path: Path, rows: int, count: int) -> None:
    data, dev = write_pairs(tmp_path / "pairs.tsv"), tmp_path / "dev.tsv"
    lines = data.read_text(encoding="utf-8").split("\n")[: max(0, rows - 1)]  # the last of them twice
    dev.write_text("".join(f"{line}\n" for line in [*lines, *lines[-1:], "zzz\tzz"]), encoding="utf-8")
    events: list[TrainEvent] = []
    train(data, tmp_path / "model", dev=dev, settings=quick(), listen=events.append)
    warnings = [event.values for event in events if event.kind == "warning"]
    assert [values["count"] for values in warnings] == ([count] if count else [])
    if count:
        assert f"shares {count} distinct sources with the training data" in warnings[0]["text"]


def test_restart_with_unusable_data_keeps_the_old_model(tmp_path: Path, trained: Path) -> None:
    weights = (tmp_path / "model" / "model.safetensors").read_bytes()
    trained.write_text("no tab\n")
    with pytest.raises(DataError, match="there must be a usable pair, but none of 1 line"):
        train(trained, tmp_path / "model", settings=quick(), restart=True)
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == weights


def test_the_finished_folder_is_whole(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    result = train(data, tmp_path / "model", settings=quick())
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {
        "config.json", "model.safetensors", "source.tokenizer.json", "target.tokenizer.json", "README.md", "run.json",
        "metrics.json", "samples.jsonl", "events.jsonl", "source_hashes.bin", "MANIFEST.json", "checkpoints",
    }  # fmt: skip
    assert result.metrics == json.loads((tmp_path / "model" / "metrics.json").read_text())
    assert len(load(tmp_path / "model").predict(["abc", "", "fed"])) == 3
    assert result.metrics is not None
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "greedy outputs" in card
    # The card's samples are what the weights in the folder give, not what the last validation saw.
    samples = [line.split(" | ") for line in card.split("## Samples")[1].split("\n") if line.startswith("| ")][1:]
    sources = [cells[0].removeprefix("| ") for cells in samples]
    assert len(sources) == 5
    assert [cells[2].removesuffix(" |") for cells in samples] == [
        found.text for found in load(tmp_path / "model").predict(sources)
    ]
    assert f"{result.metrics['token_error_rate']:.2f}"[:4] in card
    (tmp_path / "model" / "config.json").write_text("{}")
    with pytest.raises(ModelFolderError, match=r"config\.json"):
        load(tmp_path / "model")


def test_a_model_can_be_used_before_training_ends(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    outputs = []

    def listen(event: TrainEvent) -> None:
        if event.kind == "checkpoint" and event.values["step"] == 6:
            outputs.extend(load(tmp_path / "model").predict(["abc"]))

    train(data, tmp_path / "model", settings=SETTINGS, listen=listen)
    assert len(outputs) == 1


def test_divergence_is_an_error_and_reaches_no_checkpoint(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    settings = {**SETTINGS, "training.max_steps": 60, "training.checkpoint_every": 30, "training.validate_every": 60}

    def poison(event: TrainEvent) -> None:
        if event.kind == "estimate":
            torch.Tensor.backward, poison.real = poisoned, torch.Tensor.backward  # type: ignore[attr-defined, method-assign, assignment]

    def poisoned(loss: torch.Tensor) -> None:
        poison.real(loss * float("nan"))  # type: ignore[attr-defined]

    try:
        with pytest.raises(SeqweaveError, match=rf"training has diverged: .* lower training.learning_rate.* {RESTART}"):
            train(data, tmp_path / "model", settings=settings, listen=poison)
    finally:
        torch.Tensor.backward = poison.real  # type: ignore[attr-defined, method-assign]
    assert not list((tmp_path / "model").glob("checkpoints/step_*"))


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    same = {**SETTINGS, "training.average_checkpoints": 1}  # dropout is drawn for the batch, whoever has it
    train(data, tmp_path / "one", settings={**same, "training.accumulate": 2})
    train_as_the_first_of_two(data, tmp_path / "two", {**same, "training.accumulate": 1}, monkeypatch)
    last = "checkpoints/step_00000012/model.safetensors"
    one, two = (safetensors.torch.load_file(tmp_path / name / last) for name in ("one", "two"))
    for name, expected in one.items():
        torch.testing.assert_close(two[name], expected, atol=1e-5, rtol=1e-5)
    losses = [last_loss(tmp_path / name / "events.jsonl") for name in ("one", "two")]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)  # of all processes


def last_loss(events: Path) -> float:
    rows = [json.loads(line) for line in events.read_text(encoding="utf-8").split("\n") if line]
    return float([row["loss"] for row in rows if row["event"] == "step"][-1])


def test_one_vocabulary_has_one_kind_of_units(tmp_path: Path) -> None:
    """Each side by itself would be guessed otherwise: letters here, sentences there."""
    words = [f"{one}{other}" for one in "abcdef" for other in "ghijkl"]
    lines = [f"{word}\tthis is a sentence of several words about {word}\n" for word in words]
    (tmp_path / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    settings = {key: value for key, value in SETTINGS.items() if not key.endswith(".units")}
    joint = {**settings, "data.joint_vocabulary": True, "training.max_steps": 1}
    train(tmp_path / "pairs.tsv", tmp_path / "model", settings=joint)
    model = load(tmp_path / "model")
    assert model.config.data.source.units == model.config.data.target.units == "char"
    assert model.source_tokenizer.to_json() == model.target_tokenizer.to_json()


def test_loss_counts_real_positions_only() -> None:
    logits = torch.randn(2, 3, 7)
    target_out = torch.tensor([[4, 5, 3], [6, 3, 0]])
    expected = -sum(
        float(logits[row, column].log_softmax(-1)[target_out[row, column]])
        for row, column in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    )
    assert float(summed_loss(logits, target_out)) == pytest.approx(expected, rel=1e-5)


def test_schedules() -> None:
    config = TrainConfig(learning_rate=1.0, warmup_steps=10, min_learning_rate=0.1)
    assert learning_rate(config, 5, 100) == pytest.approx(0.5)
    assert learning_rate(config, 10, 100) == pytest.approx(1.0)
    assert learning_rate(config, 55, 100) == pytest.approx(0.55)
    assert learning_rate(config, 100, 100) == pytest.approx(0.1)
    root = config.model_copy(update={"schedule": "inverse_sqrt"})
    assert learning_rate(root, 40, 100) == pytest.approx(0.5)
    plateau = config.model_copy(update={"schedule": "plateau"})
    assert [learning_rate(plateau, 50, 100, drops) for drops in (0, 1, 9)] == pytest.approx([1.0, 0.5, 0.1])


def test_the_folder_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "bad.tsv").write_text("no tab\n")
    before = (tmp_path / "here").stat().st_ino
    with pytest.raises(DataError):
        train("../bad.tsv", ".", settings=quick())
    assert (tmp_path / "here").stat().st_ino == before  # the shell is still in it
    assert train(data, ".", settings=quick()).status == "finished"
    assert train(data, ".", settings=quick()).status == "already_finished"
    weights = (tmp_path / "here" / "model.safetensors").read_bytes()
    with pytest.raises(ModelFolderError, match="is to be replaced, but it is the folder you are in: leave it first"):
        train(data, ".", settings=quick(), restart=True)
    assert (tmp_path / "here" / "model.safetensors").read_bytes() == weights
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.tsv", "bad.tsv", "here", ".here.lock"}


@pytest.mark.parametrize("there", [True, slow(False)])
def test_a_linked_folder(tmp_path: Path, there: bool) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    if there:
        (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for _ in range(2):
        assert train(data, tmp_path / "link", settings=quick(), restart=True).status == "finished"
    assert (tmp_path / "link").is_symlink()
    assert len(load(tmp_path / "real").predict(["abc"])) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.tsv", "link", "real", ".real.lock"}


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(ModelFolderError, match="link can be no model folder: choose another folder for -o"):
        train(write_pairs(tmp_path / "pairs.tsv"), tmp_path / "link", settings=quick())


def test_restart_throws_no_data_away(tmp_path: Path, trained: Path) -> None:
    inside = trained.rename(tmp_path / "model" / "pairs.tsv")
    with pytest.raises(ConfigError, match=r"pairs\.tsv lies in .*model, which --restart throws away: move it out"):
        train(inside, tmp_path / "model", settings=quick(), restart=True)
    assert inside.is_file()


@pytest.mark.parametrize("content", ["{", slow("[]"), slow('{"status": "finished", "requested": {}, "facts": []}')])
def test_restart_mends_a_damaged_run(tmp_path: Path, trained: Path, content: str) -> None:
    folder = tmp_path / "model"
    (folder / "run.json").write_text(content)
    with pytest.raises(ModelFolderError, match=r"run\.json"):
        train(trained, folder, settings=quick())
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ModelFolderError, match=r"run\.json"):
        train(trained, folder, settings=quick(), restart=True)
    (folder / "notes.txt").unlink()
    assert train(trained, folder, settings=quick(), restart=True).status == "finished"


def test_a_damaged_checkpoint_is_refused_before_anything_is_said(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")

    def stop(event: TrainEvent) -> None:
        if event.kind == "checkpoint":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "model", settings=SETTINGS, listen=stop)
    (weights,) = tmp_path.glob("model/checkpoints/*/model.safetensors")
    weights.write_bytes(b"")
    said: list[TrainEvent] = []
    with pytest.raises(ModelFolderError, match=r"the checkpoint .* is damaged \(model\.safetensors was changed\)"):
        train(data, tmp_path / "model", settings=SETTINGS, listen=said.append)
    assert said == []
