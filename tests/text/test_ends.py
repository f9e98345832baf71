"""The ends of texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqweave.text.ends import trimmed

BLANKS = [" ", "\t", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u00ad", "\u2028", "\r", "\x00"]


@pytest.mark.parametrize("blank", BLANKS, ids=ascii)
def test_blanks_at_the_ends_do_not_count(blank: str) -> None:
    assert trimmed(f"{blank}{blank}a{blank}b{blank}") == f"a{blank}b"
    assert trimmed(blank * 3) == ""


def test_joiners_count() -> None:
    """Malayalam writes some letters as a consonant, a virama and a zero-width joiner."""
    assert trimmed("\u0d28\u0d4d\u200d") == "\u0d28\u0d4d\u200d"


@given(st.text())
def test_nothing_else_is_lost(text: str) -> None:
    kept = trimmed(text)
    assert kept in text
    assert trimmed(kept) == kept
    assert [sign for sign in text if sign.isalnum()] == [sign for sign in kept if sign.isalnum()]
