"""Ids for models that copy: an extended target vocabulary for each sentence.

A model with `model.copy` may put out any item of its source (See, Liu & Manning 2017, section 2.2). A
source item that the target vocabulary has keeps its id there. Any other gets an id of its own for this one
sentence: `V`, `V + 1`, ... in the order of first occurrence, equal texts the same one. Items of the two
sides are matched by their texts, so the vocabularies may differ.

So each source position has two ids: which embedding the encoder reads (`<unk>` for what the source
vocabulary lacks), and what the position stands for in an output (`Source.copies`).

Features of a source (`seqweave.text.features`) are read and attended to, but are not there to be copied: like
padding, they stand for 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqweave.data.source import Source, make_sources
from seqweave.text.tokenizers import Tokenizer
from seqweave.text.vocabulary import PAD, UNK


@dataclass(frozen=True)
class Coded:
    """Some texts as sources.

    Attributes:
        sources: what the encoder reads of each, and of a model that copies what each position stands for.
        extra: of each source, the items with the ids `V`, `V + 1`, ...
        long: sources that had more items, and were cut.
    """

    sources: list[Source]
    extra: list[list[str]]
    long: int = 0


def plain_sources(source: Tokenizer, texts: Sequence[str], longest: int | None = None) -> Coded:
    """Sources of a model that does not copy: their first `longest` ids."""
    ids = source.encode_batch(texts)
    return Coded(make_sources([one[:longest] for one in ids]), [[] for _ in ids], _long(ids, longest))


class CopyCoder:
    """Texts to sources that can be copied from, and extended ids of targets."""

    def __init__(self, source: Tokenizer, target: Tokenizer):
        self.source = source
        self.target = target

    def sources(self, texts: Sequence[str], longest: int | None = None) -> Coded:
        """Sources of texts, each cut to its first `longest` items."""
        every = self.source.encode_batch(texts)
        coded = [
            self._coded(self.source.items(text, ids)[:longest], ids[:longest])
            for text, ids in zip(texts, every, strict=True)
        ]
        return Coded([source for source, _ in coded], [extra for _, extra in coded], _long(every, longest))

    def targets(self, texts: Sequence[str], extra: Sequence[Sequence[str]]) -> list[list[int]]:
        """Ids of targets; an item unknown to the vocabulary that is in `extra` of its source has its id there."""
        found = []
        for text, ids, words in zip(texts, self.target.encode_batch(texts), extra, strict=True):
            if UNK in ids and words:
                places = {word: self.target.size + place for place, word in enumerate(words)}
                items = self.target.items(text, ids)
                ids = [places.get(item, UNK) if id_ == UNK else id_ for id_, item in zip(ids, items, strict=True)]
            found.append(ids)
        return found

    def outputs(self, longest: int) -> int:
        """How many extended ids there can be, with sources of at most `longest` items."""
        return self.target.size + longest

    def _coded(self, items: list[str], ids: list[int]) -> tuple[Source, list[str]]:
        extra: dict[str, int] = {}
        copies = []
        features = self.source.size - self.source.feature_count
        for item, id_ in zip(items, ids, strict=True):
            stands_for = PAD if id_ >= features else self.target.id_of(item)
            if stands_for is None:
                stands_for = extra.setdefault(item, self.target.size + len(extra))
            copies.append(stands_for)
        return Source(np.array(ids, dtype=np.int64), np.array(copies, dtype=np.int64)), list(extra)


def _long(ids: Sequence[Sequence[int]], longest: int | None) -> int:
    """How many are longer."""
    return 0 if longest is None else sum(len(one) > longest for one in ids)
