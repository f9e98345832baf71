"""Makes the golden traces lstm-additive.json, transformer.json and copying.json: tiny models that learn to reverse.

    python page/tests/traces/make.py

The other traces here were written by version 1 of the format, and stay, to show that it is still read.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import seqweave

HERE = Path(__file__).parent
SHARED: dict[str, Any] = {
    "data.source.units": "char",
    "data.target.units": "char",
    "training.batch_tokens": 1024,
    "training.learning_rate": 5e-3,
    "training.warmup_steps": 20,
    "training.validate_every": 200,
}
MODELS: dict[str, dict[str, Any]] = {
    "lstm-additive": {
        "model.attention": "additive",
        "model.attention_position": "before",
        "model.embedding_size": 32,
        "model.encoder_hidden_size": 32,
        "model.decoder_hidden_size": 64,
        "training.max_steps": 600,
    },
    "copying": {
        "model.copy": True,
        "model.embedding_size": 32,
        "model.encoder_hidden_size": 32,
        "model.decoder_hidden_size": 64,
        "data.source.max_size": 10,
        "data.target.max_size": 8,
        "training.max_steps": 800,
    },
    "transformer": {
        "model.encoder": "transformer",
        "model.decoder": "transformer",
        "model.embedding_size": 64,
        "model.heads": 4,
        "training.learning_rate": 1e-3,
        "training.max_steps": 800,
    },
}


def main() -> None:
    """Train and trace each model."""
    generator = random.Random(1)
    words = ["".join(generator.choices("abcdefgh", k=generator.randint(3, 8))) for _ in range(4000)]
    with tempfile.TemporaryDirectory() as name:
        pairs = Path(name) / "pairs.tsv"
        pairs.write_text("".join(f"{word}\t{word[::-1]}\n" for word in words), encoding="utf-8")
        for kind, settings in MODELS.items():
            seqweave.train(pairs, Path(name) / kind, settings={**SHARED, **settings})
            seqweave.load(Path(name) / kind, "cpu").trace("abcdef", "fedcba").save(HERE / f"{kind}.json")


if __name__ == "__main__":
    main()
