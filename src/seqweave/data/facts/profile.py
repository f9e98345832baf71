"""How texts are written, in a few shares that must be alike where a model is trained and where it is used."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seqweave.text.tokenizers import Tokenizer, coverage

LEAST = 20  # characters of a kind; a share of fewer says nothing
_SYLLABLES = ("\uac00", "\ud7a3")
_LETTERS = ("\u3131", "\u318e")  # Hangul letters that stand by themselves (the compatibility jamo)


@dataclass(frozen=True)
class TextProfile:
    """Shares from 0 to 1; None where there is too little to tell.

    Attributes:
        unknown: items out of the vocabulary, of all items.
        upper: upper-case letters, of all letters that have a case.
        decomposed: characters written as several code points (`e` and an accent, conjoining jamo), of all that
            also have a code point of their own.
        jamo: Hangul letters that stand by themselves, of those and the syllables.
        featureless: texts without a feature that is known, of all; None where there are no features.
    """

    unknown: float
    upper: float | None
    decomposed: float | None
    jamo: float | None
    featureless: float | None = None


def profile_of(tokenizer: Tokenizer, texts: Sequence[str]) -> TextProfile:
    """The profile of texts as a tokenizer normalises them: what it makes equal is no difference."""
    text = "\n".join(map(tokenizer.normalized, texts))
    signs = Counter(text)
    upper = _count(signs, str.isupper)
    letters = _between(signs, _LETTERS)
    composable = _composed(Counter(unicodedata.normalize("NFC", text)))
    return TextProfile(
        unknown=coverage(tokenizer, texts).rate,
        upper=_share(upper, upper + _count(signs, str.islower)),
        decomposed=_share(max(0, composable - _composed(signs)), composable),
        jamo=_share(letters, letters + _between(signs, _SYLLABLES)),
        featureless=_featureless(tokenizer, texts),
    )


def _featureless(tokenizer: Tokenizer, texts: Sequence[str]) -> float | None:
    if not tokenizer.feature_count or not texts:
        return None
    return sum(not tokenizer.features_in(text) for text in texts) / len(texts)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole >= LEAST else None


def _composed(signs: Counter[str]) -> int:
    """Characters that normal form D would take apart."""
    return sum(count for sign, count in signs.items() if unicodedata.normalize("NFD", sign) != sign)


def _count(signs: Counter[str], belongs: Callable[[str], bool]) -> int:
    return sum(count for sign, count in signs.items() if belongs(sign))


def _between(signs: Counter[str], bounds: tuple[str, str]) -> int:
    return _count(signs, lambda sign: bounds[0] <= sign <= bounds[1])
