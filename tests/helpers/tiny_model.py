"""A whole `Model` of any architecture in a moment: letters on both sides, random weights."""

from __future__ import annotations

from pathlib import Path

import torch

from architectures import needs_library
from seqweave.config import Config, DataConfig, ModelConfig, SearchConfig, TextConfig, TrainConfig, config_to_json
from seqweave.folder import CONFIG, SOURCE_TOKENIZER, TARGET_TOKENIZER, WEIGHTS, save_weights, write_manifest
from seqweave.model.build import build_model
from seqweave.model.output.pointer_generator import PointerGenerator
from seqweave.predictor import Model
from seqweave.text.tokenizers import train_tokenizer

LETTERS = "abcdefg"


def tiny_model(config: ModelConfig, seed: int = 1, units: TextConfig | None = None) -> Model:
    """A model with weights large enough that every path matters; outputs end at different lengths."""
    needs_library(config)
    text = units or TextConfig(units="char")
    # A model that copies puts out letters that its target vocabulary lacks.
    letters = LETTERS[:4] if config.copy else LETTERS
    source, target = train_tokenizer([LETTERS], text), train_tokenizer([letters], text)
    torch.manual_seed(seed)
    network = build_model(config, source.size, target.size)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        network.output.bias[3] -= 0.5  # <eos>
    search = SearchConfig(max_length_ratio=1.0, max_length=20)
    training = TrainConfig(label_smoothing=0.1 if config.output == "softmax" else 0.0)
    whole = Config(model=config, search=search, data=DataConfig(source=text, target=text), training=training)
    return Model(network.eval(), source, target, whole)


def copying_model(config: ModelConfig) -> Model:
    """A model that copies more often than not: its outputs hold letters the target vocabulary lacks."""
    model = tiny_model(config)
    assert isinstance(model.single.output, PointerGenerator)
    with torch.no_grad():
        model.single.output.gate.bias.fill_(-2.0)
    return model


def tiny_folder(model: Model, folder: Path) -> Path:
    """The model as a folder that `seqweave.load` takes."""
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text(config_to_json(model.config), encoding="utf-8")
    save_weights(model.network, folder / WEIGHTS)
    model.source_tokenizer.save(folder / SOURCE_TOKENIZER)
    model.target_tokenizer.save(folder / TARGET_TOKENIZER)
    write_manifest(folder, [CONFIG, WEIGHTS, SOURCE_TOKENIZER, TARGET_TOKENIZER])
    return folder
