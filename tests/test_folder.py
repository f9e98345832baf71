"""The model folder: written whole, read checked, every damage named in one sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from seqweave import folder as folders
from seqweave.config import Config, build_config, config_to_json
from seqweave.errors import ModelFolderError
from seqweave.folder import (
    REQUIRED,
    check_manifest,
    load_weights,
    read_config,
    read_json,
    save_weights,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the required files and one in a sub-folder."""
    made = tmp_path / "model"
    (made / "extra").mkdir(parents=True)
    for name in folders.REQUIRED:
        (made / name).write_bytes(name.encode() * 10)
    (made / "extra" / "notes.txt").write_bytes(b"notes")
    write_manifest(made, [*folders.REQUIRED, "extra/notes.txt"])
    return made


def _refusal(folder: Path) -> str:
    with pytest.raises(ModelFolderError) as caught:
        check_manifest(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


def test_an_untouched_folder_passes(folder: Path) -> None:
    assert check_manifest(folder) == sorted([*folders.REQUIRED, "extra/notes.txt"])


def test_a_file_that_is_not_listed_is_nobodys_business(folder: Path) -> None:
    (folder / "events.jsonl").write_text("{}\n")
    check_manifest(folder)


def _change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(bytes(content))


def _shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("name", [*folders.REQUIRED, "extra/notes.txt"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_change, "was changed"),
        (_shorten, "was changed"),
        (Path.unlink, "is missing"),
        (_make_folder, "is not a file"),
    ],
)
def test_damage_is_named(folder: Path, name: str, damage: Callable[[Path], None], message: str) -> None:
    damage(folder / name)
    refusal = _refusal(folder)
    assert f"{name} {message}" in refusal
    assert "restore the folder from a copy, or train again" in refusal


def test_all_damage_is_named_at_once(folder: Path) -> None:
    _change(folder / folders.CONFIG)
    (folder / folders.WEIGHTS).unlink()
    refusal = _refusal(folder)
    assert "config.json was changed, model.safetensors is missing" in refusal


def test_a_link_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    weights = folder / folders.WEIGHTS
    elsewhere = tmp_path / "elsewhere"
    weights.rename(elsewhere)
    weights.symlink_to(elsewhere)
    assert "model.safetensors lies outside of it" in _refusal(folder)


def test_a_link_inside_of_the_folder(folder: Path) -> None:
    weights = folder / folders.WEIGHTS
    weights.rename(folder / "weights")
    weights.symlink_to("weights")
    check_manifest(folder)


def test_a_name_that_leads_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    content = json.loads((folder / folders.MANIFEST).read_text())
    content["files"]["../secret"] = {"sha256": "0", "bytes": 1}
    (folder / folders.MANIFEST).write_text(json.dumps(content))
    assert "../secret lies outside of it" in _refusal(folder)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever may read everything cannot be refused")
def test_an_unreadable_file(folder: Path) -> None:
    (folder / folders.WEIGHTS).chmod(0)
    assert "model.safetensors cannot be read (Permission denied)" in _refusal(folder)


def test_no_folder(tmp_path: Path) -> None:
    assert "there is no model folder" in _refusal(tmp_path / "nowhere")


def test_a_file_instead_of_a_folder(folder: Path) -> None:
    assert "is a file: give the folder it lies in" in _refusal(folder / folders.WEIGHTS)


def test_some_other_folder(tmp_path: Path) -> None:
    assert "is not a model folder, because it has no MANIFEST.json" in _refusal(tmp_path)


def test_training_has_not_got_that_far(tmp_path: Path) -> None:
    (tmp_path / folders.CHECKPOINTS).mkdir()
    refusal = _refusal(tmp_path)
    assert "training has not finished its first validation; run the same train command to resume" in refusal


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "must be JSON, but it is not"),
        (b"\xff", "must be UTF-8, but it is not"),
        (b"[]", "must list files with their sums"),
        (b'{"format": 1, "files": []}', "must list files with their sums"),
        (b'{"format": 1, "files": {"a": 1}}', "must list files with their sums"),
        (b'{"format": 2, "files": {}}', "must be of format 1, but it is of format 2"),
        (b'{"format": 1, "files": {}}', "must list config.json, model.safetensors, target.tokenizer.json"),
    ],
)
def test_a_damaged_manifest(folder: Path, content: bytes, message: str) -> None:
    (folder / folders.MANIFEST).write_bytes(content)
    assert message in _refusal(folder)


