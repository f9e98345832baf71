"""Settings that fit together are taken, and old folders keep what is refused today."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seqweave.config import (
    PRESETS,
    Config,
    PresetName,
    build_config,
    check_model,
    resolve_settings,
    settings_of,
)
from seqweave.errors import ConfigError
from seqweave.folder import CONFIG, read_config

TRANSFORMER = {"model.encoder": "transformer", "model.decoder": "transformer"}


@pytest.mark.parametrize(
    "settings",
    [
        {"model.attention": "none", "model.attention_position": "before"},
        {"model.attention_size": 7},
        {"model.encoder": "transformer", "model.max_positions": 9},
        {"data.joint_vocabulary": True, "data.source.units": "word", "data.target.units": "label"},
    ],
)
def test_older_folders_may_have_settings_that_nothing_reads(settings: dict[str, Any], tmp_path: Path) -> None:
    tree = Config().model_dump()
    for key, value in settings.items():
        node = tree
        for name in key.split(".")[:-1]:
            node = node[name]
        node[key.split(".")[-1]] = value
    (tmp_path / CONFIG).write_text(json.dumps(tree), encoding="utf-8")
    config = read_config(tmp_path)
    check_model(config.model)
    changed = build_config({"search.beam_size": 3}, config)
    assert {key: settings_of(changed)[key] for key in settings} == settings
    with pytest.raises(ConfigError):
        build_config(settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"model.attention": "none", "model.context": "every_step"},
        {"model.attention": "dot", "model.bridge": "copy"},
        {"model.attention_position": "between", "model.decoder_layers": 2},
        {"model.input_feeding": True},
        {"model.tie_embeddings": True, "model.readout_size": 256},
        {"model.input": "one_hot"},
        {"model.copy": True, "model.attention_window": "local_p", "search.replace_unknown": True},
        {"model.copy": True, "model.encoder": "transformer", "model.attention": "additive", "model.coverage": True},
        {"data.joint_vocabulary": True, "data.source.units": "word", "data.source.lowercase": True},
        {"data.joint_vocabulary": True, "data.source.units": "char", "data.target.units": "char"},
        {"model.bridge": "zero"},
        {"model.bridge": "zero", "model.attention": "none", "model.context": "every_step"},
        {**TRANSFORMER, "model.positions": "learned", "model.norm": "post", "model.heads": 8},
        {"model.decoder": "transformer", "model.cell": "gru", "model.bidirectional": False, "model.residual": True},
        {"model.encoder": "transformer", "model.attention": "dot", "model.decoder_hidden_size": 256},
        {"model.encoder": "transformer", "model.cell": "rnn", "model.bridge": "copy", "model.decoder_hidden_size": 256},
        {"model.encoder": "transformer", "model.positions": "learned", "search.max_length": 2000},
        {"model.output": "entmax15", "training.label_smoothing": 0.0, "training.metric": "bleu"},
        {"search.sample": True, "search.top_k": 5, "search.temperature": 0, "search.top_p": 0.5, "search.seed": 0},
        {"search.min_length": 8, "search.max_length": 9, "search.no_repeat_ngram": 3, "search.forbid": ("<unk>",)},
    ],
)
def test_what_fits_together_is_taken(settings: dict[str, Any]) -> None:
    flat = settings_of(build_config(settings))
    assert {key: flat[key] for key in settings} == settings


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("sides", [("encoder",), ("decoder",), ("encoder", "decoder")])
def test_every_preset_goes_with_every_architecture(preset: PresetName, sides: tuple[str, ...]) -> None:
    config = resolve_settings(preset, settings={f"model.{side}": "transformer" for side in sides})
    assert all(getattr(config.model, side) == "transformer" for side in sides)
