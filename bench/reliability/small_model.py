"""A finished model folder with all its files, in a moment."""

from __future__ import annotations

from pathlib import Path

SETTINGS = {
    "training.max_steps": 4,
    "training.validate_every": 2,
    "training.precision": "fp32",
    "model.embedding_size": 8,
    "model.encoder_hidden_size": 8,
    "model.decoder_hidden_size": 12,
}


def make_folder(folder: Path) -> None:
    """Train for four steps on made-up pairs."""
    import seqweave

    data = folder.with_name("pairs.tsv")
    words = [f"{a}{b}{c}" for a in "abcd" for b in "efgh" for c in "abef"]
    data.write_text("".join(f"{word}\t{word[::-1].upper()}\n" for word in words), encoding="utf-8")
    seqweave.train(data, folder, settings=SETTINGS, device="cpu", listen=lambda event: None)
