"""95% intervals: Wilson's for shares, none where a bootstrap has nothing to say, and cautions."""

from __future__ import annotations

import math

import pytest

from seqweave.config import TextConfig
from seqweave.evaluation.intervals import wilson
from seqweave.evaluation.metrics import Metrics, evaluate_outputs, metrics_from_json
from seqweave.evaluation.report import metrics_markdown, metrics_table
from seqweave.text.tokenizers import train_tokenizer

TOKENIZER = train_tokenizer(["a b c d e f"], TextConfig(units="space"))
LABELS = train_tokenizer(["yes", "no"], TextConfig(units="label"))


def evaluated(right: int, wrong: int) -> Metrics:
    """So many sources right and wrong, of four words each."""
    targets = ["a b c d"] * (right + wrong)
    outputs = ["a b c d"] * right + ["a b c e"] * wrong
    return evaluate_outputs([f"s{place}" for place in range(right + wrong)], outputs, targets, TOKENIZER)


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [(81, 263, 25.53, 36.62), (15, 148, 6.24, 16.05), (0, 20, 0.0, 16.11), (1, 29, 0.61, 17.18)],
)
def test_wilson_is_that_of_newcombe(right: int, total: int, low: float, high: float) -> None:
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3."""
    assert wilson(right, total) == pytest.approx((low, high), abs=0.005)


def slow_wilson(right: int, total: int) -> tuple[float, float]:
    """The shares p at which the observed one is just 1.96 standard errors of p away, by bisection."""
    observed = right / total

    def too_far(p: float) -> bool:
        return abs(observed - p) > 1.959963984540054 * math.sqrt(p * (1 - p) / total)

    limits = []
    for edge in (0.0, 1.0):
        outside, inside = edge, observed
        for _ in range(60):
            middle = (outside + inside) / 2
            outside, inside = (middle, inside) if too_far(middle) else (outside, middle)
        limits.append(100 * inside)
    return limits[0], limits[1]


@pytest.mark.parametrize("total", [1, 2, 3, 10, 57])
def test_wilson_is_that_of_the_slow_twin(total: int) -> None:
    for right in range(total + 1):
        low, high = wilson(right, total)
        assert (low, high) == pytest.approx(slow_wilson(right, total), abs=1e-9)
        assert 0 <= low < high <= 100
        assert low <= 100 * right / total <= high


@pytest.mark.parametrize(("right", "wrong"), [(10, 0), (0, 10), (7, 3), (1, 0), (0, 1)])
def test_the_interval_of_exact_match_is_wilsons(right: int, wrong: int) -> None:
    assert evaluated(right, wrong).intervals["exact_match"] == wilson(right, right + wrong)


def test_so_is_that_of_accuracy() -> None:
    sources, targets = [str(place) for place in range(30)], ["yes"] * 30
    found = evaluate_outputs(sources, ["yes"] * 30, targets, LABELS)
    assert found.intervals["accuracy"] == found.intervals["exact_match"] == wilson(30, 30)
    assert wilson(30, 30)[0] < 90


def test_a_bootstrap_without_spread_gives_no_interval() -> None:
    for found in (evaluated(25, 0), evaluated(0, 25)):
        assert set(found.intervals) == {"exact_match"}
        assert found.cautions == ("no spread",)
        for text in (metrics_table(found), metrics_markdown(found)):
            assert "TER: no interval, because every resample of these sources gives the same figure" in text
            assert "token error rate, CER" in text
            assert "100.00 to 100.00" not in text
    mixed = evaluated(20, 5)
    assert mixed.cautions == ()
    assert set(mixed.intervals) >= {"exact_match", "cer", "wer", "bleu", "chrf", "ter"}
    for low, high in mixed.intervals.values():
        assert low < high


def test_few_sources_call_for_caution() -> None:
    assert evaluated(13, 6).cautions == ("few sources",)
    assert evaluated(14, 6).cautions == ()
    assert "19 distinct sources are too few for intervals to be relied on: evaluate on 20" in metrics_table(
        evaluated(13, 6)
    )
    assert "caution: 1 distinct source is too few" in metrics_table(evaluated(1, 0))
    # Rows are not sources: twenty references of two sources are two.
    rows = [("s", "a b c d"), ("t", "a b c e")] * 10
    found = evaluate_outputs([row[0] for row in rows], ["a b c d"] * 20, [row[1] for row in rows], TOKENIZER)
    assert found.cautions == ("few sources",)


@pytest.mark.parametrize("perplexity", [math.inf, math.nan])
def test_a_perplexity_that_is_not_finite_is_said(perplexity: float) -> None:
    found = evaluated(14, 6).with_perplexity(perplexity, 2.0)
    assert found.cautions == ("perplexity not finite",)
    assert "caution: the perplexity is not finite" in metrics_table(found)
    again = metrics_from_json(found.to_json(), "metrics.json")
    assert again.cautions == found.cautions
    assert again.perplexity == math.inf  # JSON has neither


def test_without_samples_there_are_no_intervals_and_no_word_about_them() -> None:
    found = evaluate_outputs(["s"], ["a b c d"], ["a b c d"], TOKENIZER, samples=0)
    assert found.intervals == {}
    assert found.cautions == ("few sources",)
