"""What source items stand for, and extended ids of targets: items are matched by their texts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seqweave.config import TextConfig
from seqweave.data.batch import collate
from seqweave.data.copying import CopyCoder
from seqweave.data.dataset import PairDataset, write_dataset
from seqweave.data.source import Source
from seqweave.data.storage import SideWriter
from seqweave.errors import DataError
from seqweave.text.features import FeaturedTokenizer, Features
from seqweave.text.tokenizers import Tokenizer, train_tokenizer
from seqweave.text.vocabulary import PAD, UNK


def words(text: str, units: str = "word") -> Tokenizer:
    return train_tokenizer([text], TextConfig(units=units, max_size=None))


SOURCE, TARGET = words("the red dog saw Ann ."), words("Ann sees the . hund")
CODER = CopyCoder(SOURCE, TARGET)


def copies(source: Source) -> list[int]:
    assert source.copies is not None
    found: list[int] = source.copies.tolist()
    return found


def test_by_hand() -> None:
    coded = CODER.sources(["Zoe the red Bo Zoe .", "the .", ""])
    first = TARGET.size
    [source, known, empty] = coded.sources
    the, stop = TARGET.id_of(" the"), TARGET.id_of(" .")
    assert copies(source) == [first, the, first + 1, first + 2, first, stop]
    assert source.values.tolist() == SOURCE.encode("Zoe the red Bo Zoe .")
    assert source.values.tolist().count(UNK) == 3
    assert coded.extra == [[" Zoe", " red", " Bo"], [], []]
    assert (copies(known), len(empty)) == ([the, stop], 0)
    targets = CODER.targets(["Ann sees Bo Uli", "Bo", "red"], [coded.extra[0], [], coded.extra[2]])
    assert targets == [[*TARGET.encode("Ann sees"), first + 2, UNK], [UNK], [UNK]]
    assert TARGET.decode(targets[0][:3], coded.extra[0]) == "Ann sees Bo"
    assert TARGET.names([first + 1], coded.extra[0]) == ["▁red"]


def test_an_item_that_only_the_target_knows_keeps_its_id_there() -> None:
    coded = CODER.sources(["the hund"])
    assert copies(coded.sources[0]) == TARGET.encode("the hund")
    assert coded.sources[0].values[1] == UNK
    assert coded.extra == [[]]


def test_features_are_read_but_not_there_to_be_copied() -> None:
    """Not even one whose name is an item of the target."""
    tagged = FeaturedTokenizer(SOURCE, Features(("3",), ";", (("the", "PST"),)))
    coder = CopyCoder(tagged, TARGET)
    text = "Zoe the\tPST;the;new"
    coded = coder.sources([text])
    [source] = coded.sources
    assert copies(source) == [PAD, PAD, TARGET.size, TARGET.id_of(" the")]
    assert source.values.tolist() == tagged.encode(text)
    assert coded.extra == [[" Zoe"]]
    assert tagged.items(text) == ["[the]", "[PST]", " Zoe", " the"]
    assert tagged.features_in(text) == 2
    assert coder.targets(["[the] the Zoe"], coded.extra) == [[UNK, UNK, UNK, TARGET.id_of(" the"), TARGET.size]]
    assert tagged.decode([*source.values.tolist()[:2], tagged.size], [" Zoe"]) == "Zoe"
    assert tagged.names([tagged.size - 1, tagged.size], [" Zoe"]) == ["[PST]", "▁Zoe"]


def test_what_is_cut_is_not_there_to_be_copied() -> None:
    coded = CODER.sources(["the Bo Zoe", "the"], longest=2)
    assert [(len(source.values), len(copies(source))) for source in coded.sources] == [(2, 2), (1, 1)]
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


def test_the_dataset_holds_what_items_stand_for(tmp_path: Path) -> None:
    pairs = [("Zoe the red Bo", "Ann sees Bo Zoe Uli"), ("the Ann", "the Ann")]
    dataset, _ = write_dataset(pairs, SOURCE, TARGET, tmp_path / "ids", 10, 10, copying=True)
    expected = CODER.sources([source for source, _ in pairs]).sources
    assert dataset.source(0).values.tolist() == expected[0].values.tolist()
    assert copies(dataset.source(0)) == copies(expected[0])
    batch = collate(dataset, np.array([0, 1]))
    first = TARGET.size
    assert batch.target_out[0].tolist() == [*TARGET.encode("Ann sees"), first + 2, first, UNK, 3]
    assert batch.target_out[1, :3].tolist() == [*TARGET.encode("the Ann"), 3]
    assert batch.source.copies is not None
    assert batch.source.copies.tolist() == [copies(expected[0]), [*copies(expected[1]), PAD, PAD]]
    assert batch.source.values[1].tolist() == [*SOURCE.encode("the Ann"), PAD, PAD]
    plain, _ = write_dataset(pairs, SOURCE, TARGET, tmp_path / "plain", 10, 10)
    assert plain.target(0).tolist() == TARGET.encode(pairs[0][1])
    assert plain.source(0).values.tolist() == SOURCE.encode(pairs[0][0])
    assert plain.source(0).copies is None
    assert collate(plain, np.array([0])).source.copies is None


def test_large_vocabularies_have_room(tmp_path: Path) -> None:
    for size, kind in ((65_535, "uint16"), (65_536, "uint32"), (2**32 - 1, "uint32"), (2**32, "int64")):
        values, length = np.array([size - 1], dtype=np.int64), np.array([1])
        with SideWriter(tmp_path, "source", size, 5) as writer:
            writer.append(values, length, np.array([4], dtype=np.int64))
        ids, copied = writer.parts()[0], writer.parts()[3]
        assert (ids.kind, copied.kind) == (kind, "uint16")
        assert ids.mapped(tmp_path).tolist() == [size - 1]
        with SideWriter(tmp_path, "source", 5, size) as writer:
            writer.append(np.array([4], dtype=np.int64), length, values)
        ids, copied = writer.parts()[0], writer.parts()[3]
        assert (ids.kind, copied.kind) == ("uint16", kind)
        assert copied.mapped(tmp_path).tolist() == [size - 1]


def test_as_many_items_as_what_they_stand_for(tmp_path: Path) -> None:
    dataset = tmp_path / "ids"
    write_dataset([("the Ann", "the Ann")], SOURCE, TARGET, dataset, 10, 10, copying=True)
    meta = json.loads((dataset / "meta.json").read_text())
    meta["arrays"]["source_copies"]["count"] = 1
    (dataset / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(DataError, match="but its counts do not agree; remove"):
        PairDataset.open(dataset)
