"""The vocabularies of a run that starts from a model: that model's, or with more entries; and what it does not know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seqweave.config import Config
from seqweave.data.readers import Pair
from seqweave.data.sides import Sides
from seqweave.text.extending import missing_entries, with_entries, with_tags
from seqweave.text.features import FeaturedTokenizer, Features
from seqweave.text.tokenizers import Tokenizer, in_batches
from seqweave.text.unknown import UnknownItems
from seqweave.training.origin import Origin

_CHUNK = 1000  # texts counted at once


@dataclass(frozen=True)
class Vocabularies:
    """The tokenizers of a run, and for each row of its tables of embeddings the row in the other model's, or None.

    Attributes:
        source, target: the tokenizers.
        source_rows, tag_rows, target_rows: of the source's items, the source tags and the target's items.
    """

    source: Tokenizer
    target: Tokenizer
    source_rows: list[int | None]
    tag_rows: list[int | None]
    target_rows: list[int | None]

    @property
    def tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        """Of both sides."""
        return self.source, self.target

    @property
    def added(self) -> dict[str, int]:
        """How many entries the other model does not have."""
        rows = {"source": self.source_rows, "source tags": self.tag_rows, "target": self.target_rows}
        return {side: found.count(None) for side, found in rows.items()}


def vocabularies_of(origin: Origin, config: Config, pairs: Sides) -> Vocabularies:
    """The vocabularies of a run that starts from a model; `data.extend_vocabulary` adds the items of its pairs."""
    source, target = origin.source, origin.target
    tags = source.features if isinstance(source, FeaturedTokenizer) else None
    text = Tokenizer(source.pipeline, source.config)
    more_source: list[str] = []
    more_target: list[str] = []
    new_tags = tags
    if config.data.extend_vocabulary:
        if config.data.joint_vocabulary:
            more_source = more_target = missing_entries(
                text, (side for pair in pairs.train() for side in (pair.source, pair.target))
            )
        else:
            more_source = missing_entries(text, (pair.source for pair in pairs.train()))
            more_target = missing_entries(target, (pair.target for pair in pairs.train()))
        if tags is not None:
            new_tags = with_tags(tags, (pair.features for pair in pairs.train()))
    longer = with_entries(text, more_source)
    return Vocabularies(
        longer if new_tags is None else FeaturedTokenizer(longer, new_tags),
        with_entries(target, more_target),
        _rows(text.size, len(more_source)),
        [] if tags is None or new_tags is None else _tag_rows(tags, new_tags),
        _rows(target.size, len(more_target)),
    )


def unknown_facts(tokenizers: tuple[Tokenizer, Tokenizer], pairs: Iterable[Pair]) -> dict[str, Any]:
    """How many items of the pairs are unknown, by side, with examples: `{"source": {"items": 10, ...}, ...}`."""
    source, target = tokenizers
    tagged = isinstance(source, FeaturedTokenizer)
    counters = {"source": UnknownItems(Tokenizer(source.pipeline, source.config)), "target": UnknownItems(target)}
    unknown_tags = tags = 0
    for chunk in in_batches(pairs, _CHUNK):
        counters["source"].add([pair.source for pair in chunk])
        counters["target"].add([pair.target for pair in chunk])
        if isinstance(source, FeaturedTokenizer):
            unknown, total = source.unknown_features([pair.whole for pair in chunk])
            unknown_tags, tags = unknown_tags + unknown, tags + total
    facts: dict[str, Any] = {
        side: {"items": counter.items, "unknown": counter.unknown, "examples": counter.examples}
        for side, counter in counters.items()
    }
    return facts | ({"source tags": {"items": tags, "unknown": unknown_tags, "examples": []}} if tagged else {})


def _rows(old: int, new: int) -> list[int | None]:
    return [*range(old), *(None for _ in range(new))]


def _tag_rows(old: Features, new: Features) -> list[int | None]:
    """Tags are numbered column by column, so new ones of the first column move those of the second."""
    places: dict[tuple[int, str], int] = {}
    for column, tags in enumerate(old.tags):
        places.update({(column, tag): len(places) + place for place, tag in enumerate(tags)})
    return [places.get((column, tag)) for column, tags in enumerate(new.tags) for tag in tags]
