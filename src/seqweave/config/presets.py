"""The presets: what each changes against the defaults."""

from __future__ import annotations

from typing import Any, Literal

PresetName = Literal["tiny", "small", "base"]

# Measured in docs/benchmarks.md, section "Presets".
PRESETS: dict[PresetName, dict[str, Any]] = {
    "tiny": {
        "model.embedding_size": 64,
        "model.encoder_hidden_size": 64,
        "model.decoder_hidden_size": 128,
        "model.dropout": 0.1,
    },
    "small": {},
    "base": {
        "model.encoder_layers": 2,
        "model.decoder_layers": 2,
        "model.dropout": 0.3,
    },
}
