"""Folders of older formats keep what they were trained with, finished or interrupted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import seqweave
from seqweave.config import Config, ModelConfig, build_config, config_from_json, config_to_json, resolve_settings
from seqweave.config.formats import FORMAT, tensor_name
from seqweave.data.sides import Sides
from seqweave.errors import ConfigError, ModelFolderError
from seqweave.folder import CONFIG, MANIFEST, RUN, WEIGHTS, read_config, write_manifest
from seqweave.model.output.pointer_generator import PointerGenerator
from seqweave.training.events import TrainEvent
from seqweave.training.run import train
from tiny_model import tiny_folder, tiny_model
from tiny_run import SETTINGS, write_pairs

COPYING = ModelConfig(
    embedding_size=6, encoder_hidden_size=4, decoder_hidden_size=8, dropout=0.0, copy=True, copy_gate="readout"
)


def former_name(name: str) -> str:
    """What a tensor was called in format 0."""
    kind, slash, name = name.rpartition("/")
    for former, now in (("copier.gate", "output.gate"), ("generator", "output"), ("source_embedding", "source_input")):
        if name.startswith(f"{now}."):
            return f"{kind}{slash}{former}{name.removeprefix(now)}"
    return f"{kind}{slash}{name.replace('target_input.', 'target_embedding.')}"


def former_settings(tree: dict[str, Any]) -> dict[str, Any]:
    """Settings as format 0 has them."""
    assert tree.pop("format") == FORMAT
    del tree["model"]["copy_gate"]
    del tree["data"]["dev_boundary"]
    return tree


def rename_tensors(path: Path) -> None:
    tensors = safetensors.torch.load_file(path)
    safetensors.torch.save_file({former_name(name): tensor for name, tensor in tensors.items()}, path)


def make_format_0(folder: Path) -> None:
    """Write a folder as the first versions did."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    (folder / CONFIG).write_text(json.dumps(former_settings(config)), encoding="utf-8")
    if (folder / RUN).is_file():
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
        run["requested"] = former_settings(run["requested"])
        (folder / RUN).write_text(json.dumps(run), encoding="utf-8")
    for checkpoint in folder.glob("checkpoints/step_*"):
        sums = json.loads((checkpoint / "COMPLETE").read_text(encoding="utf-8"))
        for name in sums:
            if name.endswith(".safetensors"):
                rename_tensors(checkpoint / name)
            sums[name] = hashlib.sha256((checkpoint / name).read_bytes()).hexdigest()
        (checkpoint / "COMPLETE").write_text(json.dumps(sums), encoding="utf-8")
    if (folder / MANIFEST).is_file():
        rename_tensors(folder / WEIGHTS)
        write_manifest(folder, list(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]))


def test_a_folder_has_the_number_of_its_format(tmp_path: Path) -> None:
    tiny_folder(tiny_model(COPYING), tmp_path / "model")
    assert json.loads((tmp_path / "model" / CONFIG).read_text(encoding="utf-8"))["format"] == FORMAT
    assert read_config(tmp_path / "model").model == COPYING


def test_a_model_of_format_0_keeps_its_gate(tmp_path: Path) -> None:
    model = tiny_model(COPYING)
    folder = tiny_folder(model, tmp_path / "model")
    before = seqweave.load(folder).score([("abc", "cab")])[0]
    make_format_0(folder)
    names = safetensors.torch.load_file(folder / WEIGHTS)
    assert {"source_embedding.weight", "target_embedding.weight", "generator.bias", "copier.gate.weight"} <= set(names)
    loaded = seqweave.load(folder)
    assert isinstance(loaded.single.output, PointerGenerator)
    assert loaded.single.output.gate_reads == "readout"
    assert loaded.score([("abc", "cab")])[0].token_log_probs == before.token_log_probs


@pytest.mark.parametrize("number", [-1, FORMAT + 1, True, "1", None, 1.5])
def test_an_unknown_format_is_refused(tmp_path: Path, number: object) -> None:
    text = json.dumps({**json.loads(config_to_json(Config())), "format": number})
    with pytest.raises(ConfigError, match=r"a\.json must be of a format from 0 to 1, but it is of format .*: use"):
        config_from_json(text, "a.json")
    (tmp_path / CONFIG).write_text(text, encoding="utf-8")
    with pytest.raises(ModelFolderError, match=r"config\.json must be of a format"):
        read_config(tmp_path)


def test_nobody_sets_what_the_format_decides() -> None:
    with pytest.raises(ConfigError, match=r"unknown key model\.copy_gate"):
        build_config({"model.copy": True, "model.copy_gate": "readout"})
    kept = build_config({"search.beam_size": 3}, Config(model=COPYING))
    assert kept.model.copy_gate == "readout"
    assert Config().model.copy_gate == "state"


@pytest.mark.parametrize(("former", "name"), [("copier.gate.bias", "output.gate.bias"), ("encoder.x", "encoder.x")])
def test_names_of_tensors(former: str, name: str) -> None:
    assert tensor_name(former) == tensor_name(name) == name
    assert tensor_name(f"exp_avg/{former}") == f"exp_avg/{name}"


class StoppedError(BaseException):
    """Stands for a kill."""


@pytest.mark.slow
def test_an_interrupted_run_of_format_0_goes_on_in_its_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit to where it had come without a stop, in a network whose gate reads the readout."""
    settings = {**SETTINGS, "model.copy": True}
    data = write_pairs(tmp_path / "pairs.tsv")

    def stop(event: TrainEvent) -> None:
        if event.kind == "batch" and event.values["step"] == 8:
            raise StoppedError

    def run(name: str, listen: Any = lambda event: None) -> dict[str, torch.Tensor]:
        folder = train(data, tmp_path / name, settings=settings, listen=listen, device="cpu").folder
        # The best weights may be from before the stop.
        return {tensor_name(name): part for name, part in safetensors.torch.load_file(folder / WEIGHTS).items()}

    def as_then(*given: Any) -> Config:
        config = resolve_settings(*given)
        return config.model_copy(update={"model": config.model.model_copy(update={"copy_gate": "readout"})})

    with monkeypatch.context() as patch:
        patch.setattr("seqweave.training.request.resolve_settings", as_then)
        patch.setattr(Sides, "hold_out", lambda sides, boundary, kept: sides.hold_out_as_before(kept))
        unbroken = run("unbroken")
        with pytest.raises(StoppedError):
            run("stopped", stop)
    make_format_0(tmp_path / "stopped")
    found = run("stopped")
    assert found.keys() == unbroken.keys()
    assert all(torch.equal(found[name], unbroken[name]) for name in found)
    assert read_config(tmp_path / "stopped").model.copy_gate == "readout"
    again = train(data, tmp_path / "stopped", settings=settings, device="cpu")
    assert again.status == "already_finished"
