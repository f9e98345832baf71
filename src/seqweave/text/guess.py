"""Guessing the units of a side from a sample of its texts, with the reason in a few words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from seqweave.config import Units

FEW_ITEMS = 200
"""Most distinct items of a side that counts as already separated."""


def guess_units(texts: Sequence[str], side: str) -> tuple[Units, str]:
    """The units for `side` ("source" or "target") whose sample is `texts`, and why, as a short phrase.

    The rule, in this order:

    1. Most texts have blanks, and what stands between blanks is drawn from at most 200 items, seen
       5 times each on average: `space` (phones, commands).
    2. Most texts have blanks, at least 4 words and 20 characters a text on average, and fewer than
       one in five of the visible characters is a digit: `subword` (sentences).
    3. Anything else: `char` (words, names, dates, text without blanks).
    """
    filled = [text for text in texts if text.strip()]
    if not filled:
        return "char", f"the {side} sample has no text"
    words = Counter(word for text in filled for word in text.split())
    total = words.total()
    with_blanks = sum(len(text.split()) > 1 for text in filled) / len(filled)
    if with_blanks < 0.5:
        return "char", "most texts have no blanks"
    if len(words) <= FEW_ITEMS and total >= 5 * len(words):
        return "space", f"{len(words)} distinct items separated by blanks"
    visible = sum(len(word) * count for word, count in words.items())
    digits = sum(sum(sign.isdigit() for sign in word) * count for word, count in words.items()) / visible
    if digits >= 0.2:
        return "char", "many digits"
    length, characters = total / len(filled), sum(map(len, filled)) / len(filled)
    if length >= 4 and characters >= 20:
        return "subword", f"sentences of {length:.0f} words on average"
    return "char", f"short texts of {characters:.0f} characters on average"
