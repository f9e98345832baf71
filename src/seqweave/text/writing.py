"""How texts are written: with blanks between words, or without, as Chinese, Japanese, Thai, Khmer, Lao and Burmese.

Words between blanks mean nothing in the latter: a sentence, or half of one, would be a single word. Whether texts are
of that kind is decided from all of them: from the share of their letters that belong to scripts without blanks, and
from the blanks between two such letters, by which texts that were cut into words beforehand are known.

What this leaves out: finding the words themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

# Blocks of the Unicode Character Database (Blocks.txt), as inside of a regular expression, and the longest mean of
# letters between blanks that texts which were cut into words can have: such words have 1.5 letters in Chinese, 2 in
# Japanese and 4 to 6 in the scripts of South East Asia, while phrases are several words.
_SCRIPTS: Mapping[str, tuple[str, float]] = {
    "Han": (
        r"\u3005-\u3007\u3100-\u312f\u31a0-\u31bf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
        2.5,
    ),
    "Kana": (r"\u3041-\u309f\u30a0-\u30ff\u31f0-\u31ff\uff66-\uff9f", 4.0),
    "Thai": (r"\u0e01-\u0e3a\u0e40-\u0e4e", 8.0),
    "Lao": (r"\u0e81-\u0ebd\u0ec0-\u0ecf\u0edc-\u0edf", 8.0),
    "Tibetan": (r"\u0f40-\u0fbc", 8.0),
    "Burmese": (r"\u1000-\u103f\u104c-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f", 8.0),
    "Khmer": (r"\u1780-\u17d3\u17dc-\u17dd", 8.0),
    "Tai": (r"\u1950-\u19df\u1a20-\u1aad\uaa80-\uaadf", 8.0),  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
}
UNSPACED_SHARE = 0.25
"""Of the letters, from which on texts count as written without blanks: such a letter says more than a Latin one."""
_CHINESE = 0.95  # of these letters, from which on texts are Chinese; Japanese has kana among its Han

UNSPACED_LETTERS = "".join(letters for letters, _ in _SCRIPTS.values())
"""Letters of scripts without blanks between words, as inside of a regular expression; the marks on them, too."""
_GAPS = re.compile(rf"[{UNSPACED_LETTERS}]\s+(?=[{UNSPACED_LETTERS}])")


@dataclass(frozen=True)
class Writing:
    """What was counted of texts.

    Attributes:
        letters: of any script.
        unspaced: of them, those of each script without blanks between words that occurs.
        gaps: blanks between two of those.
    """

    letters: int
    unspaced: Mapping[str, int]
    gaps: int

    @property
    def share(self) -> float:
        """The share of letters of scripts without blanks, 0 to 1."""
        return sum(self.unspaced.values()) / self.letters if self.letters else 0.0

    @property
    def is_unspaced(self) -> bool:
        """Whether words are written without blanks between them."""
        if self.share < UNSPACED_SHARE:
            return False
        longest = _SCRIPTS[max(self.unspaced, key=lambda script: self.unspaced[script])][1]
        return sum(self.unspaced.values()) > longest * self.gaps

    @property
    def is_chinese(self) -> bool:
        """Whether words are written without blanks, and nearly all of those letters are Han."""
        return self.is_unspaced and self.unspaced.get("Han", 0) >= _CHINESE * sum(self.unspaced.values())

    @property
    def scripts(self) -> list[str]:
        """The scripts without blanks that have at least a twentieth of their letters, the most frequent first."""
        total = sum(self.unspaced.values())
        often = [script for script, letters in self.unspaced.items() if letters >= 0.05 * total]
        return sorted(often, key=lambda script: (-self.unspaced[script], script))


class WritingCounter:
    """Counts the characters of texts, one text at a time, so that no text is kept."""

    def __init__(self) -> None:
        self._characters: Counter[str] = Counter()
        self._gaps = 0

    def add(self, text: str) -> None:
        """Count a text."""
        self._characters.update(text)
        if not text.isascii():
            self._gaps += len(_GAPS.findall(text))

    def found(self) -> Writing:
        """What was counted so far."""
        letters, unspaced = 0, Counter[str]()
        for character, number in self._characters.items():
            script = _script(character)
            if script is not None:
                unspaced[script] += number
            if script is not None or character.isalpha():
                letters += number
        return Writing(letters, dict(unspaced), self._gaps)


def _script(character: str) -> str | None:
    """The script without blanks that a character belongs to, if it does."""
    scripts = (script for script, (letters, _) in _SCRIPTS.items() if re.match(f"[{letters}]", character))
    return next(scripts, None)
