"""Columns that look swapped, by the scripts that the texts are in, and by how often texts come again."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache

from seqweave.data.check.place import Place
from seqweave.data.check.result import Concern
from seqweave.data.formats.report import Dropped
from seqweave.data.readers import Pair
from seqweave.wording import count

_LETTERS = 40  # looked at of a text
_AWK = "awk -F'\\t' -v OFS='\\t' '"
_EXCHANGE = "{ t = $1; $1 = $2; $2 = t } 1'"
_TOGETHER = frozenset({"CJK", "HIRAGANA", "KATAKANA"})  # of one text
_SHARE = 0.8  # of the pairs that are in the two usual scripts


class Scripts:
    """Pairs whose source is in the script of all other targets, and the other way round."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()
        self._found: dict[tuple[str, str], Dropped] = {}

    def see(self, pair: Pair) -> None:
        """The scripts of both sides."""
        scripts = script_of(pair.source), script_of(pair.target)
        self.seen[scripts] += 1
        if scripts[0] != scripts[1] and "" not in scripts:
            self._found.setdefault(scripts, Dropped()).add(pair.line, f"{pair.source}\t{pair.target}")

    def usual(self) -> tuple[str, str] | None:
        """The scripts of source and target where they differ and nearly all pairs agree, but for swapped ones."""
        if not self.seen:
            return None
        (source, target), number = self.seen.most_common(1)[0]
        both = number + self.seen[target, source]
        agree = source != target and source and target and both >= _SHARE * self.seen.total()
        return (source, target) if agree else None

    def concern(self, place: Place) -> Concern | None:
        """The pairs that are the other way round."""
        usual = self.usual()
        swapped = self._found.get((usual[1], usual[0])) if usual else None
        if usual is None or swapped is None:
            return None
        words = (
            f"{count(swapped.count, 'pair')} with source and target that look swapped ({usual[1]} to {usual[0]}, where "
            f"the others are {usual[0]} to {usual[1]})"
        )
        remedy = "exchange their columns"
        dialect = place.reader.dialect
        if dialect.format == "tsv" and (dialect.source, dialect.target) == ("0", "1"):
            lines = " || ".join(f"NR == {line}" for line in swapped.lines)
            remedy += f": {place.piped(f'{_AWK} {lines} {_EXCHANGE}')}"
        return Concern("swapped_columns", words, remedy, swapped.count, list(swapped.lines), swapped.text)


def script_of(text: str) -> str:
    """The script of most letters of a text, as the names of its characters have it; "" without letters."""
    found = Counter(_script(letter) for letter in text[:_LETTERS])
    del found[""]
    return found.most_common(1)[0][0] if found else ""


@lru_cache(maxsize=65_536)
def _script(letter: str) -> str:
    """`LATIN`, `HANGUL`, `CJK`; "" for what is no letter."""
    if not letter.isalpha():
        return ""
    name = unicodedata.name(letter, "").split(" ")[0].split("-")[0]
    return "CJK" if name in _TOGETHER else name
