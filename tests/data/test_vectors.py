"""Files of pretrained vectors: three formats, names, and every broken line."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from seqweave.config import TextConfig
from seqweave.data import vectors
from seqweave.data.vectors import read_vectors
from seqweave.errors import DataError
from seqweave.text.features import FeaturedTokenizer, Features
from seqweave.text.tokenizers import Tokenizer, train_tokenizer

WORDS = train_tokenizer(["the dog (dog)."], TextConfig(units="word"))
PLAIN = "the 1 2\nzebra 9 9\ndog 3 4.5\n"


def found_in(path: Path, content: str | bytes, tokenizer: Tokenizer = WORDS, size: int = 2) -> dict[str, list[float]]:
    """The vectors of a file by the names of their entries."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found = read_vectors(path, tokenizer, size)
    assert found.values.shape == (len(found.ids), size)
    assert found.values.dtype == np.float32
    assert found.ids.tolist() == sorted(found.ids.tolist())
    return dict(zip(tokenizer.names(found.ids.tolist()), found.values.tolist(), strict=True))


def naive(text: str, tokenizer: Tokenizer) -> dict[str, list[float]]:
    """The readable twin: the whole file first, then an entry at a time; for words without blanks."""
    lines = [line.split(" ") for line in text.splitlines()]
    first: dict[str, list[float]] = {}
    for item, *numbers in lines:
        first.setdefault(item, [float(number) for number in numbers])
    names = tokenizer.names(range(4, tokenizer.size))
    wanted = {name: [item for item in (name, name.removeprefix("▁")) if item in first] for name in names}
    return {name: first[items[0]] for name, items in wanted.items() if items}


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        "3 2\n" + PLAIN,
        PLAIN.replace("\n", " \n"),
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        PLAIN.removesuffix("\n"),
        "<unk> 7 7\n" + PLAIN + "the 5 5\n",
        ". . 7 7\n" + PLAIN,
    ],
    ids=["glove", "word2vec", "fasttext", "windows", "mark", "no last line end", "specials", "blanks"],
)
def test_every_format_gives_the_same(tmp_path: Path, content: str) -> None:
    expected = {"▁the": [1.0, 2.0], "▁dog": [3.0, 4.5], "dog": [3.0, 4.5]}
    assert found_in(tmp_path / "vectors.txt", content) == expected
    assert found_in(tmp_path / "vectors.txt.gz", gzip.compress(content.encode())) == expected


def test_the_reader_equals_its_twin(tmp_path: Path) -> None:
    draw = random.Random(1)
    words = ["".join(draw.choices("abc", k=draw.randint(1, 3))) for _ in range(60)]
    tokenizer = train_tokenizer([" ".join(words[:30]), "(" + ")(".join(words[20:40])], TextConfig(units="word"))
    items = [draw.choice(["", "", "▁"]) + word for word in words]
    text = "".join(f"{item} {draw.randint(-9, 9)} {draw.random():.3f} {draw.random():.1e}\n" for item in items)
    found, expected = found_in(tmp_path / "vectors.txt", text, tokenizer, 3), naive(text, tokenizer)
    assert found.keys() == expected.keys()
    assert len(found) > 20
    for name, values in expected.items():
        assert found[name] == np.array(values, dtype=np.float32).tolist()


