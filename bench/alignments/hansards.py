"""Words as the English-French gold has them (NAACL 2003, Hansards): lower case, divided by blanks, nothing shortened.

The gold writes French contractions and elisions out (`de le gouvernement`, `que il`, `ce est`), takes the hyphen and
`'s` as words, and keeps the point of a few titles. Text to learn from must look like that: a model or an aligner that
has only ever seen `du` knows no `de le`.
"""

from __future__ import annotations

import re

_TITLES = {"mr.", "mrs.", "ms.", "dr.", "hon.", "m.", "mme.", "st."}
_WORD = re.compile(r"\d+(?:[.,]\d+)*|\w+(?:\.\w)+\.|\w+\.(?=\s|$)|\w+'?|'\w+|\.\.\.|--|\S")
_NOT = re.compile(r"\b(\w+)n't\b")
_NOT_ALONE = {"ca": "cannot", "wo": "will not", "sha": "shall not", "ai": "is not"}
_SHORT = {"'m": "am", "'re": "are", "'ll": "will", "'ve": "have", "'d": "would"}
_CONTRACTED = {"du": "de le", "des": "de les", "au": "à le", "aux": "à les"}


def english(text: str) -> str:
    """A sentence as the gold would have it."""
    text = re.sub(r"\blet's\b", "let us", _plain(text))
    text = _NOT.sub(lambda found: _NOT_ALONE.get(found[1], f"{found[1]} not"), text)
    text = re.sub(r"(?<=\w)('(?:m|re|ll|ve|d|s))\b", r" \1", text)
    return " ".join(_SHORT.get(word, word) for word in _words(text))


def french(text: str) -> str:
    """A sentence as the gold would have it."""
    return " ".join(_written_out(word) for word in _words(_plain(text)))


def _plain(text: str) -> str:
    """Lower case, one kind of apostrophe, of hyphens and of high quotes."""
    text = re.sub(r"[’ʼ`]", "'", text.lower())
    return re.sub(r"[“”„]", '"', re.sub(r"[‐‑–]", "-", text)).replace("—", " -- ")


def _words(text: str) -> list[str]:
    """Words and marks; a point stays only with what is a title or has points inside."""
    words: list[str] = []
    for word in _WORD.findall(text):
        point = word.endswith(".") and word.strip(".") and "." not in word[:-1] and word not in _TITLES
        words += [word[:-1], "."] if point else [word]
    return words


def _written_out(word: str) -> str:
    """`l'` is `le` before either gender, as in the gold; `aujourd'` stays."""
    if word.endswith("'") and len(word) > 1 and word != "aujourd'":
        return f"{word[:-1]}e"
    return _CONTRACTED.get(word, word)
