"""From a config to a network: every preset, every refusal, the numbers of parameters."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from seqweave.config import PRESETS, ModelConfig, PresetName, resolve_settings
from seqweave.errors import ConfigError
from seqweave.model.build import build_model
from seqweave.model.seq2seq import parameter_count
from seqweave.training.run import train


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_build_and_run(preset: PresetName) -> None:
    model = build_model(resolve_settings(preset).model, 30, 20)
    source = torch.randint(4, 30, (2, 5))
    logits = model(source, torch.tensor([5, 3]), torch.randint(4, 20, (2, 4)))
    assert logits.shape == (2, 4, 20)
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    "settings",
    [
        {"attention": "dot", "decoder_hidden_size": 100},
        {"attention": "scaled_dot", "bidirectional": False},
        {"bridge": "copy", "encoder_hidden_size": 100},
        {"attention": "none", "input_feeding": True},
        {"attention_position": "before", "input_feeding": True},
        {"context": "every_step"},
        {"attention_position": "between"},
        {"tie_embeddings": True, "input": "one_hot"},
        {"tie_embeddings": True, "readout_size": 100},
        {"bridge": "zero", "attention": "none"},
    ],
)
def test_contradictions_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^model\."):
        build_model(ModelConfig(**settings), 30, 20)


def lstm(inputs: int, hidden: int) -> int:
    """Two weight matrices and two biases of four gates."""
    return 4 * hidden * (inputs + hidden + 2)


def gru(inputs: int, hidden: int) -> int:
    return 3 * hidden * (inputs + hidden + 2)


# Widths of the defaults: embedding 256, encoder 256 a direction, decoder 512.
SOURCE, TARGET = 7000, 8000
EMBEDDINGS = (SOURCE + TARGET) * 256
ENCODER = 2 * lstm(256, 256)
BRIDGE = 2 * (512 * 512 + 512)  # hidden and cell state
GENERAL = 512 * 512
READOUT = (512 + 512) * 512  # no bias
GENERATOR = TARGET * 512 + TARGET


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, EMBEDDINGS + ENCODER + BRIDGE + lstm(256, 512) + GENERAL + READOUT + GENERATOR),
        (
            {"input_feeding": True},
            EMBEDDINGS + ENCODER + BRIDGE + lstm(256 + 512, 512) + GENERAL + READOUT + GENERATOR,
        ),
        (
            {"cell": "gru", "attention": "additive", "attention_position": "before"},
            EMBEDDINGS
            + 2 * gru(256, 256)
            + BRIDGE // 2
            + gru(256 + 512, 512)
            + (512 * 512 + 512 * 512 + 512 + 512)  # W, U with its bias, v
            + (512 + 256 + 512 + 1) * 2 * 512  # maxout
            + GENERATOR,
        ),
        (
            {"tie_embeddings": True},
            EMBEDDINGS + ENCODER + BRIDGE + lstm(256, 512) + GENERAL + (512 + 512) * 256 + TARGET,
        ),
        (
            {"attention": "none", "bridge": "copy", "reverse_source": True},
            EMBEDDINGS + ENCODER + lstm(256, 512) + GENERATOR,
        ),
    ],
)
def test_parameter_count(settings: dict[str, Any], expected: int) -> None:
    with torch.device("meta"):
        model = build_model(ModelConfig(**settings), SOURCE, TARGET)
    assert parameter_count(model) == expected


def test_the_seed_decides_the_weights() -> None:
    def built(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        return build_model(resolve_settings("tiny").model, 9, 9).state_dict()

    first, again, other = built(1), built(1), built(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["output.weight"], other["output.weight"])


def test_a_missing_library_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "entmax", None)  # makes its import fail
    sentence = (
        "^model.output=entmax15 needs the library entmax, which is not installed: .* pip install .seqweave.entmax"
    )
    with pytest.raises(ConfigError, match=sentence):
        build_model(ModelConfig(output="entmax15"), 9, 9)
    # A training says so before it reads anything.
    settings = {"model.output": "entmax15", "training.label_smoothing": 0}
    with pytest.raises(ConfigError, match=sentence):
        train(tmp_path / "missing.tsv", tmp_path / "model", settings=settings)
    build_model(ModelConfig(), 9, 9)
