"""Metrics fit the script: targets without blanks between words are never measured by words."""

from __future__ import annotations

import json

import pytest
from sacrebleu import corpus_bleu

from seqweave.config import Config, MetricUnits, TextConfig, Units, build_config, config_from_json, config_to_tree
from seqweave.errors import ConfigError, DataError
from seqweave.evaluation.measures import (
    BY_WORDS,
    Measures,
    decided_settings,
    measures_of,
    measures_of_both,
    measures_text,
)
from seqweave.evaluation.metrics import evaluate_outputs, metrics_from_json, quick_metric
from seqweave.evaluation.report import metrics_markdown, metrics_table
from seqweave.evaluation.rouge import characters_of, distinct_ngrams
from seqweave.evaluation.significance import compare_outputs
from seqweave.text.tokenizers import Tokenizer, train_tokenizer
from seqweave.text.writing import WritingCounter

CHINESE = ["请给我第二百四十二号的东西，谢谢。", "请给我第三百号的东西，谢谢。", "我今天在图书馆看书。"]
JAPANESE = ["私は昨日、図書館で本を読みました。", "ありがとうございます。", "猫がいます。"]
THAI = ["ฉันชอบกินข้าวผัดมาก", "พรุ่งนี้เราจะไปทะเลกัน", "แมวอยู่ที่นี่"]
KHMER = ["ខ្ញុំចូលចិត្តញ៉ាំបាយ", "ថ្ងៃស្អែកយើងនឹងទៅផ្សារ"]
LAO = ["ຂ້ອຍມັກກິນເຂົ້າຫຼາຍ", "ມື້ອື່ນພວກເຮົາຈະໄປຕະຫຼາດ"]
BURMESE = ["ကျွန်တော်ထမင်းစားချင်တယ်", "မနက်ဖြန်ဈေးကိုသွားမယ်။"]
ENGLISH = ["please give me number two", "i read a book in the library", "thank you very much"]
KOREAN = ["나는 어제 도서관에서 책을 읽었다.", "고양이가 여기 앉아 있다."]


def decided(texts: list[str], **settings: object) -> Measures:
    """How a model of such training targets is measured."""
    counter = WritingCounter()
    for text in texts:
        counter.add(text)
    config = build_config(settings)
    return measures_of(build_config(decided_settings(config, counter.found()), config))


def tokenizer_of(texts: list[str], units: Units = "subword") -> Tokenizer:
    return train_tokenizer(texts, TextConfig(units=units))


def numbered(texts: list[str]) -> list[str]:
    return [f"s{place}" for place in range(len(texts))]


@pytest.mark.parametrize(
    ("texts", "cut", "units"),
    [
        (CHINESE, "zh", "characters"),
        (JAPANESE, "char", "characters"),
        (THAI, "char", "characters"),
        (KHMER, "char", "characters"),
        (LAO, "char", "characters"),
        (BURMESE, "char", "characters"),
        (ENGLISH, "13a", "words"),
        (KOREAN, "13a", "words"),
        ([], "13a", "words"),
    ],
)
def test_the_script_of_the_training_targets_decides(texts: list[str], cut: str, units: MetricUnits) -> None:
    assert decided(texts) == Measures(cut, units)  # type: ignore[arg-type]


def test_settings_go_before_the_script() -> None:
    assert decided(CHINESE, **{"training.bleu_tokenize": "none"}) == Measures("none", "characters")
    assert decided(CHINESE, **{"training.metric_units": "words"}) == Measures("zh", "words")
    assert decided(ENGLISH, **{"training.bleu_tokenize": "intl"}) == Measures("intl", "words")


