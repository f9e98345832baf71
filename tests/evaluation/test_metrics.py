"""Metrics: hand-computed examples, agreement with sacrebleu and jiwer, invariances, intervals."""

from __future__ import annotations

import itertools
import json
import math
import random

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu import corpus_bleu, corpus_chrf, corpus_ter

from seqweave.config import TextConfig
from seqweave.errors import ConfigError, DataError
from seqweave.evaluation.metrics import (
    evaluate_outputs,
    higher_is_better,
    metrics_from_json,
    perplexity,
    quick_metric,
)
from seqweave.evaluation.report import metrics_table
from seqweave.evaluation.statistics import METRICS, bootstrap_scores, collect_statistics, group_examples
from seqweave.text.tokenizers import Tokenizer, train_tokenizer

LETTERS = ["a", "b", "c", "d", "e", "f", "g", "h"]


def spaced() -> Tokenizer:
    return train_tokenizer([" ".join(LETTERS)], TextConfig(units="space"))


def lowered() -> Tokenizer:
    return train_tokenizer(["the cat sat on the mat ."], TextConfig(units="char", lowercase=True))


TOKENIZER = spaced()
TEXTS = st.lists(st.sampled_from(LETTERS), min_size=1, max_size=6).map(" ".join)
OUTPUTS = st.lists(st.sampled_from(LETTERS), max_size=6).map(" ".join)
ROWS = st.lists(st.tuples(st.sampled_from("uvwxyz"), OUTPUTS, TEXTS), min_size=1, max_size=8)


def corpus(size: int = 60, seed: int = 3) -> tuple[list[str], list[str], list[str]]:
    """Sources, noisy outputs and targets with one reference a source."""
    generator = random.Random(seed)
    targets = [" ".join(generator.choices(LETTERS, k=generator.randint(1, 9))) for _ in range(size)]
    outputs = [" ".join(x for x in target.split() if generator.random() < 0.85) for target in targets]
    return [f"s{i:03d}" for i in range(size)], outputs, targets


def test_error_rates_by_hand() -> None:
    # "a b c d" -> "a x d": one substitution and one deletion of 4; "e f" -> "e f": none of 2.
    metrics = evaluate_outputs(["1", "2"], ["a g d", "e f"], ["a b c d", "e f"], TOKENIZER, samples=0)
    assert metrics.exact_match == 50
    assert metrics.token_error_rate == pytest.approx(100 * 2 / 6)
    assert metrics.wer == pytest.approx(100 * 2 / 6)
    # characters: "a b c d" (7) and "a g d" (5) are 3 apart; "e f" has 3.
    assert metrics.cer == pytest.approx(100 * 3 / 10)
    assert metrics.ter == pytest.approx(100 * 2 / 6)
    assert metrics.intervals == {}


def test_bleu_by_hand() -> None:
    # unigrams 4/5, bigrams 2/4, trigrams 1/3, four-grams 0/2 smoothed to 1/(2*2); equal lengths.
    score = quick_metric("bleu", ["1"], ["a b c g e"], ["a b c d e"], TOKENIZER)
    assert score == pytest.approx(100 * (4 / 5 * 2 / 4 * 1 / 3 * 1 / 4) ** 0.25)


def test_chrf_by_hand() -> None:
    # "ab" for "abc": characters 2/2 and 2/3, bigrams 1/1 and 1/2; orders without n-grams do not count; beta 2.
    tokenizer = train_tokenizer(["abc"], TextConfig(units="char"))
    precision, recall = 1.0, (2 / 3 + 1 / 2) / 2
    expected = 100 * 5 * precision * recall / (4 * precision + recall)
    assert quick_metric("chrf", ["1"], ["ab"], ["abc"], tokenizer) == pytest.approx(expected)


def test_token_error_rate_counts_the_units_of_the_tokenizer() -> None:
    characters = train_tokenizer(["abcd"], TextConfig(units="char"))
    assert quick_metric("token_error_rate", ["1"], ["abcc"], ["abcd"], characters) == 25
    assert quick_metric("wer", ["1"], ["abcc"], ["abcd"], characters) == 100


def test_unknown_items_are_not_all_alike() -> None:
    assert quick_metric("token_error_rate", ["1"], ["a q"], ["a r"], TOKENIZER) == 50


def test_the_best_reference_counts() -> None:
    sources, outputs = ["w", "w"], ["a b", "a b"]
    for targets in (["c d e", "a b"], ["a b", "c d e"]):
        metrics = evaluate_outputs(sources, outputs, targets, TOKENIZER, samples=0)
        assert (metrics.pairs, metrics.sources) == (2, 1)
        assert (metrics.exact_match, metrics.token_error_rate, metrics.cer, metrics.wer) == (100, 0, 0, 0)
    # Best is the smallest distance / length, not the smallest distance: 1/1 loses against 2/6.
    rate = quick_metric("token_error_rate", sources, ["a b c d"] * 2, ["a b c d e f", "a"], TOKENIZER)
    assert rate == pytest.approx(100 * 2 / 6)


