"""The ids of a run's pairs: on disk, and those of BPE-dropout, which are drawn in each epoch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seqweave.config import Config, TextConfig
from seqweave.data.bpe_dropout import SubwordDropout
from seqweave.data.dataset import PairDataset, write_dataset
from seqweave.data.storage import SIDES
from seqweave.text.subword_dropout import Merges
from seqweave.text.tokenizers import Tokenizer


def write_ids(
    texts: Iterable[tuple[str, str]],
    tokenizers: tuple[Tokenizer, Tokenizer],
    cache: Path,
    config: Config,
    mix: Iterable[tuple[str, str]] = (),
) -> tuple[PairDataset, dict[str, int]]:
    """Write the ids of pairs of texts as a config wants them; see `seqweave.data.dataset.write_dataset`."""
    limits = (config.data.max_source_length, config.data.max_target_length)
    letters = dropping_sides(config)
    return write_dataset(texts, *tokenizers, cache, *limits, letters=letters, copying=config.model.copy, mix=mix)


def dropping_sides(config: Config) -> list[str]:
    """The sides with BPE-dropout."""
    return [side for side in SIDES if _text(config, side).subword_dropout > 0]


def subword_dropout(config: Config, tokenizers: tuple[Tokenizer, Tokenizer]) -> SubwordDropout | None:
    """BPE-dropout as a config has it, or None."""
    sides = dropping_sides(config)
    if not sides:
        return None
    by_side = dict(zip(SIDES, tokenizers, strict=True))
    return SubwordDropout(
        rates={side: _text(config, side).subword_dropout for side in sides},
        merges={side: Merges.of(by_side[side].to_json()) for side in sides},
        most={"source": config.data.max_source_length, "target": config.data.max_target_length},
        seed=config.training.seed,
    )


def _text(config: Config, side: str) -> TextConfig:
    return config.data.source if side == "source" else config.data.target
