"""The profile of texts, counted by hand."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from seqweave.config import TextConfig
from seqweave.data.facts.profile import TextProfile, profile_of
from seqweave.text.tokenizers import train_tokenizer

TEXTS = ["abcdeABCDE", "éééééééééé", "éééééééééé", "가나다라마바사아자차", "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊ"]


def profile(texts: list[str], learned: list[str] | None = None, **settings: Any) -> TextProfile:
    config = TextConfig(**{"units": "char", "normalize": "none", **settings})
    return profile_of(train_tokenizer(learned or texts, config), texts)


def test_by_hand() -> None:
    found = profile(TEXTS)
    assert found == TextProfile(unknown=0.0, upper=5 / 30, decomposed=0.0, jamo=0.5)


def test_of_too_little_nothing_is_said() -> None:
    assert profile(["a" * 19, "é", "가"]) == TextProfile(0.0, 0.0, None, None)
    assert profile(["12"]) == TextProfile(0.0, None, None, None)


@pytest.mark.parametrize(("normalize", "share"), [("none", 0.5), ("nfc", 0.0)])
def test_characters_taken_apart(normalize: str, share: float) -> None:
    texts = ["é가" * 10, unicodedata.normalize("NFD", "é가" * 10)]
    assert profile(texts, normalize=normalize).decomposed == share


def test_what_the_tokenizer_makes_equal_is_no_difference() -> None:
    assert profile(["ABCDE" * 5], lowercase=True).upper == 0.0
    hangul = ["가나다" * 10]
    apart = [unicodedata.normalize("NFD", text) for text in hangul]
    assert profile(hangul, jamo=True) == profile(apart, hangul, jamo=True)


def test_unknown_items() -> None:
    assert profile(["abz"], ["ab"]).unknown == pytest.approx(1 / 3)
