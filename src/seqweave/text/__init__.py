"""Text to items and back: vocabularies, tokenizers, and the guess of a side's units."""

from seqweave.text.tokenizers import Coverage, Tokenizer, coverage, guess_units, train_tokenizer
from seqweave.text.vocabulary import BOS, EOS, PAD, SPECIALS, UNK

__all__ = [
    "BOS",
    "EOS",
    "PAD",
    "SPECIALS",
    "UNK",
    "Coverage",
    "Tokenizer",
    "coverage",
    "guess_units",
    "train_tokenizer",
]
