"""`--from`: what a run takes over from a model, what it may change, what it says; the other model stays as it is."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import golden
from seqweave.cli.main import main
from seqweave.config import build_config
from seqweave.errors import ConfigError, ModelFolderError
from seqweave.folder import WEIGHTS, check_manifest, read_config, write_manifest
from seqweave.loading import load
from seqweave.model.build import build_model
from seqweave.text.tokenizers import train_tokenizer
from seqweave.training.events import TrainEvent
from seqweave.training.origin import settings_to_start_with
from seqweave.training.record import Record
from seqweave.training.run import train
from starting import LETTERS, OLD, answers, contents, old_model, said, start, weights, words, write_new, write_old
from tiny_run import SETTINGS

AVERAGED = {"training.ema_decay": 0.5, "training.average_checkpoints": 2, "training.checkpoint_every": 40}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`old`, a finished model of `old.tsv`; `stopped`, the same stopped in the middle; and `new.tsv`."""
    place = tmp_path_factory.mktemp("start_from")
    old_model(place)
    write_new(place)

    def stop(event: TrainEvent) -> None:
        if event.kind == "batch" and event.values == {"step": 50, "batch": 0}:
            signal.raise_signal(signal.SIGINT)

    train(place / "old.tsv", place / "stopped", settings={**OLD, **AVERAGED}, device="cpu", listen=stop)
    return place


@pytest.mark.parametrize(("name", "extends"), [("old", True), ("stopped", False)])
def test_the_other_model_is_never_changed(place: Path, tmp_path: Path, name: str, extends: bool) -> None:
    old = Path(shutil.copytree(place / name, tmp_path / "old"))
    before = contents(tmp_path)
    settings = {"data.extend_vocabulary": extends, "training.freeze": "encoder"}
    for changes in (settings, {**settings, "training.max_steps": 8}):
        assert start(place / "new.tsv", tmp_path / "new", old, changes, mix=place / "old.tsv").status == "finished"
    after = {path: found for path, found in contents(tmp_path).items() if not path.startswith("new")}
    assert after == before | {".new.lock": after[".new.lock"]}


OLDER = [
    pytest.param(name, marks=() if name == "copy" else pytest.mark.slow)
    for name in (*golden.FINISHED, *golden.INTERRUPTED)
]


@pytest.mark.parametrize("name", ["old", "stopped", *OLDER])
def test_no_steps_give_the_same_model(place: Path, tmp_path: Path, name: str) -> None:
    """Also of a stopped run, of one with averaged weights, and of folders of an earlier format."""
    if golden_settings := (golden.FINISHED | golden.INTERRUPTED).get(name):
        if golden_settings.get("model.output") == "entmax15":
            pytest.importorskip("entmax", reason='entmax is not installed: pip install "seqweave[entmax]"')
        old, data = golden.FORMAT_0 / "folders" / name, golden.FORMAT_0 / "pairs.tsv"
    else:
        old, data = place / name, place / "new.tsv"
    before = contents(old)
    result = start(data, tmp_path / "new", old, {"training.max_steps": 0})
    assert (result.status, result.step, result.max_steps) == ("finished", 0, 0)
    model, other = load(tmp_path / "new", "cpu"), load(old, "cpu")
    own = dict(other.single.named_parameters())
    assert [name for name, found in model.single.named_parameters() if not torch.equal(found, own[name])] == []
    texts = [*words(LETTERS, 6, 3), "abxba", "", "abcdefabcdef"]
    for beam_size in (1, 3):
        assert answers(model, texts, beam_size) == answers(other, texts, beam_size)
    pairs = [(text, text[::-1]) for text in texts if text]
    assert [one.score for one in model.score(pairs)] == [one.score for one in other.score(pairs)]
    assert contents(old) == before


