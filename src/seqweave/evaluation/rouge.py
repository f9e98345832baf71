"""ROUGE of summaries (Lin 2004), and how varied outputs are (distinct n-grams; Li et al. 2016).

A ROUGE score here is F1: the harmonic mean of the share of the output's n-grams that stand in the reference
and the share of the reference's that stand in the output; for ROUGE-L, of their longest common subsequence.
Words are lower-cased runs of letters with their marks and digits, not stemmed. On ASCII texts that is what the
package `rouge-score` gives by default; it knows no other letters, for which it would find no words at all.
Where words have no blanks between them (`seqweave.text.writing`), each of their letters with its marks is an item.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

from seqweave.text.writing import UNSPACED_LETTERS


def words_of(text: str) -> list[str]:
    """The words that ROUGE compares."""
    return re.findall(_word(), text.lower())


def characters_of(text: str) -> list[str]:
    """The items that ROUGE compares where words have no blanks: their letters, with marks; words of other scripts."""
    return re.findall(_character(), text.lower())


def rouge_n(output: Sequence[str], reference: Sequence[str], n: int) -> float:
    """ROUGE-N (section 2) as F1 of two lists of words, 0 to 1; an n-gram counts as often as both have it."""
    ours, theirs = _grams(output, n), _grams(reference, n)
    return _f1((ours & theirs).total(), ours.total(), theirs.total())


def rouge_l(output: Sequence[str], reference: Sequence[str]) -> float:
    """ROUGE-L (section 3.1, whole texts) as F1 of two lists of words, 0 to 1."""
    return _f1(longest_common(output, reference), len(output), len(reference))


def longest_common(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    Bit i of a row is 0 where one more of `ours` than before is matched up to i (Hyyrö 2004), so that a word
    of `theirs` costs four operations on whole numbers.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(ours):
        places[word] = places.get(word, 0) | 1 << place
    everything = (1 << len(ours)) - 1
    row = everything
    for word in theirs:
        matched = row & places.get(word, 0)
        row = ((row + matched) | (row - matched)) & everything
    return len(ours) - row.bit_count()


def distinct_ngrams(texts: Iterable[str], n: int, *, by_characters: bool = False) -> float:
    """Distinct n-grams of all texts together in percent of all their n-grams; 0 when there are none.

    Items are runs of letters with their marks and digits, and every other visible sign by itself; `by_characters`: as
    `characters_of` has them. The figure falls as texts grow more, so only outputs for the same sources compare.
    """
    item = rf"{_character() if by_characters else _word()}|\S"
    grams: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        grams.update(_grams(re.findall(item, text), n))
    return 100 * len(grams) / grams.total() if grams else 0.0


@cache
def _marks() -> str:
    """All marks, as inside of a regular expression. Letters of many scripts carry some, which `\\w` does not know."""
    every = map(chr, range(0x300, sys.maxunicode + 1))
    return "".join(sign for sign in every if unicodedata.category(sign).startswith("M"))


@cache
def _word() -> str:
    """A pattern of words: letters, their marks and digits."""
    return rf"(?:[^\W_]|[{_marks()}])+"


@cache
def _character() -> str:
    """A pattern of one letter of a script without blanks between words, with its marks, or of a word of the others."""
    return rf"[{UNSPACED_LETTERS}][{_marks()}]*|(?:(?![{UNSPACED_LETTERS}])[^\W_]|[{_marks()}])+"


def _grams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


def _f1(common: int, ours: int, theirs: int) -> float:
    """2 p r / (p + r), with p = common / ours and r = common / theirs."""
    return 2 * common / (ours + theirs) if common else 0.0
