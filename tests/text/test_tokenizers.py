from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqweave.config import TextConfig
from seqweave.errors import ConfigError, DataError
from seqweave.text.tokenizers import Coverage, Tokenizer, coverage, train_tokenizer
from seqweave.text.vocabulary import BOS, EOS, PAD, SPECIALS, UNK

CONFIGS = {
    "char": TextConfig(units="char"),
    "word": TextConfig(units="word"),
    "space": TextConfig(units="space"),
    "bpe": TextConfig(units="subword", max_size=60),
    "unigram": TextConfig(units="subword", subword_model="unigram", max_size=60),
    "byte": TextConfig(units="byte"),
}
TEXTS = st.lists(st.text(max_size=30) | st.text("ab .,-'\u2581\u00a0가각\n\t", max_size=30), min_size=1, max_size=4)
SENTENCES = ["A dog runs, and a dog sleeps.", "A man (old) doesn't run...", "A  man\tsleeps ; so what?", " Ein Hund."]
LIKE_SPECIALS = ["<eos>", "<pad>", "a <unk> b", "<bos >", " <eos > <pad >", "<pad ><pad >", *SPECIALS]


def each_kind(*names: str) -> pytest.MarkDecorator:
    chosen = names or tuple(CONFIGS)
    return pytest.mark.parametrize("config", [CONFIGS[name] for name in chosen], ids=list(chosen))


def with_options(config: TextConfig, **options: object) -> TextConfig:
    return TextConfig.model_validate(config.model_dump() | options)


@each_kind()
@settings(max_examples=60, deadline=None)
@given(texts=TEXTS)
def test_round_trip_of_any_unicode(config: TextConfig, texts: list[str]) -> None:
    tokenizer = train_tokenizer(texts, with_options(config, max_size=None))
    for text in texts:
        ids = tokenizer.encode(text)
        assert not {PAD, UNK, BOS, EOS} & set(ids)
        assert tokenizer.decode(ids) == tokenizer.normalized(text)
        assert len(tokenizer.tokens(text)) == len(ids)
        if config.units != "space":
            assert tokenizer.normalized(text) == _composed(text)


@each_kind()
@settings(max_examples=25, deadline=None)
@given(
    texts=TEXTS,
    lowercase=st.booleans(),
    jamo=st.booleans(),
    normalize=st.sampled_from(["none", "nfc", "nfkc"]),
)
def test_round_trip_with_options(
    config: TextConfig, texts: list[str], lowercase: bool, jamo: bool, normalize: str
) -> None:
    chosen = with_options(config, max_size=None, lowercase=lowercase, jamo=jamo, normalize=normalize)
    tokenizer = train_tokenizer(texts, chosen)
    for text in texts:
        ids = tokenizer.encode(text)
        assert UNK not in ids
        assert tokenizer.decode(ids) == tokenizer.normalized(text)
        if not lowercase and not jamo and normalize == "none" and config.units != "space":
            assert tokenizer.decode(ids) == text


def _composed(text: str) -> str:
    """NFC as the pipelines do it (the versions of Unicode of Python and of `tokenizers` may differ)."""
    from tokenizers.normalizers import NFC

    return NFC().normalize_str(text)


@given(text=st.text(max_size=50))
def test_bytes_are_never_unknown(text: str) -> None:
    tokenizer = train_tokenizer([], TextConfig(units="byte", normalize="none"))
    ids = tokenizer.encode(text)
    assert [id_ - 4 for id_ in ids] == list(text.encode("utf-8"))
    assert tokenizer.decode(ids) == text
    assert tokenizer.size == 260


@each_kind()
@pytest.mark.parametrize("text", LIKE_SPECIALS)
def test_text_like_specials_is_ordinary_text(config: TextConfig, text: str) -> None:
    trained = train_tokenizer([text, "a b"], with_options(config, max_size=None))
    ids = trained.encode(text)
    assert min(ids) > EOS
    assert trained.decode(ids) == trained.normalized(text)
    other = train_tokenizer(["a b"], with_options(config, max_size=None))
    assert not {PAD, BOS, EOS} & set(other.encode(text))


