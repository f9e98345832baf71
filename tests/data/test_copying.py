"""Codes of sources and extended ids of targets: items are matched by their texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqweave.config import TextConfig
from seqweave.data.copying import CopyCoder
from seqweave.data.dataset import collate, write_dataset
from seqweave.data.storage import SideWriter
from seqweave.text.features import FeaturedTokenizer, Features
from seqweave.text.tokenizers import Tokenizer, train_tokenizer
from seqweave.text.vocabulary import PAD, UNK


def words(text: str, units: str = "word") -> Tokenizer:
    return train_tokenizer([text], TextConfig(units=units, max_size=None))


SOURCE, TARGET = words("the red dog saw Ann ."), words("Ann sees the . hund")
CODER = CopyCoder(SOURCE, TARGET)


def stands_for(codes: list[int]) -> list[int]:
    return [code // SOURCE.size for code in codes]


def test_by_hand() -> None:
    coded = CODER.sources(["Zoe the red Bo Zoe .", "the .", ""])
    first = TARGET.size
    [codes, known, empty] = coded.codes
    the, stop = TARGET.id_of(" the"), TARGET.id_of(" .")
    assert stands_for(codes) == [first, the, first + 1, first + 2, first, stop]
    assert CODER.read(codes) == SOURCE.encode("Zoe the red Bo Zoe .")
    assert CODER.read(codes).count(UNK) == 3
    assert coded.extra == [[" Zoe", " red", " Bo"], [], []]
    assert (stands_for(known), empty) == ([the, stop], [])
    targets = CODER.targets(["Ann sees Bo Uli", "Bo", "red"], [coded.extra[0], [], coded.extra[2]])
    assert targets == [[*TARGET.encode("Ann sees"), first + 2, UNK], [UNK], [UNK]]
    assert TARGET.decode(targets[0][:3], coded.extra[0]) == "Ann sees Bo"
    assert TARGET.names([first + 1], coded.extra[0]) == ["▁red"]


def test_an_item_that_only_the_target_knows_keeps_its_id_there() -> None:
    coded = CODER.sources(["the hund"])
    assert stands_for(coded.codes[0]) == TARGET.encode("the hund")
    assert CODER.read(coded.codes[0])[1] == UNK
    assert coded.extra == [[]]


def test_features_are_read_but_not_there_to_be_copied() -> None:
    """Not even one whose name is an item of the target."""
    tagged = FeaturedTokenizer(SOURCE, Features(("3",), ";", (("the", "PST"),)))
    coder = CopyCoder(tagged, TARGET)
    text = "Zoe the\tPST;the;new"
    coded = coder.sources([text])
    [codes] = coded.codes
    assert [code // tagged.size for code in codes] == [PAD, PAD, TARGET.size, TARGET.id_of(" the")]
    assert coder.read(codes) == tagged.encode(text)
    assert coded.extra == [[" Zoe"]]
    assert tagged.items(text) == ["[the]", "[PST]", " Zoe", " the"]
    assert tagged.features_in(text) == 2
    assert coder.targets(["[the] the Zoe"], coded.extra) == [[UNK, UNK, UNK, TARGET.id_of(" the"), TARGET.size]]
    assert tagged.decode([*coder.read(codes)[:2], tagged.size], [" Zoe"]) == "Zoe"
    assert tagged.names([tagged.size - 1, tagged.size], [" Zoe"]) == ["[PST]", "▁Zoe"]


def test_what_is_cut_is_not_there_to_be_copied() -> None:
    coded = CODER.sources(["the Bo Zoe", "the"], longest=2)
    assert [len(codes) for codes in coded.codes] == [2, 1]
    assert coded.extra == [[" Bo"], []]
    assert coded.long == 1


@pytest.mark.parametrize("units", ["char", "word", "space", "subword", "byte", "label"])
def test_items_give_the_text_back(units: str) -> None:
    tokenizer = words("abba abab baab", units)
    for text in ("abba", "ab zoë abba", "zzz", "a.b", "ba  ba", ""):
        items = tokenizer.items(text)
        assert len(items) == len(tokenizer.encode(text))
        assert tokenizer.joined(items) == tokenizer.normalized(text)
        assert [tokenizer.id_of(item) or UNK for item in items] == tokenizer.encode(text)


def test_unknown_items_are_normalised() -> None:
    lower = train_tokenizer(["the dog"], TextConfig(units="word", lowercase=True))
    assert lower.items("the ZOE Dog") == [" the", " zoe", " dog"]


def test_the_dataset_holds_codes(tmp_path: Path) -> None:
    pairs = [("Zoe the red Bo", "Ann sees Bo Zoe Uli"), ("the Ann", "the Ann")]
    dataset, _ = write_dataset(pairs, SOURCE, TARGET, tmp_path / "ids", 10, 10, copying=True)
    assert dataset.source(0).tolist() == CODER.sources([pairs[0][0]]).codes[0]
    batch = collate(dataset, np.array([0, 1]))
    first = TARGET.size
    assert batch.target_out[0].tolist() == [*TARGET.encode("Ann sees"), first + 2, first, UNK, 3]
    assert batch.target_out[1, :3].tolist() == [*TARGET.encode("the Ann"), 3]
    assert dataset.flat("source", np.array([0]))[0].tolist() == dataset.source(0).tolist()
    plain, _ = write_dataset(pairs, SOURCE, TARGET, tmp_path / "plain", 10, 10)
    assert plain.target(0).tolist() == TARGET.encode(pairs[0][1])
    assert plain.source(0).tolist() == SOURCE.encode(pairs[0][0])


def test_codes_of_large_vocabularies_have_room(tmp_path: Path) -> None:
    for size, kind in ((65_535, "uint16"), (65_536, "uint32"), (2**32 - 1, "uint32"), (2**32, "int64")):
        with SideWriter(tmp_path, "source", size) as writer:
            writer.append(np.array([size - 1], dtype=np.int64), np.array([1]))
        ids = writer.parts()[0]
        assert ids.kind == kind
        assert ids.mapped(tmp_path).tolist() == [size - 1]