def test_targets_are_compared_as_the_tokenizer_normalises_them() -> None:
    metrics = evaluate_outputs(["1"], ["the cat"], ["The CAT"], lowered(), samples=0)
    assert metrics.exact_match == 100
    assert metrics.cer == 0


def test_lists_agree_with_sacrebleu_and_jiwer() -> None:
    sources, outputs, targets = corpus()
    metrics = evaluate_outputs(sources, outputs, targets, TOKENIZER, samples=0)
    assert metrics.bleu == pytest.approx(corpus_bleu(outputs, [targets]).score)
    assert metrics.chrf == pytest.approx(corpus_chrf(outputs, [targets]).score)
    assert metrics.ter == pytest.approx(corpus_ter(outputs, [targets]).score)
    assert metrics.wer == pytest.approx(100 * jiwer.wer(targets, outputs))
    assert metrics.cer == pytest.approx(100 * jiwer.cer(targets, outputs))
    assert "tok:13a" in metrics.signatures["bleu"]
    assert "nrefs:1" in metrics.signatures["bleu"]


def test_varying_numbers_of_references_agree_with_sacrebleu() -> None:
    sources, outputs, targets = corpus(30)
    second = [target + " h" if i % 3 else None for i, target in enumerate(targets)]
    rows = [(s, o, t) for s, o, t in zip(sources, outputs, targets, strict=True)]
    rows += [(s, o, t) for s, o, t in zip(sources, outputs, second, strict=True) if t is not None]
    columns = [[row[i] for row in rows] for i in range(3)]
    metrics = evaluate_outputs(columns[0], columns[1], columns[2], TOKENIZER, samples=0)
    streams: list[list[str | None]] = [list(targets), second]
    assert metrics.bleu == pytest.approx(corpus_bleu(outputs, streams).score)  # type: ignore[arg-type]
    assert metrics.chrf == pytest.approx(corpus_chrf(outputs, streams).score)  # type: ignore[arg-type]
    assert metrics.ter == pytest.approx(corpus_ter(outputs, streams).score)  # type: ignore[arg-type]
    assert "nrefs:var" in metrics.signatures["bleu"]
    assert (metrics.pairs, metrics.sources) == (50, 30)


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 99))
def test_order_of_rows_changes_nothing(rows: list[tuple[str, str, str]], seed: int) -> None:
    output = {source: text for source, text, _ in rows}
    rows = [(source, output[source], target) for source, _, target in rows]
    shuffled = random.Random(seed).sample(rows, len(rows))
    found = [
        evaluate_outputs([r[0] for r in some], [r[1] for r in some], [r[2] for r in some], TOKENIZER, samples=10)
        for some in (rows, shuffled)
    ]
    assert found[0] == found[1]


@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_repeating_an_output_word_for_word_is_perfect(rows: list[tuple[str, str, str]]) -> None:
    first = {source: target for source, _, target in reversed(rows)}
    sources = [row[0] for row in rows]
    outputs = [first[source] for source in sources]
    metrics = evaluate_outputs(sources, outputs, [row[2] for row in rows], TOKENIZER, samples=0)
    assert metrics.exact_match == 100
    assert (metrics.token_error_rate, metrics.cer, metrics.wer, metrics.ter) == (0, 0, 0, 0)
    assert metrics.chrf == pytest.approx(100)


@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_quick_metric_is_the_same_figure(rows: list[tuple[str, str, str]]) -> None:
    columns = [[row[i] for row in rows] for i in range(3)]
    metrics = evaluate_outputs(columns[0], columns[1], columns[2], TOKENIZER, samples=0)
    for name in METRICS:
        expected = 0 if name in metrics.left_out else getattr(metrics, name)
        assert quick_metric(name, columns[0], columns[1], columns[2], TOKENIZER) == expected
    longest = max(len(row[2].split()) for row in rows)
    assert (metrics.bleu is None) <= (longest < 4 or len({row[0] for row in rows}) < len(rows))
    assert (metrics.bleu is None) >= (longest < 4)


@pytest.mark.parametrize("output", ["", " ", "a"])
@pytest.mark.parametrize("target", ["a", ""])
def test_empty_texts_and_one_sentence(output: str, target: str) -> None:
    metrics = evaluate_outputs(["1"], [output], [target], TOKENIZER, samples=5)
    right = output.strip() == target
    assert metrics.token_error_rate == metrics.wer == metrics.cer == metrics.ter == (0 if right else 100)
    assert metrics.by_length[0].count == 1