@each_kind()
def test_ids_of_specials(config: TextConfig) -> None:
    tokenizer = train_tokenizer(SENTENCES, with_options(config, max_size=None))
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    assert tuple(tokenizer.names([0, 1, 2, 3])) == SPECIALS == ("<pad>", "<unk>", "<bos>", "<eos>")
    ids = tokenizer.encode("A dog")
    assert tokenizer.decode([BOS, *ids, EOS, PAD, PAD]) == "A dog"


@each_kind()
def test_empty_text_has_no_ids(config: TextConfig) -> None:
    tokenizer = train_tokenizer(SENTENCES, with_options(config, max_size=None))
    assert tokenizer.encode("") == []
    assert tokenizer.decode([]) == tokenizer.normalized("") == ""
    assert tokenizer.encode_batch(["", "A", ""])[::2] == [[], []]


@each_kind()
def test_no_text_at_all_gives_a_vocabulary_of_specials(config: TextConfig) -> None:
    tokenizer = train_tokenizer(iter([]), with_options(config, max_size=None))
    assert tokenizer.size == (260 if config.units == "byte" else 4)
    assert set(tokenizer.encode("ab")) == ({101, 102} if config.units == "byte" else {UNK})


@each_kind()
@settings(max_examples=20, deadline=None)
@given(texts=TEXTS)
def test_a_batch_is_encoded_as_its_texts(config: TextConfig, texts: list[str]) -> None:
    tokenizer = train_tokenizer(texts[:1], with_options(config, max_size=None))
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(text) for text in texts]


@each_kind()
@settings(max_examples=20, deadline=None)
@given(texts=TEXTS)
def test_saved_and_loaded_is_the_same(config: TextConfig, texts: list[str]) -> None:
    tokenizer = train_tokenizer(texts, with_options(config, max_size=None, jamo=True))
    again = Tokenizer.from_json(tokenizer.to_json(), "x", tokenizer.config)
    assert again.to_json() == tokenizer.to_json()
    assert again.size == tokenizer.size
    assert again.units == tokenizer.units == config.units
    for text in [*texts, "한국 <eos>"]:
        ids = tokenizer.encode(text)
        assert again.encode(text) == ids
        assert again.decode(ids) == tokenizer.decode(ids)
        assert again.tokens(text) == tokenizer.tokens(text)
        assert again.normalized(text) == tokenizer.normalized(text)


def test_save_writes_what_from_json_reads(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(SENTENCES, CONFIGS["bpe"])
    tokenizer.save(tmp_path / "tokenizer.json")
    text = (tmp_path / "tokenizer.json").read_text(encoding="utf-8")
    assert Tokenizer.from_json(text, "x", CONFIGS["bpe"]).to_json() == tokenizer.to_json()


@pytest.mark.parametrize("name", ["char", "byte", "space", "word", "bpe", "unigram"])
def test_all_hangul_syllables_survive_jamo(name: str) -> None:
    syllables = [chr(code) for code in range(0xAC00, 0xD7A4)]
    texts = [" ".join(syllables[start : start + 64]) for start in range(0, len(syllables), 64)]
    tokenizer = train_tokenizer(texts, with_options(CONFIGS[name], max_size=None, jamo=True))
    for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True):
        assert UNK not in ids
        assert tokenizer.decode(ids) == text


def test_jamo_are_the_items_of_a_syllable() -> None:
    tokenizer = train_tokenizer(["한국"], TextConfig(units="char", jamo=True))
    assert tokenizer.tokens("한국") == list(unicodedata.normalize("NFD", "한국"))
    assert tokenizer.size == 4 + 6  # a consonant that begins and one that ends a syllable are two items
    assert tokenizer.normalized("한국") == "한국"


def test_lower_casing_and_normal_forms() -> None:
    lower = train_tokenizer(["ÄBC"], TextConfig(units="char", lowercase=True))
    assert lower.decode(lower.encode("A\u0308Bc")) == "äbc" == lower.normalized("A\u0308Bc")
    assert lower.normalized("H\u0331") == "\u1e96"
    wide = train_tokenizer(["ｶﾞ①"], TextConfig(units="char", normalize="nfkc"))
    assert wide.normalized("ｶﾞ①") == "ガ1"
    exact = train_tokenizer(["A\u0308"], TextConfig(units="char", normalize="none"))
    assert exact.normalized("A\u0308") == "A\u0308"


