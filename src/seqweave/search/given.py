"""What callers give to a model as sources, texts or frames, and what the model reads of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqweave.data.copying import Coded, CopyCoder, plain_sources
from seqweave.data.source import Source, make_sources
from seqweave.errors import ConfigError, DataError
from seqweave.search.arguments import kind_of, list_of_frames, list_of_texts
from seqweave.text.ends import trimmed
from seqweave.text.tokenizers import Tokenizer
from seqweave.text.unknown import knows_tabs
from seqweave.text.vocabulary import UNK

Given = str | NDArray[Any]
"""A source as a caller has it: a text, or frames (S, F)."""


Item = tuple[str, int, int, int]
"""A position of a source as it is shown: name, id, and the characters [start, end) of the text it stands for."""


class SourceKind(Protocol):
    """The role of what a model reads.

    Attributes:
        units: what a position is.
        size: entries of the vocabulary, or floats of a frame.
    """

    units: str
    size: int

    def one(self, given: Any) -> Any:
        """One source that a caller gave; raises as `checked`."""
        ...

    def checked(self, given: Any, tabs: bool = True) -> list[Any]:
        """What a caller gave, as a list of sources of this kind.

        Args:
            given: by a caller.
            tabs: whether texts may hold tabs that the model does not know.

        Raises:
            ConfigError: when it is something else.
            DataError: when a text holds such a tab.
        """
        ...

    def coded(self, given: Sequence[Any], longest: int | None = None) -> Coded:
        """What the network reads of sources, each cut to its first `longest` positions."""
        ...

    def is_empty(self, given: Any) -> bool:
        """Whether there is nothing to read."""
        ...

    def names(self, given: Any, source: Source) -> list[str]:
        """Display names of the positions that the network reads."""
        ...

    def items(self, given: Any, source: Source) -> tuple[str, list[Item]]:
        """A source as a text, and the positions that the network reads as parts of it."""
        ...

    def key(self, given: Any) -> str:
        """What tells a source from others, and stands for it where texts are shown."""
        ...


class TextSources:
    """Texts, by a tokenizer; with a coder, sources that can be copied from.

    With `trims`, what is invisible at the ends of a text does not count, wherever the text comes in.
    """

    def __init__(self, tokenizer: Tokenizer, coder: CopyCoder | None, trims: bool = True):
        self._tokenizer, self._coder, self._trims = tokenizer, coder, trims
        self.units: str = tokenizer.units
        self.size = tokenizer.size

    def one(self, given: Any) -> str:
        """See `SourceKind`."""
        if not isinstance(given, str):
            raise ConfigError(f"source must be a text, but it is {kind_of(given)}: give one text")
        return self._read(given)

    def checked(self, given: Any, tabs: bool = True) -> list[Any]:
        """See `SourceKind`."""
        texts = [self._read(one) for one in list_of_texts(given)]
        wrong = [] if tabs else [number for number, text in enumerate(texts, 1) if "\t" in text]
        if wrong and not self._tokenizer.feature_count and not knows_tabs(self._tokenizer):
            raise DataError(
                f"each text must be a source, but number {wrong[0]} of {len(texts):,} has tabs in it, as a line with "
                "its answer has: take its first column, as in text.split('\\t')[0], or say tabs=True if it needs them"
            )
        return texts

    def coded(self, given: Sequence[str], longest: int | None = None) -> Coded:
        """See `SourceKind`."""
        texts = [self._read(one) for one in given]
        if self._coder is None:
            return plain_sources(self._tokenizer, texts, longest)
        return self._coder.sources(texts, longest)

    def is_empty(self, given: str) -> bool:
        """See `SourceKind`; blanks are nothing."""
        return not self._read(given).strip()

    def names(self, given: str, source: Source) -> list[str]:
        """See `SourceKind`; an unknown item is shown as its text."""
        ids: list[int] = source.values.tolist()
        given = self._read(given)
        return self._tokenizer.tokens(given)[: len(ids)] if UNK in ids else self._tokenizer.names(ids)

    def items(self, given: str, source: Source) -> tuple[str, list[Item]]:
        """See `SourceKind`."""
        given = self._read(given)
        return given, items_of(self._tokenizer, given, source.values.tolist())

    def key(self, given: str) -> str:
        """The text itself."""
        return self._read(given)

    def _read(self, given: str) -> str:
        """The text as it counts; one with source tags is trimmed before its first tab, and tags are by themselves."""
        if not self._trims:
            return given
        if not self._tokenizer.feature_count:
            return trimmed(given)
        text, tab, cells = given.partition("\t")
        return f"{trimmed(text)}{tab}{cells}"


class FrameSources:
    """Arrays (S, F) of `frame_size` floats a frame."""

    def __init__(self, frame_size: int):
        self.units = "frames"
        self.size = frame_size

    def one(self, given: Any) -> NDArray[np.float32]:
        """See `SourceKind`."""
        return list_of_frames([given], self.size)[0]

    def checked(self, given: Any, tabs: bool = True) -> list[Any]:
        """See `SourceKind`."""
        return list_of_frames(given, self.size)

    def coded(self, given: Sequence[NDArray[Any]], longest: int | None = None) -> Coded:
        """See `SourceKind`."""
        whole = make_sources(given)
        long = 0 if longest is None else sum(len(one) > longest for one in whole)
        return Coded([one.first(longest) for one in whole], [[] for _ in whole], long)

    def is_empty(self, given: NDArray[Any]) -> bool:
        """See `SourceKind`."""
        return len(given) == 0

    def names(self, given: NDArray[Any], source: Source) -> list[str]:
        """The frames' numbers, from 1."""
        return [str(number) for number in range(1, len(source) + 1)]

    def items(self, given: NDArray[Any], source: Source) -> tuple[str, list[Item]]:
        """The numbers of the frames, a blank between; they are the ids, too."""
        items: list[Item] = []
        start = 0
        for number, name in enumerate(self.names(given, source), 1):
            items.append((name, number, start, start + len(name)))
            start += len(name) + 1
        return " ".join(name for name, *_ in items), items

    def key(self, given: NDArray[Any]) -> str:
        """How many frames, and a hash of them."""
        values = np.ascontiguousarray(given, dtype=np.float32)
        return f"{len(given)} frames {hashlib.blake2b(values.tobytes(), digest_size=8).hexdigest()}"


def items_of(tokenizer: Tokenizer, text: str, ids: Sequence[int]) -> list[Item]:
    """The items of a text, the first of which have `ids`."""
    parts = zip(tokenizer.tokens(text), ids, tokenizer.offsets(text), strict=False)
    return [(name, id_, start, end) for name, id_, (start, end) in parts]
