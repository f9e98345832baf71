"""Tokens as labels: what can be drawn and how wide it is in a terminal."""

from __future__ import annotations

import unicodedata

from seqweave.errors import DataError

# They turn what stands around them; a label stands alone.
_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
JAMO_ROLES = ("CHOSEONG", "JUNGSEONG", "JONGSEONG")


def label_of(token: str) -> str:
    """A token to be shown alone: blanks and controls made visible, a lone jamo as its letter.

    A conjoining jamo (as NFD gives it) has no width of its own; the compatibility letter has. A combining mark
    with nothing before it stands on a dotted circle.
    """
    if not token:
        return "∅"
    if len(token) == 1:
        token = _letter_of(token)
    if all(unicodedata.category(character) == "Cf" for character in token):
        return "?" * len(token)  # zero width, all of it
    circle = "◌" if unicodedata.category(token[0]).startswith("M") else ""
    return circle + "".join(_visible(character) for character in token)


def width_of(text: str) -> int:
    """Columns of `text` in a terminal: wide (CJK) characters take two, combining ones none."""
    return sum(_width_of(character) for character in text)


def check_shape(shape: tuple[int, ...], source_tokens: int, target_tokens: int) -> None:
    """Raise a DataError unless `shape` is (target_tokens, source_tokens) with neither empty."""
    if shape != (target_tokens, source_tokens) or 0 in shape:
        raise DataError(
            f"attention weights must have one row for each target token and one column for each source token, here "
            f"({target_tokens}, {source_tokens}) with neither 0, but their shape is {shape}; "
            "pass the tokens of the same hypothesis (target tokens with <eos> where the weights have it)"
        )


def _width_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    if "\u1160" <= character <= "\u11ff":  # vowels and finals join the leading consonant's two columns
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _letter_of(character: str) -> str:
    name = unicodedata.name(character, "")
    for role in JAMO_ROLES:
        if name.startswith(f"HANGUL {role} "):
            try:
                return unicodedata.lookup(name.replace(role, "LETTER", 1))
            except KeyError:  # an archaic jamo without such a letter
                return character
    return character


def _visible(character: str) -> str:
    if character.isspace():
        return "␣"
    return "?" if unicodedata.category(character) in ("Cc", "Cs") or character in _TURNS else character
