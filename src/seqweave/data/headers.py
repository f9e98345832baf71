"""Names of columns: which words name them, whether a first row is made of names, and which is source or target."""

from __future__ import annotations

import re
from collections.abc import Sequence

# fmt: off
_SOURCE_WORDS = frozenset((
    "source", "src", "input", "text", "question", "q", "query", "prompt", "sentence", "sentence1", "document",
    "article", "word", "grapheme", "graphemes", "lemma", "utterance", "x", "instruction", "context", "original",
    "from", "dialogue", "premise", "wrong", "incorrect", "noisy", "message", "post", "in", "frage", "quelle",
    "pregunta", "원문", "질문", "源", "原文",
))
_TARGET_WORDS = frozenset((
    "target", "tgt", "trg", "output", "label", "labels", "answer", "a", "response", "reply", "completion", "summary",
    "highlights", "translation", "pronunciation", "phoneme", "phonemes", "phones", "form", "inflection", "class",
    "category", "sentiment", "y", "to", "reference", "correct", "corrected", "clean", "sentence2", "transcription",
    "transliteration", "hypothesis", "out", "antwort", "ziel", "respuesta", "réponse",
    "번역문", "번역", "답변", "답", "目标", "译文", "訳文",
))
_LANGUAGE_CODES = frozenset((
    "ar", "bg", "bn", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi", "hu", "id", "is", "it",
    "ja", "jp", "kk", "km", "ko", "kr", "lo", "lt", "lv", "mn", "ms", "my", "nb", "nl", "no", "pl", "pt", "ro", "ru",
    "sk", "sl", "sv", "sw", "ta", "te", "th", "tr", "uk", "ur", "uz", "vi", "zh", "cn", "eng", "deu", "ger", "fra",
    "fre", "spa", "kor", "jpn", "zho", "chi", "rus",
))
_LANGUAGES = frozenset((
    "arabic", "chinese", "danish", "dutch", "english", "finnish", "french", "german", "greek", "hindi", "indonesian",
    "italian", "japanese", "korean", "polish", "portuguese", "russian", "spanish", "swedish", "thai", "turkish",
    "ukrainian", "vietnamese", "한국어", "영어", "日本語", "中文",
))
_OTHER_WORDS = frozenset((
    "", "id", "idx", "index", "no", "number", "line", "key", "row", "url", "licence", "license", "attribution", "tags",
    "features", "domain", "split", "date", "speaker", "score", "comment", "notes", "origin", "lang", "language", "#",
    "번호",
))
# fmt: on
# One of these alone is enough to turn two columns around.
_SURE_SOURCES = frozenset(("source", "src", "input", "question"))
_SURE_TARGETS = frozenset(("target", "tgt", "label", "labels", "answer", "output", "summary", "translation"))
# What stands beside the texts that are meant, where there are others of its side.
_BESIDE = frozenset(("label", "labels", "class", "category", "sentiment", "context"))
_WORDS = _SOURCE_WORDS | _TARGET_WORDS | _OTHER_WORDS | _LANGUAGES
_PARTNERS = {"q": "a", "a": "q", "x": "y", "y": "x"}
_NO_TEXTS = frozenset(("", "id", "idx", "index", "no", "number", "line", "key", "row", "#", "번호"))
_NAME = re.compile(r"[^\W\d][\w .:/#()-]{0,39}|#|")
_LANGUAGE_NAME = re.compile(r"([a-z]{2,3})[-_][a-z]{2,8}")
_LONG_CHARACTERS = 8  # a cell of a sentence; language codes over shorter cells may be words themselves


def is_header(first: Sequence[str], others: Sequence[Sequence[str]], usual: bool) -> bool:
    """Whether a first row names the columns.

    Args:
        first: its cells.
        others: rows after it, some.
        usual: whether most files of this kind have a header, as CSV does, so that less evidence is enough.
    """
    names = [_plain(cell) for cell in first]
    if len(names) < 2 or not others or not all(map(_NAME.fullmatch, names)) or not any(names):
        return False
    if any(row[: len(names)] == list(first) for row in others) or len(set(names)) < len(names):
        return False
    if not usual and any(_PARTNERS.get(name, name) not in names for name in names):
        return False  # single letters are words of a language as well
    codes = [_is_code(name) for name in names]
    known = [name in _WORDS or code for name, code in zip(names, codes, strict=True)]
    if all(code or name in _NO_TEXTS for code, name in zip(codes, names, strict=True)):
        return _are_long(others)
    if all(known) or (_is_any(names, _SOURCE_WORDS) and _is_any(names, _TARGET_WORDS)):
        return True
    return usual and (any(known) or _has_numbers_below(names, others))


