"""More entries for a vocabulary: the items of new texts that it lacks. Old entries keep their ids."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from seqweave.config import TextConfig
from seqweave.text.features import Features, count_tags
from seqweave.text.learning import normalized_texts
from seqweave.text.tokenizers import Tokenizer, train_tokenizer


def missing_entries(tokenizer: Tokenizer, texts: Iterable[str]) -> list[str]:
    """What a vocabulary learned from `texts` (read once, as a stream) has and that of `tokenizer` lacks.

    The most frequent first, with the limits of the settings (`max_size`, `min_frequency`). Of subwords only single
    characters are looked for: merges are not learned again. Bytes are always all there.

    Raises:
        DataError: when a text holds half of a surrogate pair.
    """
    if tokenizer.units == "byte":
        return []
    known = tokenizer.pipeline.get_vocab(with_added_tokens=True)
    if tokenizer.units == "subword":
        found = _characters(texts, tokenizer.config)
    else:
        vocabulary = train_tokenizer(texts, tokenizer.config).pipeline.get_vocab(with_added_tokens=True)
        found = sorted(vocabulary, key=vocabulary.__getitem__)
    return [entry for entry in found if entry not in known]


def with_entries(tokenizer: Tokenizer, entries: Sequence[str]) -> Tokenizer:
    """A tokenizer of texts whose vocabulary has more entries, after those of `tokenizer`."""
    if not entries:
        return tokenizer
    tree = json.loads(tokenizer.to_json())
    vocabulary = tree["model"]["vocab"]
    if isinstance(vocabulary, list):  # a unigram model's, with scores: a new piece is as rare as the rarest
        rarest = min(score for _, score in vocabulary)
        vocabulary += [[entry, rarest] for entry in entries]
    else:
        vocabulary.update({entry: len(vocabulary) + place for place, entry in enumerate(entries)})
    return Tokenizer.from_json(json.dumps(tree), "the vocabulary with more entries", tokenizer.config)


def with_tags(features: Features, rows: Iterable[Sequence[str]]) -> Features:
    """Source tags with those of some rows of cells (read once, as a stream) after the old ones of each column."""
    found = count_tags(rows, len(features.columns), features.separator)
    tags = tuple(
        (*old, *(tag for tag in new if tag not in set(old))) for old, new in zip(features.tags, found, strict=True)
    )
    return Features(features.columns, features.separator, tags)


def _characters(texts: Iterable[str], config: TextConfig) -> list[str]:
    counts: Counter[str] = Counter()
    for text in normalized_texts(texts, config):
        counts.update(text)
    frequent = [character for character, count in counts.items() if count >= config.min_frequency]
    return sorted(frequent, key=lambda character: (-counts[character], character))
