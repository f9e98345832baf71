"""Features of a source: learned, saved, read from a text with columns; bad input is refused."""

from __future__ import annotations

import pytest

from seqweave.config import TextConfig
from seqweave.errors import DataError, ModelFolderError
from seqweave.text.features import FeaturedTokenizer, Features, learn_features
from seqweave.text.tokenizers import train_tokenizer

ROWS = [("V;PST", "en"), ("V; PST;V", "de"), ("N;;PL", "de"), ("", "V")]
FEATURES = Features(("3", "4"), ";", (("PST", "V", "N", "PL"), ("de", "V", "en")))


@pytest.fixture(scope="module")
def tokenizer() -> FeaturedTokenizer:
    # Letters are 4 (a), 5 (b), 6 (c); features 7 to 13.
    return FeaturedTokenizer(train_tokenizer(["aaabbc"], TextConfig(units="char")), FEATURES)


def test_learned_features_are_sets_sorted_by_frequency() -> None:
    assert learn_features(ROWS, ("3", "4"), ";") == FEATURES


def test_a_column_without_any_tag_is_refused() -> None:
    with pytest.raises(DataError, match=r"column 4 must hold a source tag .* data\.feature_columns"):
        learn_features([("V", " ; ")], ("3", "4"), ";")


def test_features_come_first_and_their_order_means_nothing(tokenizer: FeaturedTokenizer) -> None:
    assert (tokenizer.size, tokenizer.feature_count) == (14, 7)
    assert tokenizer.encode("ab\tV;PST\ten") == [7, 8, 13, 4, 5]
    assert tokenizer.encode("ab\tPST; V ;V\ten") == [7, 8, 13, 4, 5]
    assert tokenizer.tokens("ab\tV;PST\ten") == ["[PST]", "[V]", "[en]", "a", "b"]
    assert tokenizer.encode("ab\t\tV") == [12, 4, 5]  # the tag V of the other column
    assert tokenizer.encode_batch(["a\t\t", "", "\tV\tde"]) == [[4], [], []]
    assert tokenizer.names([4, 12, 1]) == ["a", "[V]", "<unk>"]
    assert tokenizer.decode([7, 4, 13, 5]) == "ab"
    assert tokenizer.normalized("ab\tV\tde") == "ab"


def test_offsets_are_those_of_the_whole_text(tokenizer: FeaturedTokenizer) -> None:
    text = "ab\t V;N;PST;V\tde"
    cut = [text[start:end] for start, end in tokenizer.offsets(text)]
    assert cut == ["PST", "V", "N", "de", "a", "b"]
    assert [f"[{part}]" for part in cut[:4]] == tokenizer.tokens(text)[:4]


def test_unknown_features_are_left_out_and_counted(tokenizer: FeaturedTokenizer) -> None:
    assert tokenizer.encode("ab\tV;FUT\tfr") == [8, 4, 5]
    assert len(tokenizer.tokens("ab\tV;FUT\tfr")) == len(tokenizer.offsets("ab\tV;FUT\tfr")) == 3
    assert tokenizer.unknown_features(["ab\tV;FUT;FUT\tfr", "a\t\tde", ""]) == (2, 4)


@pytest.mark.parametrize("text", ["ab", "ab\tV", "ab\tV\tde\tx"])
def test_wrong_numbers_of_columns_are_refused(tokenizer: FeaturedTokenizer, text: str) -> None:
    with pytest.raises(DataError, match=r"must be TEXT<TAB>column 3<TAB>column 4, which is 3 columns, but it has"):
        tokenizer.encode(text)


def test_the_file_holds_all() -> None:
    assert Features.from_json(FEATURES.to_json(), "features.json") == FEATURES


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"format": 2, "separator": ";", "columns": []}',
        '{"format": 1, "separator": "", "columns": [{"name": "3", "tags": ["V"]}]}',
        '{"format": 1, "separator": ";", "columns": [{"name": "3", "tags": ["V", "V"]}]}',
        '{"format": 1, "separator": ";", "columns": [{"name": "3", "tags": [1]}]}',
        '{"format": 1, "separator": ";", "columns": [{"name": "3"}]}',
        '{"format": 1, "separator": ";", "columns": [{"name": "3", "tags": "VW"}]}',
        '{"format": 1, "separator": ";", "columns": [{"name": "3", "tags": [["V"]]}]}',
        '{"format": 1, "separator": ";", "columns": [{"name": "3", "tags": ["\\ud800"]}]}',
        '{"format": 1, "separator": 1, "columns": [{"name": "3", "tags": ["V"]}]}',
        '{"format": 1, "separator": ";", "columns": 3}',
        "[" * 5000,
    ],
)
def test_a_damaged_file_is_refused(content: str) -> None:
    with pytest.raises(ModelFolderError, match=r"features\.json must hold .*restore"):
        Features.from_json(content, "features.json")
