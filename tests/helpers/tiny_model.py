"""A whole `Model` of any architecture in a moment: letters on both sides, random weights."""

from __future__ import annotations

import torch

from seqweave.config import Config, DataConfig, ModelConfig, SearchConfig, TextConfig
from seqweave.model.build import build_model
from seqweave.search.predictor import Model
from seqweave.text.tokenizers import train_tokenizer

LETTERS = "abcdefg"


def tiny_model(config: ModelConfig, seed: int = 1, units: TextConfig | None = None) -> Model:
    """A model with weights large enough that every path matters; outputs end at different lengths."""
    text = units or TextConfig(units="char")
    source, target = train_tokenizer([LETTERS], text), train_tokenizer([LETTERS], text)
    torch.manual_seed(seed)
    network = build_model(config, source.size, target.size)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        network.generator.bias[3] -= 0.5  # <eos>
    search = SearchConfig(max_length_ratio=1.0, max_length=20)
    whole = Config(model=config, search=search, data=DataConfig(source=text, target=text))
    return Model(network.eval(), source, target, whole)
