"""More entries for a vocabulary: old ids stay, old texts are cut as before, new items are known."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqweave.config import TextConfig
from seqweave.errors import DataError
from seqweave.text.extending import missing_entries, with_entries, with_tags
from seqweave.text.features import FeaturedTokenizer, Features, learn_features
from seqweave.text.tokenizers import Tokenizer, train_tokenizer
from seqweave.text.vocabulary import UNK

KINDS: dict[str, dict[str, Any]] = {
    "char": {"units": "char"},
    "jamo": {"units": "char", "jamo": True},
    "word": {"units": "word", "lowercase": True},
    "space": {"units": "space"},
    "label": {"units": "label"},
    "byte": {"units": "byte"},
    "bpe": {"units": "subword", "max_size": 40},
    "unigram": {"units": "subword", "subword_model": "unigram", "max_size": 40},
}
OLD = ["the cat sat.", "the hat", "a cat, a hat", "gato tea", "that tag 가나"]
NEW = ["The dog sat!", "zebra dog", "éclair  한글", "a cat, a dog"]


def extended(tokenizer: Tokenizer, texts: list[str]) -> tuple[Tokenizer, list[str]]:
    more = missing_entries(tokenizer, texts)
    return with_entries(tokenizer, more), more


@pytest.mark.parametrize("kind", KINDS)
def test_old_ids_stay_and_new_items_are_known(kind: str) -> None:
    config = TextConfig(**KINDS[kind])
    old = train_tokenizer(OLD, config)
    new, more = extended(old, NEW)
    assert new.size == old.size + len(more)
    assert new.names(list(range(old.size))) == old.names(list(range(old.size)))
    assert [new.id_of(entry) for entry in more] == list(range(old.size, new.size))
    for text in OLD:
        assert new.encode(text) == old.encode(text)
    for text in NEW:
        ids = new.encode(text)
        assert UNK not in ids
        assert new.decode(ids) == new.normalized(text)
        assert new.normalized(text) == old.normalized(text)
    assert missing_entries(new, [*OLD, *NEW]) == []
    again = Tokenizer.from_json(new.to_json(), "x", config)
    assert [again.encode(text) for text in NEW] == [new.encode(text) for text in NEW]


def test_bytes_are_all_there() -> None:
    old = train_tokenizer(OLD, TextConfig(units="byte"))
    assert extended(old, NEW) == (old, [])


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_of_subwords_only_characters_are_added(kind: str) -> None:
    old = train_tokenizer(OLD, TextConfig(**KINDS[kind]))
    new, more = extended(old, [*NEW, "dogdogdog dog dog dog"])
    assert set(more) == set("d!zbrléi한글T") - set(old.names(list(range(old.size))))
    before, after = (json.loads(one.to_json())["model"] for one in (old, new))
    assert after.get("merges") == before.get("merges")
    if kind == "unigram":  # a new piece is as rare as the rarest
        scores = {piece: score for piece, score in after["vocab"]}
        assert {scores[entry] for entry in more} == {min(score for _, score in before["vocab"])}


def test_the_most_frequent_come_first_within_the_limits() -> None:
    old = train_tokenizer(["a a b b"], TextConfig(units="space", min_frequency=2, max_size=7))
    assert missing_entries(old, ["d c c c e", "d a a a a e"]) == ["c", "d"]  # a and two others fill 7 with the specials
    bpe = train_tokenizer(["ab"], TextConfig(units="subword", min_frequency=1))
    rare = Tokenizer(bpe.pipeline, bpe.config.model_copy(update={"min_frequency": 2}))
    assert missing_entries(rare, ["xyy", "zab", "z"]) == ["y", "z"]


@pytest.mark.parametrize("kind", ["char", "bpe", "unigram"])
def test_half_of_a_surrogate_pair_is_refused(kind: str) -> None:
    with pytest.raises(DataError, match="half of a surrogate pair"):
        missing_entries(train_tokenizer(OLD, TextConfig(**KINDS[kind])), ["a\ud800"])


@settings(max_examples=25)
@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.text(st.sampled_from("ab c\tdé.가"), min_size=1, max_size=8), min_size=1, max_size=8),
    st.lists(st.text(st.sampled_from("abxyz, ñ나\u0301"), min_size=1, max_size=8), min_size=1, max_size=8),
)
def test_any_texts(kind: str, old_texts: list[str], new_texts: list[str]) -> None:
    config = TextConfig(**KINDS[kind])
    old = train_tokenizer(old_texts, config)
    new, more = extended(old, new_texts)
    for text in old_texts:
        if UNK not in old.encode(text):
            assert new.encode(text) == old.encode(text)
    for text in new_texts:
        assert UNK not in new.encode(text)
    assert [new.id_of(entry) for entry in more] == list(range(old.size, new.size))


OLD_TAGS = Features(("way", "lang"), ";", (("KEEP", "TURN"), ("de", "V")))


def test_tags_follow_those_of_their_column() -> None:
    rows = [("TURN;DOUBLE", "fr"), ("DOUBLE; V", "de;fr"), ("", "V")]
    new = with_tags(OLD_TAGS, rows)
    assert new.tags == (("KEEP", "TURN", "DOUBLE", "V"), ("de", "V", "fr"))  # V is another tag in each column
    assert (new.columns, new.separator) == (OLD_TAGS.columns, OLD_TAGS.separator)
    assert with_tags(OLD_TAGS, [("KEEP", ""), ("", "")]) == OLD_TAGS


def test_tags_and_items_together() -> None:
    text = train_tokenizer(["abc"], TextConfig(units="char"))
    old = FeaturedTokenizer(text, OLD_TAGS)
    rows = [("DOUBLE", "fr")]
    new = FeaturedTokenizer(with_entries(text, missing_entries(text, ["abxy"])), with_tags(OLD_TAGS, rows))
    assert new.size == old.size + 2 + 2
    for line in ("abc\tKEEP\tV", "c\tTURN;KEEP\tde"):
        assert new.names(new.encode(line)) == old.names(old.encode(line))
    assert new.unknown_features(["x\tDOUBLE;KEEP\tfr"]) == (0, 3)
    assert old.unknown_features(["x\tDOUBLE;KEEP\tfr"]) == (2, 3)
    assert learn_features(rows, OLD_TAGS.columns, ";").tags == (("DOUBLE",), ("fr",))