def _module(width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def test_weights_come_back(tmp_path: Path) -> None:
    one, other = _module(), _module()
    save_weights(one, tmp_path / "weights")
    load_weights(other, tmp_path / "weights")
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


def test_tensors_which_share_memory_can_be_saved(tmp_path: Path) -> None:
    shared = torch.ones(3)
    save_weights({"a": shared, "b": shared}, tmp_path / "weights")
    saved = load_file(tmp_path / "weights")
    assert torch.equal(saved["a"], shared)
    assert torch.equal(saved["b"], shared)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    tensors = dict(_module().state_dict())
    del tensors["0.bias"]
    tensors["new"] = torch.zeros(1)
    tensors["0.weight"] = torch.zeros(3, 9)
    save_weights(tensors, tmp_path / "weights")
    module = _module()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(ModelFolderError) as caught:
        load_weights(module, tmp_path / "weights")
    message = str(caught.value)
    assert "0.bias is missing" in message
    assert "new is unexpected" in message
    assert "0.weight must have shape (3, 2), but it has (3, 9)" in message
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all"])
def test_weights_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "weights"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFolderError, match=r"cannot read the weights .*weights .*: restore the folder"):
        load_weights(_module(), path)


def test_config_comes_back(tmp_path: Path) -> None:
    config = build_config({"model.cell": "gru", "search.max_length_ratio": 1.5})
    assert config != Config()
    (tmp_path / folders.CONFIG).write_text(config_to_json(config), encoding="utf-8")
    assert read_config(tmp_path) == config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*config.json .No such file"),
        (b"{", "config.json must be JSON"),
        (b"\xff", "config.json must be UTF-8"),
        (b'{"model": {"cell": "lstn"}}', "config.json: model.cell"),
    ],
)
def test_a_damaged_config(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / folders.CONFIG).write_bytes(content)
    with pytest.raises(ModelFolderError, match=message):
        read_config(tmp_path)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 5000, "../outside", "/etc/passwd"])
def test_a_manifest_of_odd_names_is_refused_in_a_short_sentence(tmp_path: Path, name: str) -> None:
    content = {"format": 1, "files": {each: {} for each in (*REQUIRED, name)}}
    (tmp_path / "MANIFEST.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelFolderError, match="must be as it was written") as refused:
        check_manifest(tmp_path)
    assert len(str(refused.value).encode("utf-8")) < 1000 + len(str(tmp_path))
    assert "\0" not in str(refused.value)


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    content = {"format": 1, "files": {name: {} for name in REQUIRED}}
    (tmp_path / "MANIFEST.json").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / REQUIRED[0]).symlink_to(REQUIRED[0])
    with pytest.raises(ModelFolderError, match=f"{REQUIRED[0]} is"):
        check_manifest(tmp_path)


@pytest.mark.parametrize("content", ["[" * 100_000, "1" * 10_000, "{", ""])
def test_json_of_any_damage_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelFolderError, match="JSON"):
        read_json(tmp_path / "config.json")
    with pytest.raises(ModelFolderError, match="JSON"):
        read_config(tmp_path)


def test_a_config_that_contradicts_itself_is_refused_with_its_place(tmp_path: Path) -> None:
    config = json.loads(config_to_json(Config()))
    config["model"]["attention_position"] = "between"
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelFolderError, match=r"config\.json contradicts itself: model\.attention_position"):
        read_config(tmp_path)


@pytest.mark.parametrize("kind", [torch.float16, torch.float64, torch.int32])
def test_weights_of_another_type_are_refused(tmp_path: Path, kind: torch.dtype) -> None:
    module = torch.nn.Linear(2, 3)
    save_weights({name: tensor.to(kind) for name, tensor in module.state_dict().items()}, tmp_path / "weights")
    with pytest.raises(ModelFolderError, match="weight must be float32, but it is"):
        load_weights(module, tmp_path / "weights")


def test_a_lost_manifest_is_not_an_unfinished_training(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ModelFolderError, match="holds no model yet"):
        check_manifest(tmp_path)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelFolderError, match=r"must have a MANIFEST\.json, but it is missing"):
        check_manifest(tmp_path)
