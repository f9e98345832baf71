"""Only vocabulary and merges are taken from a tokenizer's file; what else it means is compared, and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from seqweave.config import TextConfig
from seqweave.errors import ModelFolderError
from seqweave.text.tokenizers import Tokenizer, train_tokenizer

KINDS = {
    "char": TextConfig(units="char"),
    "word": TextConfig(units="word", lowercase=True),
    "space": TextConfig(units="space"),
    "byte": TextConfig(units="byte", normalize="none"),
    "label": TextConfig(units="label", normalize="nfkc"),
    "bpe": TextConfig(units="subword", max_size=30, jamo=True),
    "unigram": TextConfig(units="subword", max_size=30, subword_model="unigram"),
}
TEXTS = ["the cat the dog the cow", "Ένας ΛΌΓΟΣ", "한국 the"] * 3
Tree = dict[str, Any]


def file_of(kind: str) -> Tree:
    """What `tokenizer.json` of one kind holds."""
    tree: Tree = json.loads(train_tokenizer(TEXTS, KINDS[kind]).to_json())
    return tree


def read(tree: Any, kind: str = "char") -> Tokenizer:
    return Tokenizer.from_json(tree if isinstance(tree, str) else json.dumps(tree), "a/b.json", KINDS[kind])


def refusal(tree: Any, kind: str = "char") -> str:
    with pytest.raises(ModelFolderError, match=r"a/b\.json must be a tokenizer written by seqweave, but") as caught:
        read(tree, kind)
    sentence = str(caught.value)
    assert sentence.endswith("; restore the file")
    assert len(sentence) < 600
    assert sentence.isprintable()
    return sentence


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_comes_back(kind: str) -> None:
    tree = file_of(kind)
    assert json.loads(read(tree, kind).to_json()) == tree


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("truncation", {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0}),
        ("padding", {"strategy": {"Fixed": 20}, "direction": "Right", "pad_id": 9999999, "pad_token": "[PAD]"}),
        ("added_tokens", [{"id": 3, "content": "<eos >", "special": True}]),
        ("normalizer", {"type": "Sequence", "normalizers": [{"type": "Precompiled", "precompiled_charsmap": ""}]}),
        ("normalizer", {"type": "Replace", "pattern": {"Regex": "[\\s\\S]"}, "content": "aa"}),
        ("normalizer", None),
        ("pre_tokenizer", {"type": "Whitespace"}),
        ("pre_tokenizer", None),
        ("post_processor", {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}),
        ("decoder", {"type": "Replace", "pattern": {"String": "a"}, "content": "b" * 5000}),
        ("version", "2.0"),
        ("later", {"any": "thing"}),
    ],
)
def test_another_pipeline_is_refused_by_the_name_of_its_part(kind: str, key: str, value: object) -> None:
    sentence = refusal({**file_of(kind), key: value}, kind)
    assert f"but its {key}" in sentence
    assert "but the settings make it" in sentence


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("bpe", "dropout", 0.9),
        ("bpe", "byte_fallback", True),
        ("bpe", "continuing_subword_prefix", "##"),
        ("bpe", "unk_token", None),
        ("byte", "ignore_merges", True),
        ("unigram", "unk_id", 3),
        ("unigram", "byte_fallback", True),
        ("word", "unk_token", "<eos >"),
    ],
)
def test_another_model_is_refused(kind: str, key: str, value: object) -> None:
    tree = file_of(kind)
    tree["model"][key] = value
    assert f"but its model.{key} is" in refusal(tree, kind)


def test_the_settings_decide_what_a_file_may_be() -> None:
    assert 'its model is "BPE", but WordLevel belongs to units char' in refusal(file_of("bpe"))
    assert "its pre_tokenizer.type is" in refusal(file_of("space"), "char")
    assert "its normalizer" in refusal(file_of("char"), "label")


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "[" * 100_000, '{"model": 1}', "NaN", '{"model": ' + "9" * 5000 + "}"]
)
def test_what_is_no_tokenizer_at_all_is_refused(text: str) -> None:
    refusal(text)


def change_vocabulary(change: Callable[[Tree], Any]) -> Tree:
    tree = file_of("char")
    tree["model"]["vocab"] = change(tree["model"]["vocab"])
    return tree


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda ids: [*ids], "does not number its entries"),
        (lambda ids: {**ids, "x": True}, "does not number its entries"),
        (lambda ids: {**ids, "x": 1.5}, "does not number its entries"),
        (lambda ids: {**ids, "x": 2}, "ids must count from 0"),
        (lambda ids: {**ids, "x": 10**12}, "ids must count from 0"),
        (lambda ids: {entry.replace("<bos >", "[CLS]"): id_ for entry, id_ in ids.items()}, "must be ids 0 to 3"),
        (lambda ids: {**ids, "\ud800": len(ids)}, "which no text can hold"),
        (lambda ids: {**ids, "": len(ids)}, "which no text can hold"),
        (lambda ids: {}, "must be ids 0 to 3"),
    ],
)
def test_another_vocabulary_is_refused(change: Callable[[Tree], Any], why: str) -> None:
    assert why in refusal(change_vocabulary(change))


@pytest.mark.parametrize(
    "merges", [None, {}, ["a b"], [["t"]], [["t", 1]], [["t", "zzz"]], [["t", "t"]], [[["t"], "h"]]]
)
def test_merges_that_join_no_entries_are_refused(merges: object) -> None:
    tree = file_of("bpe")
    tree["model"]["merges"] = merges
    assert "merge" in refusal(tree, "bpe")


def test_bytes_have_no_other_entries_and_no_merges() -> None:
    tree = file_of("byte")
    tree["model"]["merges"] = [["a", "a"]]
    assert "merge 1" in refusal(tree, "byte")
    tree = file_of("byte")
    ids = tree["model"]["vocab"]
    ids["a"], ids["b"] = ids["b"], ids["a"]
    assert "units byte has the 256 bytes" in refusal(tree, "byte")


@pytest.mark.parametrize("piece", [["x"], ["x", "y"], [1, -1.0], ["x", float("nan")], ["x", 3.0], ["x", True], "x"])
def test_pieces_without_a_probability_are_refused(piece: object) -> None:
    tree = file_of("unigram")
    tree["model"]["vocab"].append(piece)
    assert "not a text with the logarithm of its probability" in refusal(tree, "unigram")


def test_a_piece_is_there_once() -> None:
    tree = file_of("unigram")
    tree["model"]["vocab"].append(tree["model"]["vocab"][-1])
    assert "there twice" in refusal(tree, "unigram")


def test_what_the_library_cannot_use_is_a_sentence_even_where_it_panics(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicError(BaseException):
        """Stands for pyo3's, which is no Exception."""

    def panic(*given: object) -> None:
        raise PanicError("index out of bounds")

    text = json.dumps(file_of("char"))
    monkeypatch.setattr("seqweave.text.tokenizer_files.assemble", panic)
    assert "its vocabulary cannot be used" in refusal(text)


def test_escapes_in_a_file_are_shown() -> None:
    tree = file_of("char") | {"version": "\x1b]0;owned\x07\x1b[31m\u202e"}
    assert "\\u001b]0;owned" in refusal(tree)
