"""Learning a vocabulary from texts: counted items, BPE, unigram, or the 256 bytes.

The trainers of HF `tokenizers` do the counting; what they make is rewritten so that the specials are
plain entries of the vocabulary (never looked for in text).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import tokenizers
from tokenizers import models, trainers

from seqweave.config import TextConfig
from seqweave.errors import ConfigError, DataError
from seqweave.text.pipelines import assemble, make_normalizer
from seqweave.text.unigram import learn_unigram
from seqweave.text.vocabulary import ENTRIES, UNK, byte_entries

DEFAULT_SUBWORDS = 8000
_NO_LIMIT = 2**40


def learn_pipeline(texts: Iterable[str], config: TextConfig) -> tokenizers.Tokenizer:
    """The pipeline for `config` with a vocabulary learned from `texts`; see `train_tokenizer`."""
    if config.units is None:
        raise ConfigError("units must be char, word, space, subword, byte or label, but they are not set: set them")
    if config.units == "byte":
        return _byte_pipeline(config)
    if config.units != "subword":
        return _counted_pipeline(texts, config)
    if config.subword_model == "unigram":
        return _unigram_pipeline(texts, config)
    return _bpe_pipeline(texts, config)


def surrogate_error(text: object) -> DataError:
    """The error for a text that is not valid Unicode, or is no text at all."""
    if not isinstance(text, str):
        return DataError(f"a text must be a str, but it is of type {type(text).__name__}: give text")
    place = next((index for index, sign in enumerate(text) if "\ud800" <= sign <= "\udfff"), 0)
    return DataError(
        f"text must be valid Unicode, but character {place + 1} is U+{ord(text[place]):04X}, "
        "half of a surrogate pair: remove or repair it"
    )


def _byte_pipeline(config: TextConfig) -> tokenizers.Tokenizer:
    entries = [*ENTRIES, *byte_entries()]
    if config.max_size is not None and config.max_size < len(entries):
        raise ConfigError(
            f"max_size must be at least {len(entries)} for units byte (256 bytes and {len(ENTRIES)} specials), "
            f"but it is {config.max_size}: raise it or leave it unset"
        )
    vocabulary = {entry: id_ for id_, entry in enumerate(entries)}
    return assemble(models.BPE(vocabulary, [], unk_token=ENTRIES[UNK]), config)


def _counted_pipeline(texts: Iterable[str], config: TextConfig) -> tokenizers.Tokenizer:
    """Most frequent items first; ties in the order of code points."""
    pipeline = assemble(models.WordLevel({ENTRIES[UNK]: UNK}, unk_token=ENTRIES[UNK]), config)
    trainer = trainers.WordLevelTrainer(
        vocab_size=config.max_size or _NO_LIMIT,
        min_frequency=config.min_frequency,
        special_tokens=list(ENTRIES),
        show_progress=False,
    )
    pipeline.train_from_iterator(_checked(texts), trainer)
    vocabulary = _model_of(pipeline)["vocab"]
    return assemble(models.WordLevel(vocabulary, unk_token=ENTRIES[UNK]), config)


def _bpe_pipeline(texts: Iterable[str], config: TextConfig) -> tokenizers.Tokenizer:
    """Byte-pair encoding (Sennrich et al. 2016, section 3.2) over the characters of the texts."""
    size = config.max_size or DEFAULT_SUBWORDS
    pipeline = assemble(models.BPE(unk_token=ENTRIES[UNK]), config)
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=config.min_frequency, special_tokens=list(ENTRIES), show_progress=False
    )
    characters: Counter[str] = Counter()
    pipeline.train_from_iterator(_counting(texts, config, characters), trainer)
    learned = _model_of(pipeline)
    dropped = set(characters) - set(_frequent(characters, config.min_frequency, size - len(ENTRIES)))
    # A dropped character is in no merge: a merge is at least as frequent as required, and there are
    # none when the characters alone fill the vocabulary.
    entries = [entry for entry in sorted(learned["vocab"], key=learned["vocab"].__getitem__) if entry not in dropped]
    vocabulary = {entry: id_ for id_, entry in enumerate(entries)}
    merges = [(left, right) for left, right in learned["merges"]]
    return assemble(models.BPE(vocabulary, merges, unk_token=ENTRIES[UNK]), config)


def _unigram_pipeline(texts: Iterable[str], config: TextConfig) -> tokenizers.Tokenizer:
    """A unigram language model over subwords (Kudo 2018)."""
    size = config.max_size or DEFAULT_SUBWORDS
    pipeline = assemble(models.Unigram(), config)
    splitter = pipeline.pre_tokenizer
    assert splitter is not None
    words: Counter[str] = Counter()
    for text in normalized_texts(texts, config):
        words.update(piece for piece, _ in splitter.pre_tokenize_str(text))
    pieces = learn_unigram(words, size - len(ENTRIES), config.min_frequency)
    vocabulary = [*((entry, 0.0) for entry in ENTRIES), *pieces]
    return assemble(models.Unigram(vocabulary, unk_id=UNK, byte_fallback=False), config)


def _frequent(counts: Counter[str], min_frequency: int, limit: int) -> list[str]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [item for item, count in ordered[:limit] if count >= min_frequency]


def _model_of(pipeline: tokenizers.Tokenizer) -> Any:
    return json.loads(pipeline.to_str())["model"]


def _checked(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise surrogate_error(text) from None
        yield text


def normalized_texts(texts: Iterable[str], config: TextConfig) -> Iterator[str]:
    """Texts as they are before they are cut into items.

    Raises:
        DataError: when one holds half of a surrogate pair.
    """
    normalizer = make_normalizer(config)
    for text in _checked(texts):
        yield normalizer.normalize_str(text)


def _counting(texts: Iterable[str], config: TextConfig, characters: Counter[str]) -> Iterator[str]:
    """Pass `texts` on, counting the characters they have once normalised."""
    # Not `pipeline.normalizer`: training holds the pipeline's lock while it asks for the next text.
    normalizer = make_normalizer(config)
    for text in _checked(texts):
        characters.update(normalizer.normalize_str(text))
        yield text