@pytest.mark.parametrize("texts", [CHINESE, JAPANESE, THAI, KHMER, LAO, BURMESE, ENGLISH, KOREAN])
def test_right_outputs_are_perfect_in_every_metric(texts: list[str]) -> None:
    found = evaluate_outputs(numbered(texts), texts, texts, tokenizer_of(texts), samples=0, measures=decided(texts))
    assert found.bleu == pytest.approx(100)
    assert found.chrf == pytest.approx(100)
    assert (found.exact_match, found.cer, found.token_error_rate) == (100, 0, 0)
    assert (found.rouge_1, found.rouge_2, found.rouge_l) == (100, 100, 100)
    assert found.wer in (0, None)
    assert found.ter in (0, None)


@pytest.mark.parametrize(("texts", "cut"), [(CHINESE, "zh"), (JAPANESE, "char"), (THAI, "char"), (KHMER, "char")])
def test_bleu_is_sacrebleus_own(texts: list[str], cut: str) -> None:
    outputs = [text[:-3] + text[-1] for text in texts]
    found = evaluate_outputs(numbered(texts), outputs, texts, tokenizer_of(texts), samples=0, measures=decided(texts))
    assert found.bleu == pytest.approx(corpus_bleu(outputs, [texts], tokenize=cut).score)
    assert f"tok:{cut}|" in found.signatures["bleu"]
    assert 0 < (found.bleu or 0) < 100


def test_bleu_of_characters_by_hand() -> None:
    # 我 爱 小 鸟 鱼 for 我 爱 小 猫 鱼: 4/5 characters, 2/4 pairs, 1/3 triples, 0/2 fours smoothed to 1/(2*2).
    score = quick_metric(
        "bleu", ["s"], ["我爱小鸟鱼"], ["我爱小猫鱼"], tokenizer_of(CHINESE), Measures("zh", "characters")
    )
    assert score == pytest.approx(100 * (4 / 5 * 2 / 4 * 1 / 3 * 1 / 4) ** 0.25)


def test_wer_and_ter_are_left_out_with_the_reason() -> None:
    found = evaluate_outputs(
        numbered(CHINESE), CHINESE, CHINESE, tokenizer_of(CHINESE), samples=5, measures=decided(CHINESE)
    )
    assert found.wer is found.ter is None
    assert found.left_out == dict.fromkeys(("wer", "ter"), "no blanks between words")
    values = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (values["wer"], values["ter"]) == (None, None)
    assert metrics_from_json(values, "metrics.json") == found
    assert "wer" not in found.intervals
    for text in (metrics_table(found), metrics_markdown(found)):
        assert "left out: WER and TER, because these targets have no blanks between words" in text
        assert "WER  " not in text
        assert "TER:" not in text
    with pytest.raises(
        ConfigError, match="wer counts words between blanks, but these targets are measured by characters"
    ):
        quick_metric("wer", ["s"], ["猫"], ["猫"], tokenizer_of(CHINESE), decided(CHINESE))


def test_rouge_counts_characters() -> None:
    assert characters_of("我用iPhone 13打电话。") == ["我", "用", "iphone", "13", "打", "电", "话"]
    assert characters_of("ที่นี่") == ["ที่", "นี่"]  # a letter with its vowel and its tone
    assert characters_of("Naïve cafe\u0301") == ["naïve", "cafe\u0301"]
    # 我 爱 猫 for 我 爱 小 猫: all 3 of 4; the pair 我 爱 is one of 2 and of 3.
    found = evaluate_outputs(
        ["s"], ["我爱猫"], ["我爱小猫"], tokenizer_of(CHINESE), samples=0, measures=Measures("zh", "characters")
    )
    assert found.rouge_1 == found.rouge_l == pytest.approx(100 * 2 * 3 / 7)
    assert found.rouge_2 == pytest.approx(100 * 2 * 1 / 5)
    assert "characters" in found.signatures["rouge_1"]


def test_distinct_counts_characters() -> None:
    # 好 , 好 吃 is four items, three of them distinct; the pairs all differ.
    assert distinct_ngrams(["好，好吃"], 1, by_characters=True) == pytest.approx(75)
    assert distinct_ngrams(["好，好吃"], 2, by_characters=True) == pytest.approx(100)
    assert distinct_ngrams(["好好", "好好"], 1) == pytest.approx(50)  # by words each text is one