@pytest.mark.parametrize(
    "text", ["ΟΔΟΣ", "Ο ΛΌΓΟΣ ΤΗΣ ΟΔΟΎ", "ΑΣΣ", "ΣΣ", "Σ", "Α'Σ", "ΑΣ'Α", "ΑΣ\u00ad.", "ΣΑΣ-ΣΑΣ", "ʰΣ"]
)
def test_greek_is_lower_cased_as_python_does(text: str) -> None:
    tokenizer = train_tokenizer([text], TextConfig(units="char", lowercase=True))
    assert tokenizer.normalized(text) == text.lower() == tokenizer.decode(tokenizer.encode(text))


@settings(max_examples=200, deadline=None)
@given(st.text("ΣσςΑβİʰ'.\u0301\u00ad aΤ-", max_size=12))
def test_every_sigma_is_lower_cased_as_python_does(text: str) -> None:
    tokenizer = train_tokenizer([], TextConfig(units="char", lowercase=True, normalize="none"))
    assert tokenizer.normalized(text) == text.lower()


def test_a_long_run_of_marks_takes_no_longer() -> None:
    tokenizer = train_tokenizer([], TextConfig(units="char", lowercase=True))
    text = "Α" + "'" * 20_000 + "Σ" + "ʰ" * 20_000 + "Σ'" * 20_000
    assert tokenizer.normalized(text) == text.lower()


def test_an_older_folder_knows_no_final_sigma() -> None:
    older = TextConfig(units="char", lowercase=True, final_sigma=False)
    assert train_tokenizer(["ΟΔΟΣ"], older).normalized("ΟΔΟΣ") == "οδοσ"


def test_items_of_each_kind() -> None:
    text = "A dog, (a dog)!"
    assert train_tokenizer([text], CONFIGS["char"]).tokens("A dog") == ["A", "▁", "d", "o", "g"]
    word = train_tokenizer([text], CONFIGS["word"])
    assert word.tokens(text) == ["▁A", "▁dog", ",", "▁(", "a", "▁dog", ")", "!"]
    assert train_tokenizer([text], CONFIGS["space"]).tokens(text) == ["A", "dog,", "(a", "dog)!"]
    assert train_tokenizer([text], CONFIGS["byte"]).tokens("é a") == ["<0xC3>", "<0xA9>", "▁", "a"]


def test_words_are_cut_in_every_script() -> None:
    text = "Größe, naïve co\u0308op 東京 हिन्दी ครับ 한국어-русский"
    tokenizer = train_tokenizer([text], TextConfig(units="word", normalize="none"))
    names = ["▁Größe", ",", "▁naïve", "▁cöop", "▁東京", "▁हिन्दी", "▁ครับ", "▁한국어", "-", "русский"]
    assert tokenizer.tokens(text) == names


def test_space_joins_items_by_one_blank() -> None:
    tokenizer = train_tokenizer(["AA B  ER\tG "], CONFIGS["space"])
    assert tokenizer.normalized(" AA  B\tER ") == "AA B ER"
    assert tokenizer.decode(tokenizer.encode(" AA  B\tER ")) == "AA B ER"


@each_kind("char", "word", "space", "bpe", "unigram")
def test_unknown_items(config: TextConfig) -> None:
    tokenizer = train_tokenizer(["a b", "a b"], with_options(config, max_size=None))
    ids = tokenizer.encode("a ☃")
    assert ids[-1] == UNK
    assert tokenizer.decode(ids) == "a \ufffd"
    assert tokenizer.tokens("a ☃")[-1] == "☃"
    assert tokenizer.names(ids)[-1] == "<unk>"


@each_kind("char", "word", "space")
def test_counted_vocabulary_is_the_most_frequent_items(config: TextConfig) -> None:
    lines = ["b a c", "b a d", "e b"]
    tokenizer = train_tokenizer(lines, with_options(config, max_size=7))
    assert tokenizer.size == 7
    names = tokenizer.names(range(4, 7))
    expected = {"char": ["▁", "b", "a"], "word": ["▁b", "▁a", "▁c"], "space": ["b", "a", "c"]}
    assert names == expected[str(config.units)]


