"""Tokenizers: text to ids and back, for the units `char`, `word`, `space`, `subword`, `byte` and `label`.

A `Tokenizer` is an immutable wrapper over a pipeline of HF `tokenizers`, saved as `tokenizer.json`, of which only
the vocabulary is read again (`seqweave.text.tokenizer_files`).
For every kind of unit `decode(encode(text)) == normalized(text)` when nothing in the text is unknown.
A joint vocabulary is `train_tokenizer` over the texts of both sides.

What this leaves out: special tokens are never looked for in text, and never added to ids; adding
<bos> and <eos> is the work of `seqweave.data.dataset`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import tokenizers
from tokenizers import normalizers

from seqweave.config import TextConfig, Units
from seqweave.text.guess import guess_units
from seqweave.text.learning import learn_pipeline, surrogate_error
from seqweave.text.tokenizer_files import read_pipeline
from seqweave.text.vocabulary import BOS, EOS, PAD, SPECIALS, UNK, UNKNOWN_CHARACTER, byte_names, display_name

__all__ = ["Coverage", "Tokenizer", "coverage", "guess_units", "in_batches", "train_tokenizer"]

Item = TypeVar("Item")


class Tokenizer:
    """Text to ids and back. Make one with `train_tokenizer` or `from_json`.

    Attributes:
        config: the settings of its side.
    """

    def __init__(self, pipeline: tokenizers.Tokenizer, config: TextConfig):
        """Wrap a pipeline that `config` makes."""
        assert config.units is not None
        self._pipeline = pipeline
        self.config = config
        ids = pipeline.get_vocab(with_added_tokens=True)
        self._entries = sorted(ids, key=ids.__getitem__)
        self._units: Units = config.units
        self._letters: tokenizers.Tokenizer | None = None  # made when it is asked for
        self._composer = normalizers.NFC() if config.jamo else None
        shown = byte_names() if self._units == "byte" else {}
        if self._units == "label":  # the blank before it only keeps it apart from the specials
            shown = {entry: display_name(entry.removeprefix(" ")) for entry in self._entries}
        self._ids = {entry: id_ for id_, entry in enumerate(self._entries)}
        self._names = [*SPECIALS, *(shown.get(entry, display_name(entry)) for entry in self._entries[len(SPECIALS) :])]

    @property
    def size(self) -> int:
        """Entries of the vocabulary, specials included."""
        return len(self._entries)

    @property
    def feature_count(self) -> int:
        """Source tags known, whose ids are the last of `size`; see `seqweave.text.features`."""
        return 0

    def features_in(self, text: str) -> int:
        """How many of the ids of `text` are source tags; they come first."""
        return 0

    @property
    def pipeline(self) -> tokenizers.Tokenizer:
        """What is wrapped; it must not be changed."""
        return self._pipeline

    @property
    def units(self) -> Units:
        """What an item is."""
        return self._units

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, without specials; items out of the vocabulary are `UNK`; "" gives [].

        Raises:
            DataError: when `text` holds half of a surrogate pair.
        """
        return self._encoding(text).ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each text, faster."""
        try:
            encodings = self._pipeline.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError:
            return [self.encode(text) for text in texts]
        return [encoding.ids for encoding in encodings]

    def letters_batch(self, texts: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """Of each text: the ids of its characters, and how many of them each word has (no merge leaves a word).

        For subwords of BPE, where merging begins with them; `seqweave.text.subword_dropout` continues from there.
        """
        if self._letters is None:
            content = json.loads(self._pipeline.to_str())
            content["model"]["merges"] = []
            self._letters = tokenizers.Tokenizer.from_str(json.dumps(content))
        found = []
        for batch in in_batches(texts, 1000):  # the library's encodings are large
            for encoding in self._letters.encode_batch(batch, add_special_tokens=False):
                found.append((encoding.ids, list(Counter(encoding.word_ids).values())))
        return found

    def tokens(self, text: str) -> list[str]:
        """Names of the items of `text` for people; an unknown item is shown as its own text."""
        encoding = self._encoding(text)
        return [
            (display_name(text[start:end].strip()) or SPECIALS[UNK]) if id_ == UNK else self._names[id_]
            for id_, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
        ]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """The characters [start, end) of `text` that each item of `encode(text)` stands for."""
        return [(start, end) for start, end in self._encoding(text).offsets]

    def names(self, ids: Sequence[int], extra: Sequence[str] = ()) -> list[str]:
        """Names of `ids` for people: `▁` is a blank, `<0xE4>` a byte, specials as in `SPECIALS`.

        Ids beyond the vocabulary are those of the items `extra`.
        """
        size = self.size
        return [self._names[id_] if id_ < size else self._name(extra[id_ - size]) for id_ in ids]

    def items(self, text: str, ids: Sequence[int] | None = None) -> list[str]:
        """The items of `text` as the vocabulary holds them; an unknown one as it would hold it.

        `ids`, where known, are those of the text, and save encoding it again.
        """
        if ids is None:
            ids = self.encode(text)
        if UNK not in ids:
            return [self._entries[id_] for id_ in ids]
        if self._units in ("char", "word", "space", "label"):
            return self._pieces(text)  # a piece is an item
        encoding, normalizer = self._encoding(text), self._pipeline.normalizer
        assert normalizer is not None
        return [
            normalizer.normalize_str(text[start:end]).removeprefix(" ") if id_ == UNK else self._entries[id_]
            for id_, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
        ]

    def id_of(self, item: str) -> int | None:
        """The id of an item as `items` gives it, or None when the vocabulary lacks it."""
        return self._ids.get(item)

    def normalized(self, text: str) -> str:
        """The text as `decode(encode(text))` gives it when nothing is unknown."""
        return self.joined(self._pieces(text))

    def decode(self, ids: Sequence[int], extra: Sequence[str] = ()) -> str:
        """The text of `ids`. Pad, bos and eos are left out; an unknown item becomes U+FFFD.

        Ids beyond the vocabulary are those of the items `extra`.
        """
        entries = [self._entry(id_, extra) for id_ in ids if id_ not in (PAD, BOS, EOS)]
        return self.joined(entries)

    def to_json(self) -> str:
        """The whole tokenizer as the text of a `tokenizer.json`."""
        return self._pipeline.to_str(pretty=True) + "\n"

    def save(self, path: Path) -> None:
        """Write `tokenizer.json` to `path`."""
        path.write_text(self.to_json(), encoding="utf-8", newline="\n")

    @classmethod
    def from_json(cls, text: str, where: str, config: TextConfig) -> Tokenizer:
        """Read what `to_json` wrote; `where` names the file in errors, `config` has the settings of its side.

        Raises:
            ModelFolderError: when it is damaged, was not made by seqweave, or says another thing than the settings.
        """
        return cls(read_pipeline(text, where, config), config)

    def _encoding(self, text: str) -> tokenizers.Encoding:
        try:
            return self._pipeline.encode(text, add_special_tokens=False)
        except TypeError:
            raise surrogate_error(text) from None

    def _pieces(self, text: str) -> list[str]:
        normalizer, splitter = self._pipeline.normalizer, self._pipeline.pre_tokenizer
        assert normalizer is not None
        assert splitter is not None
        try:
            pieces = splitter.pre_tokenize_str(normalizer.normalize_str(text))
        except (TypeError, UnicodeEncodeError):
            raise surrogate_error(text) from None
        return [piece for piece, _ in pieces]

    def _entry(self, id_: int, extra: Sequence[str]) -> str:
        if id_ >= self.size:
            return extra[id_ - self.size]
        return self._unknown() if id_ == UNK else self._entries[id_]

    def joined(self, entries: list[str]) -> str:
        """The text of items as `items` gives them."""
        decoder = self._pipeline.decoder
        text = " ".join(entries) if decoder is None else decoder.decode(entries)
        return text if self._composer is None else self._composer.normalize_str(text)

    def _name(self, item: str) -> str:
        id_ = self._ids.get(item)
        return display_name(item) if id_ is None else self._names[id_]

    def _unknown(self) -> str:
        return " " + UNKNOWN_CHARACTER if self._units == "word" else UNKNOWN_CHARACTER


def train_tokenizer(texts: Iterable[str], config: TextConfig) -> Tokenizer:
    """Learn a vocabulary from `texts` (read once, as a stream); `config.units` must be set.

    The same texts give the same tokenizer: ties are broken by the item itself.

    Raises:
        ConfigError: when `config.max_size` cannot hold what the units need.
        DataError: when a text holds half of a surrogate pair.
    """
    return Tokenizer(learn_pipeline(texts, config), config)


@dataclass(frozen=True)
class Coverage:
    """How many items of some texts are in a vocabulary."""

    tokens: int
    unknown: int

    @property
    def rate(self) -> float:
        """Share of items that are unknown, 0 to 1."""
        return self.unknown / self.tokens if self.tokens else 0.0


def coverage(tokenizer: Tokenizer, texts: Iterable[str]) -> Coverage:
    """Count the items of `texts` (read once, as a stream), and those that are unknown."""
    tokens = unknown = 0
    for batch in in_batches(texts, 1000):
        for ids in tokenizer.encode_batch(batch):
            tokens += len(ids)
            unknown += ids.count(UNK)
    return Coverage(tokens, unknown)


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items, the last one shorter, of a stream."""
    stream = iter(items)
    while batch := list(islice(stream, size)):
        yield batch
