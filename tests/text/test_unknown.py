"""Items that a vocabulary lacks: how many, and which."""

from __future__ import annotations

from seqweave.config import TextConfig
from seqweave.text.tokenizers import train_tokenizer
from seqweave.text.unknown import UnknownItems


def test_more_than_a_tenth_is_said_with_the_commonest() -> None:
    found = UnknownItems(train_tokenizer(["the cat sat"], TextConfig(units="word")))
    assert found.sentence() is None
    assert found.add(["the cat sat", "the dog sat", "the dog ran"]) == [(3, []), (3, ["dog"]), (3, ["dog", "ran"])]
    assert (found.items, found.unknown, found.examples) == (9, 3, ["dog", "ran"])
    sentence = found.sentence("target")
    assert sentence is not None
    assert sentence.startswith("33% of the target items (3 of 9 word items)")
    assert sentence.endswith("such as 'dog', 'ran'")


def test_a_tenth_is_not_said() -> None:
    found = UnknownItems(train_tokenizer(["abc"], TextConfig(units="char")))
    found.add(["abcabcabcx"])
    assert (found.share, found.sentence()) == (0.1, None)
    found.add(["x"])
    assert found.sentence() is not None
