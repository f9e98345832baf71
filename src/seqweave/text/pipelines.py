"""One pipeline of HF `tokenizers` for each kind of unit: normaliser, splitter, decoder.

What the kind of unit is, and whether Hangul is split, can be read back from the pipeline itself, so a
`tokenizer.json` is all that is needed to load a tokenizer.

`word` and `subword` put a blank before the text and cut it into pieces that take at most one blank with
them, at their front (` dog`, `.`). Joining the pieces and removing the first blank gives the text back
exactly; nothing has to be escaped. Blanks beyond that one are pieces of their own. `label` takes a text
whole, without the blanks around it; the blank put before it keeps labels apart from the specials.
"""

from __future__ import annotations

import json
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers

from seqweave.config import TextConfig, Units

# Letters with their marks and digits stay together; each other visible character is a word of its own.
_WORD = r" ?(?:[\p{L}\p{M}\p{N}]+|[^\s\p{L}\p{M}\p{N}])|\s"
# As words, but a run of signs stays together: frequent ones ("...", "!?") may become one subword.
_SUBWORD = r" ?[\p{L}\p{M}\p{N}]+| ?[^\s\p{L}\p{M}\p{N}]+|\s"
# A dot would not match a line break in this dialect of regular expressions.
_CHAR = r"[\s\S]"
_LABEL = r"[\s\S]+"  # the whole text is one item
_PATTERNS: dict[Units, str] = {"char": _CHAR, "word": _WORD, "subword": _SUBWORD, "label": _LABEL}


def assemble(model: Any, config: TextConfig) -> Tokenizer:
    """The pipeline for `config` around a model of `tokenizers.models`; `config.units` must be set."""
    assert config.units is not None
    pipeline = Tokenizer(model)
    pipeline.normalizer = make_normalizer(config)
    pipeline.pre_tokenizer = _splitter(config.units)
    decoder = _decoder(config.units)
    if decoder is not None:
        pipeline.decoder = decoder
    return pipeline


def make_normalizer(config: TextConfig) -> normalizers.Sequence:
    """What `config` does to a text before it is cut into items."""
    forms: dict[str, list[Any]] = {"none": [], "nfc": [normalizers.NFC()], "nfkc": [normalizers.NFKC()]}
    form = forms[config.normalize]
    steps = list(form)
    if config.lowercase:
        # Lower-casing can make a pair that has a composed form (H with a line below): normalise again.
        steps += [normalizers.Lowercase(), *form]
    if config.jamo:
        steps.append(normalizers.NFD())
    if config.units == "label":
        steps.append(normalizers.Strip())
    if config.units in ("word", "subword", "label"):
        steps.append(normalizers.Prepend(" "))
    return normalizers.Sequence(steps)


def _splitter(units: Units) -> Any:
    if units == "space":
        return pre_tokenizers.WhitespaceSplit()
    if units == "byte":
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Split(Regex(_PATTERNS[units]), "isolated")


def _decoder(units: Units) -> Any:
    """None for `space`: without a decoder, items are joined by one blank."""
    if units == "space":
        return None
    if units == "byte":
        return decoders.ByteLevel()
    if units == "char":
        return decoders.Fuse()
    return decoders.Sequence([decoders.Fuse(), decoders.Strip(" ", 1, 0)])


def units_of(pipeline: Tokenizer) -> Units | None:
    """The kind of unit of a pipeline, or None when `assemble` did not make it."""
    splitter = (json.loads(pipeline.to_str())["pre_tokenizer"]) or {}
    kind = splitter.get("type")
    if kind == "WhitespaceSplit":
        return "space"
    if kind == "ByteLevel":
        return "byte"
    pattern = (splitter.get("pattern") or {}).get("Regex")
    for units, known in _PATTERNS.items():
        if kind == "Split" and pattern == known:
            return units
    return None


def splits_hangul(pipeline: Tokenizer) -> bool:
    """Whether the pipeline decomposes (NFD), so that decoded text has to be composed again (NFC)."""
    normalizer = json.loads(pipeline.to_str())["normalizer"] or {}
    return any(step["type"] == "NFD" for step in normalizer.get("normalizers", []))