def test_intervals_are_repeatable_and_cover() -> None:
    sources, outputs, targets = corpus(200)
    first, again, other = (evaluate_outputs(sources, outputs, targets, TOKENIZER, seed=seed) for seed in (1, 1, 2))
    assert first.intervals == again.intervals
    assert first.intervals != other.intervals
    for name in METRICS:
        low, high = first.intervals[name]
        assert low < getattr(first, name) < high
    # The normal approximation of a share's interval: 1.96 * sqrt(p * (1 - p) / n).
    share = first.exact_match / 100
    half = 196 * math.sqrt(share * (1 - share) / 200)
    low, high = first.intervals["exact_match"]
    assert (high - low) / 2 == pytest.approx(half, rel=0.2)


def test_a_resample_is_scored_as_its_sentences_are() -> None:
    sources, outputs, targets = corpus(20)
    examples = group_examples(sources, outputs, targets, TOKENIZER)
    statistics = collect_statistics(examples, TOKENIZER)
    drawn = np.random.default_rng(7).integers(0, 20, size=(3, 20))
    scores = bootstrap_scores(list(statistics.values()), 3, 7, chunk=3)
    for row, draw in zip(scores, drawn, strict=True):
        resampled = [outputs[i] for i in draw], [targets[i] for i in draw]
        names = [f"{i:02d}" for i in range(20)]
        expected = evaluate_outputs(names, *resampled, TOKENIZER, samples=0)
        assert row == pytest.approx([getattr(expected, name) for name in METRICS])


def test_table_by_length() -> None:
    sources, outputs, targets = corpus(100)
    lengths = [len(target.split()) for target in targets]
    metrics = evaluate_outputs(sources, outputs, targets, TOKENIZER, source_lengths=lengths, samples=0)
    buckets = metrics.by_length
    assert len(buckets) == 5
    assert sum(bucket.count for bucket in buckets) == 100
    assert all(low.max_length < high.min_length for low, high in itertools.pairwise(buckets))
    inside = [i for i, length in enumerate(lengths) if length <= buckets[0].max_length]
    shortest = [[column[i] for i in inside] for column in (sources, outputs, targets)]
    part = evaluate_outputs(shortest[0], shortest[1], shortest[2], TOKENIZER, samples=0)
    assert buckets[0].count == len(inside)
    assert (buckets[0].exact_match, buckets[0].bleu) == (part.exact_match, part.bleu)
    assert buckets[0].token_error_rate == pytest.approx(part.token_error_rate)


def test_sources_of_one_length_are_one_bucket() -> None:
    sources, outputs, targets = corpus(30)
    assert len(evaluate_outputs(sources, outputs, targets, TOKENIZER, samples=0).by_length) == 1


def test_json_round_trip() -> None:
    sources, outputs, targets = corpus(20)
    metrics = evaluate_outputs(sources, outputs, targets, TOKENIZER, samples=10).with_perplexity(1.5, 2.5)
    values = json.loads(json.dumps(metrics.to_json(), allow_nan=False))
    assert set(values) >= {"pairs", *METRICS, "perplexity", "free_running_perplexity", "signatures", "intervals"}
    assert len(values["intervals"]["bleu"]) == 2
    assert metrics_from_json(values, "metrics.json") == metrics
    assert metrics.with_perplexity(math.inf).to_json()["perplexity"] is None
    read = metrics_from_json(metrics.with_perplexity(math.inf, math.inf).to_json(), "metrics.json")
    assert (read.perplexity, read.free_running_perplexity) == (math.inf, math.inf)
    row = next(line for line in metrics_table(metrics.with_perplexity(7.2e200)).split("\n") if "perplexity" in line)
    assert row.split()[-1] == "7.2e+200"
    del values["bleu"]
    with pytest.raises(DataError, match=r"metrics\.json must hold metrics .*bleu"):
        metrics_from_json(values, "metrics.json")


def test_direction_of_metrics() -> None:
    assert [name for name in (*METRICS, "loss", "perplexity") if higher_is_better(name)] == [
        "exact_match",
        "bleu",
        "chrf",
    ]


def test_perplexity() -> None:
    assert perplexity(-10 * math.log(7), 10) == pytest.approx(7)
    assert perplexity(-1e9, 1) == math.inf
    with pytest.raises(DataError, match="at least one target token, but there are 0"):
        perplexity(0.0, 0)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(DataError, match="at least one pair to evaluate"):
        evaluate_outputs([], [], [], TOKENIZER)
    with pytest.raises(DataError, match="there are 2 sources, 1 outputs, 2 targets"):
        evaluate_outputs(["1", "2"], ["a"], ["a", "b"], TOKENIZER)
    with pytest.raises(DataError, match="3 source lengths"):
        evaluate_outputs(["1"], ["a"], ["a"], TOKENIZER, source_lengths=[1, 2, 3])
    with pytest.raises(ConfigError, match=r"a metric must be one of .*, but it is 'loss'"):
        quick_metric("loss", ["1"], ["a"], ["a"], TOKENIZER)