@each_kind("char", "word", "space")
def test_min_frequency_of_counted_items(config: TextConfig) -> None:
    tokenizer = train_tokenizer(["b a c", "b a d"], with_options(config, min_frequency=2))
    assert {name.strip("▁") for name in tokenizer.names(range(4, tokenizer.size))} - {""} == {"a", "b"}


@each_kind("bpe", "unigram")
def test_limits_of_subwords(config: TextConfig) -> None:
    lines = ["abab abab xyz", "abab ab z"] * 3 + ["q"]
    characters = Counter("".join(f" {line}" for line in lines))
    small = train_tokenizer(lines, with_options(config, max_size=7))
    assert small.size == 7
    assert set(small.names(range(4, 7))) == {name.replace(" ", "▁") for name, _ in characters.most_common(3)}
    rare = train_tokenizer(lines, with_options(config, min_frequency=2))
    assert UNK in rare.encode("q")
    assert UNK not in rare.encode("xyz ab")
    assert rare.size <= 60


@each_kind("bpe", "unigram")
def test_frequent_words_become_one_subword(config: TextConfig) -> None:
    tokenizer = train_tokenizer(["the cat the dog the cow"] * 50, config)
    assert tokenizer.tokens("the") == ["▁the"]
    assert tokenizer.tokens("the the, dog") == ["▁the", "▁the", ",", "▁dog"]


def test_too_small_for_bytes() -> None:
    with pytest.raises(ConfigError, match=r"max_size must be at least 260 for units byte .* but it is 100: raise it"):
        train_tokenizer([], TextConfig(units="byte", max_size=100))


def test_unset_units_are_refused() -> None:
    with pytest.raises(ConfigError, match="units must be char, word, space, subword, byte or label"):
        train_tokenizer([], TextConfig())


@each_kind()
def test_lone_surrogates_are_refused(config: TextConfig) -> None:
    tokenizer = train_tokenizer(SENTENCES, with_options(config, max_size=None))
    message = r"text must be valid Unicode, but character 2 is U\+D800, half of a surrogate pair: remove or repair it"
    for use in (tokenizer.encode, tokenizer.tokens, tokenizer.normalized):
        with pytest.raises(DataError, match=message):
            use("a\ud800")
    with pytest.raises(DataError, match=message):
        tokenizer.encode_batch(["a", "a\ud800"])
    if config.units != "byte":
        with pytest.raises(DataError, match=message):
            train_tokenizer(["a", "a\ud800"], config)


@each_kind()
def test_texts_are_read_once_as_a_stream(config: TextConfig) -> None:
    chosen = with_options(config, max_size=None)
    assert train_tokenizer(iter(SENTENCES), chosen).to_json() == train_tokenizer(SENTENCES, chosen).to_json()


_PROGRAM = """
import sys
from seqweave.config import TextConfig
from seqweave.text.tokenizers import train_tokenizer
lines = [" ".join(f"w{(i * j) % 37}x{i % 11}y{j % 5}" for j in range(9)) for i in range(200)]
for options in ({"units": "char"}, {"units": "word"}, {"units": "space"}, {"units": "subword", "max_size": 150},
                {"units": "subword", "max_size": 150, "subword_model": "unigram"}):
    sys.stdout.write(train_tokenizer(lines, TextConfig(**options)).to_json())
"""


@pytest.mark.slow
def test_training_is_the_same_in_every_process() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 10_000


def test_coverage_counts_unknown_items() -> None:
    tokenizer = train_tokenizer(["a b"], CONFIGS["space"])
    assert coverage(tokenizer, iter(["a b c d", "", "a"])) == Coverage(tokens=5, unknown=2)
    assert Coverage(5, 2).rate == pytest.approx(0.4)
    assert coverage(tokenizer, []).rate == 0.0


@pytest.mark.parametrize("text", [None, 3, b"abc"])
def test_what_is_no_text_is_refused(text: object) -> None:
    tokenizer = train_tokenizer(["abc"], TextConfig(units="char"))
    with pytest.raises(DataError, match=f"a text must be a str, but it is of type {type(text).__name__}"):
        tokenizer.encode_batch(["a", text])  # type: ignore[list-item]
