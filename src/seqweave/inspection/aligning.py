"""Alignments of known pairs by the attention of one model or several."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from seqweave.errors import ConfigError, DataError
from seqweave.inspection.alignments import Weights, average, pool, token_rows
from seqweave.predictor import Model
from seqweave.text.tokenizers import Tokenizer
from seqweave.wording import without_attention

_CHUNK = 1000  # pairs decoded at once; all their weights are held


def pair_weights(
    models: Sequence[Model], pairs: Sequence[tuple[str, str]], *, shift: bool = False, words: bool = False
) -> Iterator[Weights]:
    """Attention weights of each pair, in order, from forced decoding. Shape: each (T, S).

    Args:
        models: one, or several of which the mean is taken.
        pairs: source and target, neither empty.
        shift: take the row of the step that reads an item, see `token_rows`.
        words: weights between words, which are what blanks divide, instead of the models' items.

    Raises:
        ConfigError: when a model has no attention, or there is no model.
        DataError: when models cut a pair differently, or a source is empty.
    """
    if not models:
        raise ConfigError("there must be a model to align with, but there is none: name a folder")
    for start in range(0, len(pairs), _CHUNK):
        chunk = pairs[start : start + _CHUNK]
        of_models = [_weights(model, chunk, shift, words) for model in models]
        yield from (average(matrices) for matrices in zip(*of_models, strict=True))


def word_places(tokenizer: Tokenizer, text: str) -> list[int]:
    """The word of each item of `text`, from 0; -1 for an item of blanks alone."""
    owner: list[int] = [-1] * len(text)
    for number, word in enumerate(re.finditer(r"\S+", text)):
        owner[word.start() : word.end()] = [number] * len(word[0])
    return [max(owner[start:end], default=-1) for start, end in tokenizer.offsets(text)]


def _weights(model: Model, pairs: Sequence[tuple[str, str]], shift: bool, words: bool) -> list[Weights]:
    matrices = []
    pairs = [(model.sources.one(source), model.trimmed(target)) for source, target in pairs]
    for (source, target), found in zip(pairs, model.score(pairs, return_attention=True), strict=True):
        if found.attention is None:
            raise ConfigError(without_attention("to align with it", "use another model"))
        weights = token_rows(found.attention, shift)
        if words:
            sources = word_places(model.source_tokenizer, source)[: weights.shape[1]]
            targets = word_places(model.target_tokenizer, target)
            weights = pool(weights, sources, targets, (len(target.split()), len(source.split())))
        elif weights.shape[0] == 0:
            raise DataError(f"a pair must have a target to be aligned, but that of {source!r} is empty: leave it out")
        matrices.append(weights)
    return matrices
