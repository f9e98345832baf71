"""Items of texts that a model does not know: how many, which, and one sentence where they are too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from seqweave.text.tokenizers import Tokenizer
from seqweave.text.vocabulary import UNK

MOST_UNKNOWN = 0.1
"""A share of unknown items above it is said."""
SHOWN = 5  # examples
_SHOWN_CHARACTERS = 40  # of an example
_KEPT = 10_000  # distinct unknown items that are counted


class UnknownItems:
    """Counts the items of texts, and those among them that are not in the vocabulary.

    Attributes:
        items: all items so far.
        unknown: those that are unknown.
    """

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._examples: Counter[str] = Counter()
        self.items = self.unknown = 0

    @property
    def share(self) -> float:
        """Unknown items of all, 0 to 1."""
        return self.unknown / self.items if self.items else 0.0

    @property
    def examples(self) -> list[str]:
        """The commonest unknown items."""
        return [item for item, _ in self._examples.most_common(SHOWN)]

    def add(self, texts: Sequence[str]) -> list[tuple[int, list[str]]]:
        """Count the items of some texts; how many items each has, and its unknown ones."""
        counted = []
        for text, ids in zip(texts, self._tokenizer.encode_batch(texts), strict=True):
            found = unknown_items(self._tokenizer, text) if UNK in ids else []
            self.items += len(ids)
            self.unknown += len(found)
            self._examples.update(item for item in found if item in self._examples or len(self._examples) < _KEPT)
            counted.append((len(ids), found))
        return counted

    def sentence(self, side: str = "source") -> str | None:
        """What to say where too many are unknown, of the items of which side; else None."""
        if self.share <= MOST_UNKNOWN:
            return None
        names = ", ".join(repr(item[:_SHOWN_CHARACTERS]) for item in self.examples)
        return (
            f"{100 * self.share:.0f}% of the {side} items ({self.unknown:,} of {self.items:,} "
            f"{self._tokenizer.units} items) are unknown to the model, such as {names}"
        )


def knows_tabs(tokenizer: Tokenizer) -> bool:
    """Whether texts that a tokenizer was learned from had tabs in them, which JSON can hold; of bytes all are known."""
    ids = tokenizer.encode("\t")
    return tokenizer.units in ("char", "word", "subword") and bool(ids) and ids[-1] != UNK


def unknown_items(tokenizer: Tokenizer, text: str) -> list[str]:
    """The items of a text that are not in the vocabulary, in order, as the text has them."""
    places = zip(tokenizer.encode(text), tokenizer.offsets(text), strict=True)
    return [text[start:end].strip() or text[start:end] for id_, (start, end) in places if id_ == UNK]
