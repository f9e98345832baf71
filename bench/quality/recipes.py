"""The evaluation recipes: a data set each (`splits.py`), and the settings its model is trained with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from splits import (
    Splits,
    chatbot,
    cmudict,
    cogs,
    inflection,
    korean,
    kss,
    multi30k,
    scan,
    scitldr,
    wikisplit,
)


@dataclass(frozen=True)
class Recipe:
    """One data set with the settings of its model.

    `reported` names the splits to evaluate, `figures` what `recipe_tables.py` shows of them.
    """

    read: Callable[[Path], Splits]
    settings: Mapping[str, Any]
    reported: tuple[str, ...] = ("test",)
    figures: tuple[str, ...] = ("exact_match", "token_error_rate")


_SUBWORD = {"units": "subword", "subword_model": "bpe", "lowercase": True}
_TRANSLATION = {
    "model.embedding_size": 256,
    "model.encoder_hidden_size": 256,
    "model.decoder_hidden_size": 512,
    "model.tie_embeddings": True,
    "model.dropout": 0.4,
    "model.embedding_dropout": 0.3,
    "model.word_dropout": 0.05,
    "training.batch_tokens": 4096,
    "training.metric": "bleu",
}
_PHONES = {"data.source.units": "char", "data.target.units": "space", "training.metric": "token_error_rate"}
_KOREAN = {
    **_PHONES,
    "model.embedding_size": 128,
    "model.encoder_hidden_size": 128,
    "model.decoder_hidden_size": 256,
    "model.encoder_layers": 2,
    "model.dropout": 0.4,
    "training.max_epochs": 110,
    "training.batch_tokens": 2048,
    "training.average_checkpoints": 5,
    "training.metric": "exact_match",
}
_JAMO = {"units": "char", "jamo": True}
_SCAN = {
    "data.source.units": "space",
    "data.target.units": "space",
    "model.embedding_size": 64,
    "model.encoder_hidden_size": 128,
    "model.decoder_hidden_size": 256,
    "model.attention_position": "between",
    "model.decoder_layers": 2,
    "training.max_epochs": 44,
    "training.average_checkpoints": 5,
    "training.metric": "exact_match",
}
_INFLECTION = {
    **{f"data.{side}.{key}": value for side in ("source", "target") for key, value in _JAMO.items()},
    "data.feature_columns": ["3"],
    "model.embedding_size": 128,
    "model.encoder_hidden_size": 128,
    "model.decoder_hidden_size": 256,
    "model.dropout": 0.4,
    "training.learning_rate": 3e-3,
    "training.average_checkpoints": 5,
    "training.metric": "exact_match",
}
_COPYING = {
    "model.embedding_size": 128,
    "model.encoder_hidden_size": 256,
    "model.decoder_hidden_size": 512,
    "model.dropout": 0.3,
    "model.tie_embeddings": True,
    "training.batch_tokens": 4096,
    "training.learning_rate": 2e-3,
    "training.metric": "bleu",
}
_ROUGE = ("rouge_1", "rouge_2", "rouge_l", "bleu")


def _subwords(size: int) -> dict[str, Any]:
    """Both sides as at most `size` lower-cased subwords each."""
    values = {**_SUBWORD, "max_size": size}
    return {f"data.{side}.{key}": value for side in ("source", "target") for key, value in values.items()}


def _words(lowercase: bool) -> dict[str, Any]:
    """Both sides as words, of which the 8,000 most frequent are known."""
    values = {"units": "word", "max_size": 8000, "lowercase": lowercase}
    return {f"data.{side}.{key}": value for side in ("source", "target") for key, value in values.items()}


_WIKISPLIT = {**_words(lowercase=False), **_COPYING, "training.max_epochs": 12}
_SCITLDR = {**_words(lowercase=True), **_COPYING, "training.max_epochs": 12}

RECIPES: dict[str, Recipe] = {
    "cmudict": Recipe(
        cmudict,
        {
            **_PHONES,
            "model.embedding_size": 128,
            "model.encoder_hidden_size": 256,
            "model.decoder_hidden_size": 512,
            "model.encoder_layers": 2,
            "model.dropout": 0.3,
            "training.max_epochs": 20,
            "training.learning_rate": 2e-3,
            "training.average_checkpoints": 3,
            "training.metric": "exact_match",
        },
    ),
    "multi30k-de-en": Recipe(
        multi30k,
        {
            **_subwords(6000),
            **_TRANSLATION,
            "model.dropout": 0.3,
            "model.embedding_dropout": 0.2,
            "training.max_epochs": 10,
            "training.learning_rate": 2e-3,
        },
        figures=("bleu", "chrf", "perplexity"),
    ),
    "kor-jamo": Recipe(korean, {**_KOREAN, "data.source.jamo": True}, ("dev", "test")),
    "kor-plain": Recipe(korean, {**_KOREAN, "data.source.jamo": False}, ("dev", "test")),
    "kss": Recipe(
        kss,
        {
            **_subwords(4000),
            **_TRANSLATION,
            "model.dropout": 0.3,
            "model.embedding_dropout": 0.2,
            "training.max_epochs": 30,
            "training.batch_tokens": 2048,
            "training.learning_rate": 2e-3,
        },
    ),
    "scan": Recipe(scan, _SCAN),
    "scan-length": Recipe(partial(scan, kind="length"), _SCAN, ("dev", "test")),
    "cogs": Recipe(
        cogs,
        {
            "data.source.units": "space",
            "data.target.units": "space",
            "model.embedding_size": 128,
            "model.encoder_hidden_size": 128,
            "model.decoder_hidden_size": 256,
            "model.copy": True,  # without it nouns come out as other nouns
            "training.max_epochs": 20,
            "training.average_checkpoints": 3,
            "training.learning_rate": 2e-3,
            "training.metric": "exact_match",
        },
        ("dev", "test"),
    ),
    "kor-inflection-large": Recipe(
        partial(inflection, size="large"),
        {
            **_INFLECTION,
            # Half of dev has combinations of tags that train has not. A recurrent encoder reads the tags as one whole
            # and gets 31% of these right, a Transformer 56%.
            "model.encoder": "transformer",
            "model.encoder_layers": 2,
            "model.dropout": 0.35,
            "training.max_steps": 2200,
            "training.batch_tokens": 1024,
            "training.learning_rate": 2e-3,
        },
        ("dev", "test"),
    ),
    "kor-inflection-small": Recipe(
        partial(inflection, size="small"),
        {**_INFLECTION, "training.max_steps": 1200, "training.warmup_steps": 100, "training.batch_tokens": 512},
        ("dev", "test"),
    ),
    "kor-chatbot": Recipe(
        chatbot,
        {
            **_subwords(4000),
            **_TRANSLATION,
            "data.source.lowercase": False,
            "data.target.lowercase": False,
            "training.batch_tokens": 2048,
            "training.max_epochs": 16,
            "training.label_smoothing": 0.0,  # it would raise the perplexity, which selects here
            "training.metric": "loss",
        },
        ("dev", "test"),
        ("perplexity", "free_running_perplexity", "distinct_1", "distinct_2", "bleu"),
    ),
    "wikisplit-plain": Recipe(wikisplit, _WIKISPLIT, figures=_ROUGE),
    "wikisplit-copy": Recipe(wikisplit, {**_WIKISPLIT, "model.copy": True}, figures=_ROUGE),
    "scitldr-plain": Recipe(scitldr, _SCITLDR, figures=_ROUGE),
    "scitldr-copy": Recipe(scitldr, {**_SCITLDR, "model.copy": True}, figures=_ROUGE),
}
