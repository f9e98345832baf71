"""Source tags: tags of one or more columns (`V;PST;3;SG`, a language code) as items before a source's text.

In code and files they are called features. A source with tags is written in one text, as a line of a table:
the source and the cell of each column of tags, separated by tabs. A cell holds any number of tags. They are
a set: their order and repeats mean nothing. The same tag in two columns is two different tags.

`FeaturedTokenizer` reads such texts. Tags become items that stand before the items of the text, as in Kann &
Schütze 2016 ("MED: The LMU system for the SIGMORPHON 2016 shared task"). So attention can say which of them an
output item comes from, and whatever works with sources works with tags. Their ids follow those of the text's
vocabulary.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from seqweave.errors import DataError, ModelFolderError
from seqweave.text.tokenizers import Tokenizer

TAB = "\t"


@dataclass(frozen=True)
class Features:
    """The source tags that a model knows.

    Attributes:
        columns: what the config calls each column.
        separator: between the tags of a cell.
        tags: of each column, the most frequent first.
    """

    columns: tuple[str, ...]
    separator: str
    tags: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> list[str]:
        """Names of all tags for people, in the order of their ids: `[PST]`."""
        return [f"[{tag}]" for tags in self.tags for tag in tags]

    @property
    def expected(self) -> str:
        """What a source has to look like."""
        return "TEXT" + "".join(f"<TAB>column {name}" for name in self.columns)

    def to_json(self) -> str:
        """The content of a `features.json`."""
        columns = [{"name": name, "tags": list(tags)} for name, tags in zip(self.columns, self.tags, strict=True)]
        content = {"format": 1, "separator": self.separator, "columns": columns}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Features:
        """Read the content of a `features.json`; `where` names the file in errors.

        Raises:
            ModelFolderError: when it is damaged, or of another format.
        """
        try:
            content = json.loads(text)
            if content["format"] != 1:
                raise ValueError(f"its format is {ascii(content['format'])[:80]}, not 1")
            if not all(isinstance(column["tags"], list) for column in content["columns"]):
                raise ValueError("the tags of a column are no list")
            columns = tuple((column["name"], tuple(column["tags"])) for column in content["columns"])
            found = cls(tuple(name for name, _ in columns), content["separator"], tuple(tags for _, tags in columns))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelFolderError(
                f"{where} must hold source tags written by seqweave, but it does not ({error}): restore the file"
            ) from None
        texts = [*found.columns, found.separator, *(tag for tags in found.tags for tag in tags)]
        if not all(map(_is_text, texts)) or any(len(set(tags)) < len(tags) for tags in found.tags):
            raise ModelFolderError(
                f"{where} must hold distinct source tags, each a text, but it does not: restore the file"
            )
        return found


def _is_text(given: object) -> bool:
    """Whether it is a text with something in it, and no half of a surrogate pair."""
    return isinstance(given, str) and given != "" and not any("\ud800" <= sign <= "\udfff" for sign in given)


def tags_of(cell: str, separator: str) -> Iterator[str]:
    """The tags of a cell, without blanks around them; empty ones do not count."""
    return (tag.strip() for tag in cell.split(separator) if tag.strip())


def learn_features(rows: Iterable[Sequence[str]], columns: Sequence[str], separator: str) -> Features:
    """The tags of some rows of cells (read once, as a stream); the most frequent first, then by code points.

    Raises:
        DataError: when a column has no tag in any row.
    """
    tags = count_tags(rows, len(columns), separator)
    for name, found in zip(columns, tags, strict=True):
        if not found:
            raise DataError(
                f"column {name} must hold a source tag in some training pair, but it is empty in all: "
                "name another column in data.feature_columns, or leave it out"
            )
    return Features(tuple(columns), separator, tags)


def count_tags(rows: Iterable[Sequence[str]], columns: int, separator: str) -> tuple[tuple[str, ...], ...]:
    """The tags of each column of some rows of cells (read once), the most frequent first, then by code points."""
    counts: list[Counter[str]] = [Counter() for _ in range(columns)]
    for row in rows:
        for counter, cell in zip(counts, row, strict=True):
            counter.update(set(tags_of(cell, separator)))
    return tuple(tuple(sorted(counter, key=lambda tag: (-counter[tag], tag))) for counter in counts)


class FeaturedTokenizer(Tokenizer):
    """A tokenizer of texts with source tags; it wraps a tokenizer of texts alone, whose ids come first."""

    def __init__(self, text: Tokenizer, features: Features):
        super().__init__(text.pipeline, text.config)
        self.features = features
        first = text.size
        self._tag_ids: list[dict[str, int]] = []
        for tags in features.tags:
            self._tag_ids.append({tag: first + place for place, tag in enumerate(tags)})
            first += len(tags)
        self._feature_names = features.names

    @property
    def feature_count(self) -> int:
        """How many tags are known; their ids are the last of `size`."""
        return len(self._feature_names)

    @property
    def size(self) -> int:
        """Entries of the vocabulary, specials and tags included."""
        return super().size + self.feature_count

    def features_in(self, text: str) -> int:
        """How many of the ids of `text` are tags; they come first."""
        return sum(id_ >= super(FeaturedTokenizer, self).size for id_ in self.encode(text))

    def encode(self, text: str) -> list[int]:
        """Ids of the tags, then of the text; none for a text without items. Unknown tags are left out.

        Raises:
            DataError: when `text` does not have as many columns as the tags need.
        """
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each text."""
        rows = [self._cut(text) for text in texts]
        ids = super().encode_batch([text for text, _ in rows])
        return [[*self._known(cells), *items] if items else [] for (_, cells), items in zip(rows, ids, strict=True)]

    def letters_batch(self, texts: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """As of a text alone, with each tag before it as a word of its own, so that no merge takes it."""
        rows = [self._cut(text) for text in texts]
        found = []
        for (_, cells), (letters, words) in zip(rows, super().letters_batch([text for text, _ in rows]), strict=True):
            known = self._known(cells) if letters else []
            found.append(([*known, *letters], [*(1 for _ in known), *words]))
        return found

    def tokens(self, text: str) -> list[str]:
        """Names of tags and items for people, one for each id that `encode` gives."""
        base, cells = self._cut(text)
        items = super().tokens(base)
        return [*self.names(self._known(cells)), *items] if items else []

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """The characters [start, end) of `text`, columns and all, that each item of `encode(text)` stands for."""
        base, cells = self._cut(text)
        items = super().offsets(base)
        spans, start = [], len(base) + 1
        for ids, cell in zip(self._tag_ids, cells, strict=True):
            places: dict[int, tuple[int, int]] = {}
            at = start
            for part in cell.split(self.features.separator):
                tag = part.strip()
                if tag in ids:
                    begin = at + part.index(tag)
                    places.setdefault(ids[tag], (begin, begin + len(tag)))
                at += len(part) + len(self.features.separator)
            spans += [places[id_] for id_ in sorted(places)]
            start += len(cell) + 1
        return [*spans, *items] if items else []

    def names(self, ids: Sequence[int], extra: Sequence[str] = ()) -> list[str]:
        """Names of ids for people; a tag in brackets."""
        first, end = super().size, self.size
        return [
            self._feature_names[id_ - first]
            if first <= id_ < end
            else super(FeaturedTokenizer, self).names([id_], extra)[0]
            for id_ in ids
        ]

    def items(self, text: str, ids: Sequence[int] | None = None) -> list[str]:
        """Names of the tags, then the items of the text alone as the vocabulary holds them."""
        ids = self.encode(text) if ids is None else ids
        features = [id_ for id_ in ids if id_ >= super(FeaturedTokenizer, self).size]
        return [*self.names(features), *super().items(self._cut(text)[0], ids[len(features) :])]

    def decode(self, ids: Sequence[int], extra: Sequence[str] = ()) -> str:
        """The text of ids; tags are left out."""
        first, end = super().size, self.size
        return super().decode([id_ for id_ in ids if not first <= id_ < end], extra)

    def normalized(self, text: str) -> str:
        """The text without its tags, as `decode(encode(text))` gives it when nothing is unknown."""
        return super().normalized(self._cut(text)[0])

    def unknown_features(self, texts: Sequence[str]) -> tuple[int, int]:
        """How many tags of some texts the model does not know, and how many tags there are (once for each cell)."""
        unknown = total = 0
        for text in texts:
            for ids, cell in zip(self._tag_ids, self._cut(text)[1], strict=True):
                tags = set(tags_of(cell, self.features.separator))
                unknown += sum(tag not in ids for tag in tags)
                total += len(tags)
        return unknown, total

    def _known(self, cells: Sequence[str]) -> list[int]:
        """Ids of the tags in a row, ascending."""
        separator = self.features.separator
        found = {
            ids[tag]
            for ids, cell in zip(self._tag_ids, cells, strict=True)
            for tag in tags_of(cell, separator)
            if tag in ids
        }
        return sorted(found)

    def _cut(self, text: str) -> tuple[str, list[str]]:
        """The text alone and its cells; a blank text without a tab needs no cells."""
        base, *cells = text.split(TAB)
        if len(cells) == len(self._tag_ids):
            return base, cells
        if not text.strip():
            return "", [""] * len(self._tag_ids)
        raise DataError(
            f"a source must be {self.features.expected}, which is {len(self._tag_ids) + 1} columns, but it has "
            f"{len(cells) + 1}: give each column of tags, empty where there is none"
        )