def test_the_closest_name_wins(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    expected = {"▁dog": [2.0, 2.0], "dog": [1.0, 1.0]}
    assert found_in(path, "dog 1 1\n▁dog 2 2\n") == expected
    assert found_in(path, "▁dog 2 2\ndog 1 1\n") == expected


def test_items_become_what_text_becomes(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    lower = train_tokenizer(["a dog"], TextConfig(units="word", lowercase=True))
    assert found_in(path, "Dog 1 1\nDOG 2 2\n", lower) == {"▁dog": [1.0, 1.0]}
    assert found_in(path, "Dog 1 1\ndog 2 2\n", lower) == {"▁dog": [2.0, 2.0]}
    split = train_tokenizer(["개"], TextConfig(units="word", jamo=True))
    assert list(found_in(path, "개 1 2\n", split).values()) == [[1.0, 2.0]]
    label = train_tokenizer(["red wine"], TextConfig(units="label"))
    assert found_in(path, "red wine 1 2\n", label) == {"red▁wine": [1.0, 2.0]}
    characters = train_tokenizer(["a b"], TextConfig(units="char"))
    assert found_in(path, "a 1 2\n▁ 3 4\n", characters) == {"a": [1.0, 2.0], "▁": [3.0, 4.0]}


@pytest.mark.parametrize("blank", [" ", "  ", "\u00a0", "\u3000", "\u200b", "\u2028", "\x0b", "\ufeff", "a\u00a0b"])
def test_an_item_may_be_a_blank(tmp_path: Path, blank: str) -> None:
    content = PLAIN + f"{blank} 7 8\nthe 5 5\n"
    expected = {"▁the": [1.0, 2.0], "▁dog": [3.0, 4.5], "dog": [3.0, 4.5]}
    for text in (content, "5 2\n" + content, content.replace("\n", " \n"), content.replace("\n", "\r\n")):
        assert found_in(tmp_path / "vectors.txt", text) == expected
    if blank != "\ufeff":  # at the start of a file it is its byte order mark
        assert found_in(tmp_path / "vectors.txt", f"{blank} 7 8\n" + PLAIN) == expected
    with pytest.raises(DataError, match="must hold 6 vectors, as its first line says, but it ends after 5"):
        found_in(tmp_path / "vectors.txt", "6 2\n" + content)


def test_a_blank_has_its_vector(tmp_path: Path) -> None:
    characters = train_tokenizer(["a b\u00a0c"], TextConfig(units="char", normalize="none"))
    found = found_in(tmp_path / "vectors.txt", "a 1 2\n  3 4\n\u00a0 5 6\n", characters)
    assert found == {"a": [1.0, 2.0], "▁": [3.0, 4.0], "\u00a0": [5.0, 6.0]}


@pytest.mark.parametrize(
    ("first", "width"), [("the 1 2 3", 3), ("  1 2 3", 3), ("new york 1 2 3", 3), ("the 1", 1), ("7 8 9 10", 3)]
)
def test_numbers_of_another_width_are_counted(tmp_path: Path, first: str, width: int) -> None:
    with pytest.raises(DataError, match=f":1: .*, which is 2, but these have {width} numbers"):
        found_in(tmp_path / "vectors.txt", first + "\n" + PLAIN)


def test_specials_and_features_have_no_vectors(tmp_path: Path) -> None:
    featured = FeaturedTokenizer(WORDS, Features(("3",), ";", (("dog", "V"),)))
    text = "<pad> 1 1\n<unk> 1 1\n<eos> 1 1\n<eos > 1 1\n[V] 1 1\nthe 1 2\n"
    assert found_in(tmp_path / "vectors.txt", text, featured) == {"▁the": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("the 1 2\ndog 1\n", r":2: a line must be an item and 2 numbers.* but 1 numbers follow .*: correct or remove"),
        ("the 1 2\ndog 1 2 3\n", r":2: a line must be .* but 3 numbers follow"),
        ("the 1 2\n\n", r":2: a line must be .* but 0 numbers follow"),
        ("the 1 2\n 1 2\n", r":2: a line must be .* but its item is empty"),
        ("the 1 2\ndog  1 2\n", r":2: a line must be .* single blanks, but two blanks follow its item"),
        ("the 1 2\nnew york 1 2 3\n", r":2: a line must be .* but 3 numbers follow"),
        ("the 1 2\n  1 2 3\n", r":2: a line must be .* but 3 numbers follow"),
        ("the 1 2\ndog 1 x\n", r":2: a line must be an item and numbers, but 'x' is not a number"),
        ("2 2\nthe 1 2\ndog 1 nan\n", r":3: the numbers of a vector must be finite"),
        ("the 1 2\ndog 1 1e39\n", r":2: the numbers of a vector must be finite"),
        (b"the 1 2\n\xe9t\xe9 1 2\n", r":2: a line must be UTF-8, but its item is not"),
        ("the 1 2 3\n", r":1: .* model\.embedding_size, which is 2, but these have 3 .*model\.embedding_size=3"),
        ("1 3\nthe 1 2 3\n", r":1: .* which is 2, but these have 3 numbers"),
        ("3 2\nthe 1 2\n", "must hold 3 vectors, as its first line says, but it ends after 1"),
        (
            "zebra 1 2\nlion 3 4\n",
            r"such as ▁\(, ▁dog, ▁the, but it holds only those of others, such as zebra, lion: take",
        ),
        ("", "but it holds none: take"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        found_in(tmp_path / "vectors.txt", content)


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "MAX_LINE_BYTES", 20)
    with pytest.raises(DataError, match=":2: a line must have at most 20 bytes"):
        found_in(tmp_path / "vectors.txt", "the 1 2\n" + "dog" * 10 + " 1 2\n")


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_vectors(tmp_path / "nothing.txt", WORDS, 2)
    with pytest.raises(DataError, match="must be a gzip file, but it is damaged"):
        found_in(tmp_path / "vectors.txt.gz", gzip.compress(PLAIN.encode() * 100)[:-20])
    with pytest.raises(DataError, match="a zip archive"):
        found_in(tmp_path / "vectors.vec", b"PK\x03\x04 and so on")


def test_a_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    numbers = " 0.123" * 50
    path.write_text("the" + numbers + "\n" + "".join(f"x{line}{numbers}\n" for line in range(10_000)))
    assert path.stat().st_size > 3_000_000
    tracemalloc.start()
    try:
        found = read_vectors(path, WORDS, 50)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.ids) == 1
    assert peak < 1_000_000
