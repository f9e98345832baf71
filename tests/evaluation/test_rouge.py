"""ROUGE and distinct n-grams: hand-computed examples, a naive twin, agreement with rouge-score."""

from __future__ import annotations

import random
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from seqweave.config import TextConfig
from seqweave.evaluation.metrics import evaluate_outputs, metrics_from_json
from seqweave.evaluation.report import metrics_table
from seqweave.evaluation.rouge import distinct_ngrams, longest_common, rouge_l, rouge_n, words_of
from seqweave.evaluation.significance import compare_outputs
from seqweave.evaluation.statistics import METRICS, ROUGE_METRICS
from seqweave.text.tokenizers import Tokenizer, train_tokenizer

THEIRS = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}
PIECES = st.sampled_from(["the", "cat", "The", "mat.", "sat-on", "it's", "3", "n-gram", "...", "_x"])
TEXTS = st.lists(PIECES, max_size=12).map(" ".join)
WORDS = st.lists(st.sampled_from("abcd"), max_size=9)


def words(text: str = "the cat sat on the mat") -> Tokenizer:
    return train_tokenizer([text], TextConfig(units="word"))


def naive_common(ours: list[str], theirs: list[str]) -> int:
    """The recurrence as it is written in textbooks."""

    @cache
    def length(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return 0
        if ours[i - 1] == theirs[j - 1]:
            return length(i - 1, j - 1) + 1
        return max(length(i - 1, j), length(i, j - 1))

    return length(len(ours), len(theirs))


def test_by_hand() -> None:
    output, reference = words_of("The cat the cat sat!"), words_of("the cat sat on the mat")
    # Words in both: the twice, cat, sat: 4 of 5 and of 6. Pairs: the cat, cat sat: 2 of 4 and of 5.
    assert rouge_n(output, reference, 1) == pytest.approx(2 * (4 / 5) * (4 / 6) / (4 / 5 + 4 / 6))
    assert rouge_n(output, reference, 2) == pytest.approx(2 * (2 / 4) * (2 / 5) / (2 / 4 + 2 / 5))
    # Longest common subsequence: the cat sat.
    assert rouge_l(output, reference) == pytest.approx(2 * (3 / 5) * (3 / 6) / (3 / 5 + 3 / 6))
    assert rouge_n([], [], 1) == rouge_l([], ["a"]) == rouge_n(["a"], ["a"], 2) == 0


def test_words_of_every_script() -> None:
    assert words_of("Café, 나는 1_000번!") == ["café", "나는", "1", "000번"]
    marked = "हिन्दी में, cafe\u0301 ที่"
    assert words_of(marked) == ["हिन्दी", "में", "cafe\u0301", "ที่"]
    assert distinct_ngrams([marked, "ที่"], 1) == pytest.approx(100 * 5 / 6)


@settings(max_examples=200, deadline=None)
@given(ours=WORDS, theirs=WORDS)
def test_longest_common_subsequence_is_that_of_the_recurrence(ours: list[str], theirs: list[str]) -> None:
    assert longest_common(ours, theirs) == naive_common(ours, theirs)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(output=TEXTS, references=st.lists(TEXTS, min_size=1, max_size=3))
def test_agrees_with_rouge_score(output: str, references: list[str]) -> None:
    rows = len(references)
    found = evaluate_outputs(["s"] * rows, [output] * rows, references, words(), samples=0)
    tokenizer = words()
    expected = RougeScorer(list(THEIRS.values())).score_multi(
        [tokenizer.normalized(one) for one in references], tokenizer.normalized(output)
    )
    for name, other in THEIRS.items():
        assert getattr(found, name) == pytest.approx(100 * expected[other].fmeasure)


def test_the_mean_over_sources_agrees_with_rouge_score() -> None:
    generator = random.Random(5)
    targets = [" ".join(generator.choices(["the", "cat", "sat", "on", "a", "mat"], k=12)) for _ in range(30)]
    outputs = [" ".join(word for word in target.split() if generator.random() < 0.7) for target in targets]
    found = evaluate_outputs([str(place) for place in range(30)], outputs, targets, words(), samples=50)
    scorer = RougeScorer(list(THEIRS.values()))
    scores = [scorer.score(target, output) for target, output in zip(targets, outputs, strict=True)]
    for name, other in THEIRS.items():
        mean = sum(score[other].fmeasure for score in scores) / 30
        assert getattr(found, name) == pytest.approx(100 * mean)
        low, high = found.intervals[name]
        assert low < 100 * mean < high


def test_distinct_ngrams_by_hand() -> None:
    texts = ["좋아요. 좋아요.", "네"]
    # Items: 좋아요 . 좋아요 . 네: 3 of 5; pairs never cross texts: two of three differ.
    assert distinct_ngrams(texts, 1) == pytest.approx(60)
    assert distinct_ngrams(texts, 2) == pytest.approx(100 * 2 / 3)
    assert distinct_ngrams(["a"], 2) == distinct_ngrams([], 1) == 0


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(WORDS.map(" ".join), max_size=5))
def test_distinct_pairs_are_those_of_a_set(texts: list[str]) -> None:
    pairs = [pair for text in texts for pair in pairwise(text.split())]
    assert distinct_ngrams(texts, 2) == pytest.approx(100 * len(set(pairs)) / len(pairs) if pairs else 0)


def test_sentences_have_them_and_nothing_else() -> None:
    rows = ["1", "2"], ["the cat sat on", "the cat sat on"], ["the cat sat on", "a mat"]
    found = evaluate_outputs(*rows, words(), samples=5)
    assert (found.rouge_1, found.rouge_l, found.distinct_1, found.distinct_2) == (50, 50, 50, 50)
    assert found.intervals.keys() == {*METRICS, *ROUGE_METRICS}
    assert metrics_from_json(found.to_json(), "metrics.json") == found
    assert "ROUGE-L" in metrics_table(found)
    assert "distinct-2" in metrics_table(found)
    phones = train_tokenizer(["a b"], TextConfig(units="space"))
    other = evaluate_outputs(*rows, phones, samples=0)
    assert other.rouge_1 is other.distinct_1 is None
    assert "rouge_1" not in other.to_json()
    assert "ROUGE" not in metrics_table(other)


def test_two_systems_compare() -> None:
    found = compare_outputs(["1", "2"], ["cat", "mat"], ["the cat", "a mat"], ["the cat", "a mat"], words(), samples=9)
    assert {item.metric: item.difference > 0 for item in found}["rouge_1"]