def test_bleu_of_short_texts_is_left_out_instead_of_0() -> None:
    names = ["北京", "上海", "东京市"]
    found = evaluate_outputs(numbered(names), names, names, tokenizer_of(names), samples=9, measures=decided(names))
    assert corpus_bleu(names, [names], tokenize="zh").score == 0
    assert found.bleu is None
    assert found.left_out["bleu"] == "no reference of 4 tokens"
    assert found.by_length[0].bleu is None
    assert "left out: BLEU, because every reference is shorter than the runs of 4 tokens" in metrics_table(found)
    assert metrics_from_json(found.to_json(), "metrics.json") == found
    # One that is long enough makes it a figure, whatever the outputs are.
    longer = [*names, "乌鲁木齐"]
    whole = evaluate_outputs(
        numbered(longer), longer, longer, tokenizer_of(longer), samples=0, measures=decided(longer)
    )
    assert whole.bleu == pytest.approx(100)
    assert [bucket.bleu for bucket in whole.by_length] == [pytest.approx(100)]
    wrong = evaluate_outputs(
        numbered(longer), names[:1] * 4, longer, tokenizer_of(longer), samples=0, measures=decided(longer)
    )
    assert "bleu" not in wrong.left_out


def test_two_test_files_have_one_signature() -> None:
    """What a test file holds never changes how a model is measured."""
    measures, tokenizer = decided(CHINESE), tokenizer_of(CHINESE)
    found = [
        evaluate_outputs(numbered(texts), texts, texts, tokenizer, samples=0, measures=measures).signatures
        for texts in (CHINESE, ENGLISH, KOREAN)
    ]
    assert found[0] == found[1] == found[2]


def test_a_tokenizer_can_be_chosen() -> None:
    config = build_config({"training.bleu_tokenize": "zh", "training.metric_units": "characters"})
    assert measures_of(config, "char") == Measures("char", "characters")
    assert measures_of(config) == Measures("zh", "characters")
    with pytest.raises(ConfigError, match=r"--bleu-tokenize must be one of 13a, intl, .*, but it is 'thai'"):
        measures_of(config, "thai")
    with pytest.raises(ConfigError, match=r"training\.bleu_tokenize.*'flores200'"):
        build_config({"training.bleu_tokenize": "flores200"})


@pytest.mark.parametrize(("name", "module", "extra"), [("ja-mecab", "MeCab", "ja"), ("ko-mecab", "mecab_ko", "ko")])
def test_a_tokenizer_without_its_library_is_refused(name: str, module: str, extra: str) -> None:
    try:
        __import__(module)
    except ImportError:
        with pytest.raises(
            ConfigError, match=rf'{name} needs a library .* pip install "sacrebleu\[{extra}\]", or choose'
        ):
            measures_of(Config(), name)
    else:
        assert measures_of(Config(), name).bleu_tokenize == name


def test_wer_cannot_choose_the_weights_of_targets_without_blanks() -> None:
    with pytest.raises(ConfigError, match=r"training\.metric=wer counts words between blanks, .* training\.metric=cer"):
        decided(CHINESE, **{"training.metric": "wer"})
    assert decided(ENGLISH, **{"training.metric": "wer"}) == BY_WORDS


def test_folders_from_before_keep_what_they_were_measured_with() -> None:
    tree = config_to_tree(Config())
    del tree["format"], tree["training"]["bleu_tokenize"], tree["training"]["metric_units"], tree["training"]["ties"]
    config = config_from_json(json.dumps(tree), "config.json")
    assert measures_of(config) == Measures("13a", "words", trims=False)
    assert measures_of(config, "zh") == Measures("zh", "words", trims=False)
    assert config.training.ties == "wait"