def could_be_header(cells: Sequence[str]) -> bool:
    """Whether each of some cells is a word that names columns, whatever stands below it."""
    names = [_plain(cell) for cell in cells]
    known = all((name in _WORDS or _is_code(name)) and _PARTNERS.get(name, name) in names for name in names)
    return known and len(set(names)) == len(names) > 1


def names_both_sides(cells: Sequence[str]) -> bool:
    """Whether each of some cells names a column, and among them are a source and a target."""
    names = [_plain(cell) for cell in cells]
    return could_be_header(cells) and _is_any(names, _SOURCE_WORDS) and _is_any(names, _TARGET_WORDS)


def source_and_target(names: Sequence[str]) -> tuple[int, int] | None:
    """The places of source and target among names of columns, where those say it; None: they do not."""
    plain = [_plain(name.rpartition(".")[2]) for name in names]
    if {"source", "target"} <= set(plain):
        return plain.index("source"), plain.index("target")
    sources, targets = _places(plain, _SOURCE_WORDS), _places(plain, _TARGET_WORDS)
    if len(sources) == len(targets) == 1:
        return sources[0], targets[0]
    languages = [place for place, name in enumerate(plain) if name in _LANGUAGES or _is_code(name)]
    others = {*sources, *targets} - set(languages)
    if len(languages) == 2 and all(plain[place] in _BESIDE for place in others):
        return languages[0], languages[1]
    texts = [place for place, name in enumerate(plain) if name not in _NO_TEXTS]
    if len(texts) > 2:
        texts = [place for place in texts if plain[place] not in _OTHER_WORDS]
    if len(texts) != 2:
        return None
    turned = plain[texts[0]] in _SURE_TARGETS or plain[texts[1]] in _SURE_SOURCES
    return (texts[1], texts[0]) if turned else (texts[0], texts[1])


def first_of_each(names: Sequence[str]) -> tuple[int, int] | None:
    """The places of the first column that is named like a source, and like a target; None: one of them is missing."""
    plain = [_plain(name) for name in names]
    sources, targets = _places(plain, _SOURCE_WORDS), _places(plain, _TARGET_WORDS)
    return (sources[0], targets[0]) if sources and targets else None


def is_target_name(name: str) -> bool:
    """Whether a name, of which only the part behind the last dot counts, says target."""
    return _plain(name.rpartition(".")[2]) in _TARGET_WORDS


def texts_among(names: Sequence[str]) -> list[int]:
    """The places of columns that are no numbers of rows."""
    return [place for place, name in enumerate(names) if _plain(name) not in _NO_TEXTS]


def _places(plain: Sequence[str], words: frozenset[str]) -> list[int]:
    """Where names are among some words; what only stands beside counts where nothing else does."""
    found = [place for place, name in enumerate(plain) if name in words]
    return [place for place in found if plain[place] not in _BESIDE] or found


def _plain(name: str) -> str:
    plain = name.strip(" \t\ufeff").lower()
    return "" if plain.startswith("unnamed:") else plain


def _is_code(name: str) -> bool:
    found = _LANGUAGE_NAME.fullmatch(name)
    return name in _LANGUAGE_CODES or (found is not None and found[1] in _LANGUAGE_CODES)


def _is_any(names: Sequence[str], words: frozenset[str]) -> bool:
    return not words.isdisjoint(names)


def _are_long(rows: Sequence[Sequence[str]]) -> bool:
    lengths = sorted(len(cell) for row in rows for cell in row[:2])
    return bool(lengths) and lengths[len(lengths) // 2] >= _LONG_CHARACTERS


def _has_numbers_below(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a column holds nothing but numbers under its name."""
    for place, name in enumerate(names):
        cells = [row[place].strip() for row in rows if place < len(row)]
        if cells and name and all(cell.replace(".", "", 1).lstrip("-").isdecimal() for cell in cells):
            return True
    return False