def test_the_model_is_named_by_its_hash(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start(place / "new.tsv", tmp_path / "new", place / "old")
    sha256 = contents(place / "old")["model.safetensors"]
    facts = json.loads((tmp_path / "new" / "run.json").read_text())["facts"]["start_from"]
    assert (facts["folder"], facts["sha256"]) == ("old", sha256)
    assert facts["training"] == "finished at step 120 of 120"
    card = (tmp_path / "new" / "README.md").read_text(encoding="utf-8")
    assert f"It started from the model old (SHA-256 of the weights: {sha256})." in card
    assert main(["info", str(tmp_path / "new")]) == 0
    assert f"started from old, weights with SHA-256 {sha256}" in capsys.readouterr().out
    assert main(["info", str(tmp_path / "new"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["start_from"] == {"folder": "old", "sha256": sha256}
    assert main(["info", str(place / "old")]) == 0
    assert "started from" not in capsys.readouterr().out
    assert str(place) not in (tmp_path / "new" / "run.json").read_text()  # no place of this machine


def test_a_card_of_a_stopped_run_names_it_too(place: Path, tmp_path: Path) -> None:
    def stop(event: TrainEvent) -> None:
        if event.kind == "batch" and event.values["step"] == 4:
            signal.raise_signal(signal.SIGINT)

    assert start(place / "new.tsv", tmp_path / "new", place / "stopped", listen=stop).status == "interrupted"
    card = (tmp_path / "new" / "README.md").read_text(encoding="utf-8")
    assert "An unfinished seqweave model" in card
    assert "started from the model stopped (SHA-256 of the weights: " in card
    assert contents(place / "stopped")["model.safetensors"] in card
    facts = json.loads((tmp_path / "new" / "run.json").read_text())["facts"]["start_from"]
    assert facts["training"].startswith("stopped at step 5")


def test_what_is_not_known_is_said_before_anything_is_trained(place: Path, tmp_path: Path) -> None:
    events = said(place / "new.tsv", tmp_path / "new", place / "old")
    kinds = [event.kind for event in events]
    assert kinds.index("start_from") < kinds.index("batch")
    values = events[kinds.index("start_from")].values
    dev = next(event for event in events if event.kind == "found").values["dev_pairs"]
    tokenizer = load(place / "old", "cpu").source_tokenizer
    held_out = {sample["source"] for sample in _samples(tmp_path / "new")}
    assert len(held_out) == dev
    letters = "".join(word for word in words("abcdefxyz", 40, 2) if word not in held_out)
    unknown = sum(letter in "xyz" for letter in letters)
    for side in ("source", "target"):
        assert values["unknown"][side]["items"] == len(letters)
        assert values["unknown"][side]["unknown"] == unknown
        assert set(values["unknown"][side]["examples"]) == {"x", "y", "z"}
    assert values["added"] == {"source": 0, "source tags": 0, "target": 0}
    assert load(tmp_path / "new", "cpu").source_tokenizer.to_json() == tokenizer.to_json()  # kept by default


def _samples(folder: Path) -> list[dict[str, Any]]:
    rows = (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(row) for row in rows]


def test_the_first_validation_is_of_the_model_as_it_is(place: Path, tmp_path: Path) -> None:
    """So that a run which makes it worse keeps it."""
    start(place / "new.tsv", tmp_path / "new", place / "old", {"training.learning_rate": 10.0})
    rows = [json.loads(row) for row in (tmp_path / "new" / "events.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["event"] == "validation"] == [0, 3, 6]
    own, other = weights(tmp_path / "new"), weights(place / "old")
    assert all(torch.equal(own[name], other[name]) for name in other)
    assert json.loads((tmp_path / "new" / "run.json").read_text())["facts"]["best_step"] == 0


def test_info_says_that_nothing_was_gained(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start(place / "new.tsv", tmp_path / "new", place / "old", {"training.max_steps": 0})
    assert main(["info", str(tmp_path / "new")]) == 0
    assert "finished at step 0 of 0; the weights are those of step 0" in capsys.readouterr().out


FIXED = {
    "model.cell=lstm": "model.cell (it is gru, asked for is lstm)",
    "model.embedding_size=16": "model.embedding_size (it is 12, asked for is 16)",
    "model.attention=dot": "model.attention (it is general, asked for is dot)",
    "model.decoder_layers=2": "model.decoder_layers (it is 1, asked for is 2)",
    "data.source.units=word": "data.source.units (it is char, asked for is word)",
    "data.target.lowercase=true": "data.target.lowercase (it is false, asked for is true)",
    "data.joint_vocabulary=true": "data.joint_vocabulary (it is false, asked for is true)",
    "data.feature_columns=['3']": "data.feature_columns",
    "data.source.max_size=100": "data.source.max_size",
}


@pytest.mark.parametrize("setting", FIXED)
def test_sizes_and_units_stay(place: Path, tmp_path: Path, setting: str) -> None:
    with pytest.raises(ConfigError) as error:
        train(place / "new.tsv", tmp_path / "new", settings=[setting], start_from=place / "old")
    assert f"a run that starts from {place / 'old'} keeps its sizes, units and source tags" in str(error.value)
    assert FIXED[setting] in str(error.value)
    assert "leave them out, or train without --from" in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} == set()


def test_all_that_must_stay_is_named_at_once(place: Path, tmp_path: Path) -> None:
    settings = {"model.cell": "rnn", "data.target.units": "byte"}
    with pytest.raises(ConfigError, match=r"data\.target\.units .*, model\.cell "):
        start(place / "new.tsv", tmp_path / "new", place / "old", settings)


FREE: dict[str, Any] = {
    "model.dropout": 0.4,
    "model.embedding_dropout": 0.1,
    "model.word_dropout": 0.1,
    "model.variational": True,
    "search.beam_size": 7,
    "search.length_penalty": 0.5,
    "training.learning_rate": 1e-4,
    "training.schedule": "plateau",
    "training.label_smoothing": 0.2,
    "training.average_checkpoints": 2,
    "training.seed": 9,
    "data.max_source_length": 50,
    "data.source.min_frequency": 2,
}


def test_others_may_change(place: Path, tmp_path: Path) -> None:
    assert start(place / "new.tsv", tmp_path / "new", place / "old", FREE).status == "finished"
    config = read_config(tmp_path / "new")
    assert build_config(FREE, config) == config
    assert config.model.cell == "gru"  # of the other model


def test_what_is_not_asked_for_is_as_in_the_other_model(place: Path, tmp_path: Path) -> None:
    old = old_model(tmp_path, {"training.label_smoothing": 0.15, "search.beam_size": 3, "training.max_steps": 2})
    start(place / "new.tsv", tmp_path / "new", old)
    config = read_config(tmp_path / "new")
    assert (config.training.label_smoothing, config.search.beam_size, config.model.dropout) == (0.15, 3, 0.1)


def test_settings_of_the_files_and_of_the_run_are_not_taken_over() -> None:
    old = build_config(
        {
            "data.format": "csv", "data.delimiter": ";", "data.source_column": "3", "data.target_column": "1",
            "training.schedule": "plateau", "training.plateau_patience": 0, "training.max_steps": 70,
            "training.validate_every": 7, "training.scheduled_sampling": "linear", "training.sampling_k": 0.9,
            "training.freeze": ["encoder"], "training.bleu_tokenize": "zh", "training.metric_units": "characters",
            "training.precision": "bf16", "training.source_vectors": "x.vec", "training.freeze_vectors": True,
        }
    )  # fmt: skip
    config = settings_to_start_with(old)
    data, training = config.data, config.training
    assert (data.format, data.delimiter, data.source_column, data.target_column) == ("auto", None, None, None)
    assert (training.max_steps, training.validate_every, training.sampling_k) == (None, None, None)
    assert (training.freeze, training.precision, training.source_vectors) == ((), "auto", None)
    assert (training.bleu_tokenize, training.metric_units) == (None, None)  # of other targets
    assert (training.schedule, training.scheduled_sampling) == ("cosine", "linear")


@pytest.mark.slow
@pytest.mark.parametrize("settings", [SETTINGS, {**SETTINGS, "training.schedule": "inverse_sqrt"}])
def test_any_schedule_of_the_other_model_will_do(place: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    train(write_old(tmp_path), tmp_path / "old", settings={**settings, "training.max_steps": 2}, device="cpu")
    assert start(place / "new.tsv", tmp_path / "new", tmp_path / "old").status == "finished"


def test_pretrained_vectors_are_for_a_new_model(place: Path, tmp_path: Path) -> None:
    (tmp_path / "x.vec").write_text("a 1 2\n")
    with pytest.raises(ConfigError, match=r"pretrained vectors are for a new model, .* or train without --from"):
        start(place / "new.tsv", tmp_path / "new", place / "old", {"training.source_vectors": str(tmp_path / "x.vec")})


def test_a_preset_is_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a preset is the size of a new model, .*: leave --preset out"):
        train(place / "new.tsv", tmp_path / "new", preset="tiny", start_from=place / "old")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"training.max_steps": 0}, r"training\.max_steps=0 trains nothing, .* name the model with --from"),
        ({"data.extend_vocabulary": True}, r"data\.extend_vocabulary adds to .* there is none: name it with --from"),
    ],
)
def test_what_only_goes_with_a_model(place: Path, tmp_path: Path, settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        start(place / "new.tsv", tmp_path / "new", None, settings)
    assert not (tmp_path / "new").exists()


def refused(data: Path, old: Path, folder: Path, error: type[Exception], match: str) -> None:
    """A start that is refused in a sentence and leaves nothing behind."""
    with pytest.raises(error, match=match):
        start(data, folder, old)
    assert not folder.exists()


def test_what_is_no_model_is_refused(place: Path, tmp_path: Path) -> None:
    data, new = place / "new.tsv", tmp_path / "new"
    refused(data, tmp_path / "nothing", new, ModelFolderError, "there is no model folder .*nothing: check the path")
    refused(data, data, new, ModelFolderError, "a model must be a folder, but .*new.tsv is a file")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("meow")
    refused(data, tmp_path / "photos", new, ModelFolderError, "photos is not a model folder, because it has no MAN")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "target.tokenizer.json", "run.json"])
def test_a_damaged_model_is_refused(place: Path, tmp_path: Path, name: str) -> None:
    old = Path(shutil.copytree(place / "old", tmp_path / "old"))
    content = bytearray((old / name).read_bytes())
    content[len(content) // 2] ^= 1
    (old / name).write_bytes(bytes(content))
    refused(
        place / "new.tsv", old, tmp_path / "new", ModelFolderError,
        rf"the model folder .*old must be as it was written, but {name} was changed: restore",
    )  # fmt: skip


def test_a_run_without_weights_is_refused(place: Path, tmp_path: Path) -> None:
    """It has trained, but was not validated yet."""

    def stop(event: TrainEvent) -> None:
        if event.kind == "batch" and event.values["step"] == 2:
            signal.raise_signal(signal.SIGINT)

    train(place / "old.tsv", tmp_path / "old", settings=OLD, device="cpu", listen=stop)
    refused(place / "new.tsv", tmp_path / "old", tmp_path / "new", ModelFolderError, "holds no model yet")


def test_weights_in_int8_are_refused(place: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(place / "old", tmp_path / "old"))
    tensors = {name: (tensor * 100).to(torch.int8) for name, tensor in weights(old).items()}
    safetensors.torch.save_file(tensors, old / WEIGHTS)
    write_manifest(old, check_manifest(place / "old"))
    refused(place / "new.tsv", old, tmp_path / "new", ModelFolderError, r"must be float32, but it is (I8|int8)")


def test_a_model_that_reads_frames_is_refused(place: Path, tmp_path: Path) -> None:
    config = build_config({"model.frame_size": 4, "model.embedding_size": 8, "data.target.units": "char"})
    tokenizer = train_tokenizer(["abc"], config.data.target)
    record = Record(tmp_path / "old")
    record.folder.mkdir()
    record.prepared(config, None, tokenizer)
    record.keep_weights(build_model(config.model, 0, tokenizer.size))
    refused(
        place / "new.tsv", tmp_path / "old", tmp_path / "new", ConfigError,
        r"--from must be a model that reads text, but .*old reads frames \(model\.frame_size=",
    )  # fmt: skip


def test_the_new_run_needs_a_folder_outside(place: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(place / "old", tmp_path / "old"))
    before = contents(tmp_path)
    (tmp_path / "link").symlink_to("old")
    for folder in (old, tmp_path / "link", old / "new", tmp_path / "link" / "checkpoints" / "new"):
        for restart in (False, True):
            with pytest.raises(ConfigError, match=r"needs a folder outside of it, .*: choose another -o; more steps"):
                start(place / "new.tsv", folder, old, restart=restart)
    (tmp_path / "link").unlink()
    assert contents(tmp_path) == before


def test_restart_throws_no_model_away_that_it_starts_from(place: Path, tmp_path: Path) -> None:
    start(place / "new.tsv", tmp_path / "new", place / "old", {"training.max_steps": 0})
    inside = Path(shutil.copytree(place / "old", tmp_path / "new" / "old"))
    with pytest.raises(ConfigError, match=r"new/old lies in .*new, which --restart throws away: move it out"):
        start(place / "new.tsv", tmp_path / "new", inside, restart=True)
    assert contents(inside) == contents(place / "old")