def test_words_where_there_are_none_call_for_caution() -> None:
    found = evaluate_outputs(numbered(CHINESE), CHINESE, CHINESE, tokenizer_of(CHINESE), samples=0)
    assert "measured by words" in found.cautions
    assert "--bleu-tokenize zh" in metrics_table(found)
    cut = Measures("zh", "words")
    again = evaluate_outputs(numbered(CHINESE), CHINESE, CHINESE, tokenizer_of(CHINESE), samples=0, measures=cut)
    assert "measured by words" not in again.cautions
    assert again.bleu == pytest.approx(100)


def test_two_models_are_measured_alike() -> None:
    by_words, chinese, japanese = BY_WORDS, Measures("zh", "characters"), Measures("char", "characters")
    assert measures_of_both(by_words, by_words) == by_words
    assert measures_of_both(chinese, japanese) == chinese
    assert measures_of_both(by_words, japanese) == japanese  # never by words where one was found to have none
    assert measures_text(chinese) == "characters, BLEU with the tokenizer zh"
    outputs = [text.replace("谢谢", "谢") for text in CHINESE]
    rows = compare_outputs(
        numbered(CHINESE), outputs, CHINESE, CHINESE, tokenizer_of(CHINESE), samples=20, measures=chinese
    )
    found = {row.metric: row for row in rows}
    assert "wer" not in found
    assert "ter" not in found
    assert found["bleu"].second == pytest.approx(100)
    assert "tok:zh" in found["bleu"].signature
    assert found["bleu"].to_json()["signature"] == found["bleu"].signature


def test_short_texts_are_compared_without_bleu() -> None:
    names = ["北京", "上海"]
    rows = compare_outputs(
        numbered(names), names, names, names, tokenizer_of(names), samples=5, measures=decided(names)
    )
    assert "bleu" not in {row.metric for row in rows}
    assert "chrf" in {row.metric for row in rows}


@pytest.mark.parametrize("end", [" ", "\u00a0", "\u200b", "\ufeff", "\u00ad", "\u3000"])
def test_what_is_invisible_at_the_ends_of_references_does_not_count(end: str) -> None:
    texts = ["猫在这里", "狗在那里"]
    tokenizer = tokenizer_of(texts, "char")
    found = evaluate_outputs(
        ["1", "2"], texts, [texts[0] + end, end + texts[1]], tokenizer, samples=0, measures=decided(texts)
    )
    assert (found.exact_match, found.cer, found.token_error_rate) == (100, 0, 0)
    outputs = [text + end for text in texts]
    assert evaluate_outputs(["1", "2"], outputs, texts, tokenizer, samples=0).exact_match == 100
    kept = Measures(trims=False)
    assert evaluate_outputs(["1", "2"], outputs, texts, tokenizer, samples=0, measures=kept).exact_match == 0


def test_decomposed_references_are_equal_to_composed_ones() -> None:
    texts = ["가나다 책", "cafe\u0301 déjà", "がぎぐ"]
    decomposed = [
        "\u1100\u1161\u1102\u1161\u1103\u1161 \u110e\u1162\u11a8",
        "cafe\u0301 de\u0301ja\u0300",
        "か\u3099き\u3099く\u3099",
    ]
    tokenizer = tokenizer_of(texts, "char")
    outputs = [tokenizer.normalized(text) for text in texts]
    found = evaluate_outputs(numbered(texts), outputs, decomposed, tokenizer, samples=0)
    assert (found.exact_match, found.cer, found.token_error_rate, found.wer) == (100, 0, 0, 0)
    assert found.chrf == pytest.approx(100)


def test_figures_of_another_hand_never_become_sentences() -> None:
    found = evaluate_outputs(numbered(ENGLISH), ENGLISH, ENGLISH, tokenizer_of(ENGLISH), samples=0).to_json()
    changes: list[dict[str, object]] = [
        {"left_out": {"wer": "\x1b[2J"}},
        {"cautions": ["\x1b[2J"]},
        {"cautions": 3},
        {"left_out": []},
    ]
    for changed in changes:
        with pytest.raises(DataError, match=r"metrics\.json must hold metrics written by seqweave"):
            metrics_from_json({**found, **changed}, "metrics.json")
