"""One pipeline of HF `tokenizers` for each kind of unit: normaliser, splitter, decoder.

A pipeline follows from the settings and a vocabulary alone: `seqweave.text.tokenizer_files` makes it anew from them.

`word` and `subword` put a blank before the text and cut it into pieces that take at most one blank with
them, at their front (` dog`, `.`). Joining the pieces and removing the first blank gives the text back
exactly; nothing has to be escaped. Blanks beyond that one are pieces of their own. `label` takes a text
whole, without the blanks around it; the blank put before it keeps labels apart from the specials.
"""

from __future__ import annotations

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
# The capital sigma that ends a word: after a cased letter and before none, where marks and apostrophes between them do
# not count (Unicode 15, table 3-17, Final_Sigma). A modifier letter is both; as Python has it, it does not count.
_LETTER, _BETWEEN = r"[\p{Cased}&&\P{Case_Ignorable}]", r"\p{Case_Ignorable}*"
_FINAL_SIGMA = f"(?<={_LETTER}{_BETWEEN})\N{GREEK CAPITAL LETTER SIGMA}(?!{_BETWEEN}{_LETTER})"
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
        if config.final_sigma:  # the library lower-cases each character alone
            steps.append(normalizers.Replace(Regex(_FINAL_SIGMA), "\N{GREEK SMALL LETTER FINAL SIGMA}"))
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
