"""The ends of a text: what is invisible there does not count."""

from __future__ import annotations

import unicodedata

_INVISIBLE = frozenset("\u00ad\u180e\u200b\u200e\u200f\u2060\ufeff")
"""Soft hyphen, Mongolian vowel separator, zero-width space, direction marks, word joiner and byte order mark.

Zero-width joiners and non-joiners are not among them: at the end of a word they change letters in some scripts.
"""


def trimmed(text: str) -> str:
    """The text without blanks, control and invisible characters at its ends; "" when nothing else is left."""
    start, end = 0, len(text)
    while start < end and _is_invisible(text[start]):
        start += 1
    while start < end and _is_invisible(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_invisible(character: str) -> bool:
    return character.isspace() or character in _INVISIBLE or unicodedata.category(character) == "Cc"
