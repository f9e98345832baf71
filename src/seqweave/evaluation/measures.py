"""How metrics cut texts: the tokenizer of BLEU, and whether words or characters are counted.

It is decided once, from the training targets (`decided_settings`), and kept in the settings of the model folder, so
that neither another test file nor another model measures otherwise without anybody saying so. A folder that has no
such settings was made before there were any, and keeps what it was measured with: 13a and words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

from seqweave.config import BleuTokenize, Config, MetricUnits
from seqweave.errors import ConfigError
from seqweave.text.writing import Writing

WORD_METRICS = ("wer", "ter")
"""What cannot be measured where targets have no words between blanks: by characters WER would be CER."""
OF_WORDS = ("13a", "intl", "none")
"""Tokenizers that find no words where there are no blanks between them."""
_LIBRARIES = {"ja-mecab": "sacrebleu[ja]", "ko-mecab": "sacrebleu[ko]"}


@dataclass(frozen=True)
class Measures:
    """How texts are cut: by sacrebleu's tokenizer of that name for BLEU, and into what ROUGE and distinct-n count.

    `trims`: blanks and invisible characters at the ends of references and outputs do not count.
    """

    bleu_tokenize: BleuTokenize = "13a"
    units: MetricUnits = "words"
    trims: bool = True


BY_WORDS = Measures()


def measures_of(config: Config, bleu_tokenize: str | None = None) -> Measures:
    """How a model is measured; `bleu_tokenize` is put in the place of its own tokenizer.

    Raises:
        ConfigError: when there is no such tokenizer, or its library is not installed.
    """
    training, trims = config.training, config.data.trim_ends
    own = Measures(training.bleu_tokenize or BY_WORDS.bleu_tokenize, training.metric_units or BY_WORDS.units, trims)
    found = own if bleu_tokenize is None else replace(own, bleu_tokenize=_named(bleu_tokenize))
    check_tokenizer(found.bleu_tokenize)
    return found


def measures_of_both(first: Measures, second: Measures) -> Measures:
    """How two models are measured alike: as the first is, but by characters where one of them is."""
    return next((way for way in (first, second) if way.units == "characters"), first)


def measures_text(measures: Measures) -> str:
    """How texts are cut, in a phrase."""
    kept = "" if measures.trims else ", with the blanks at the ends of references"
    return f"{measures.units}, BLEU with the tokenizer {measures.bleu_tokenize}{kept}"


def decided_settings(config: Config, writing: Writing) -> dict[str, str]:
    """The settings of how metrics cut texts that are unset, decided by how the training targets are written."""
    settings: dict[str, str] = {}
    if config.training.metric_units is None:
        settings["training.metric_units"] = "characters" if writing.is_unspaced else "words"
    if config.training.bleu_tokenize is None:
        cut = "zh" if writing.is_chinese else "char"
        settings["training.bleu_tokenize"] = cut if writing.is_unspaced else "13a"
    return settings


def check_tokenizer(name: BleuTokenize) -> None:
    """Raise a `ConfigError` when the library of a tokenizer of BLEU is not installed."""
    library = _LIBRARIES.get(name)
    if library is None:
        return
    from sacrebleu.metrics.bleu import BLEU  # here, because importing seqweave stays quick

    try:
        BLEU(tokenize=name)
    except (RuntimeError, ImportError):
        others = ", ".join(other for other in get_args(BleuTokenize) if other not in _LIBRARIES)
        raise ConfigError(
            f"the BLEU tokenizer {name} needs a library that is not installed: install it with "
            f'pip install "{library}", or choose another: {others}'
        ) from None


def _named(name: str) -> BleuTokenize:
    for known in get_args(BleuTokenize):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise ConfigError(f"--bleu-tokenize must be one of {', '.join(get_args(BleuTokenize))}, but it is {name!r}")
