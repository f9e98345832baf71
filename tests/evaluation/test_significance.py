"""Paired bootstrap, and the tables of metrics and comparisons."""

from __future__ import annotations

import random

import pytest

from seqweave.config import TextConfig
from seqweave.errors import ConfigError, DataError
from seqweave.evaluation.metrics import evaluate_outputs
from seqweave.evaluation.report import comparison_markdown, comparison_table, metrics_markdown, metrics_table
from seqweave.evaluation.significance import compare_outputs
from seqweave.evaluation.statistics import METRICS
from seqweave.text.tokenizers import train_tokenizer

LETTERS = ["a", "b", "c", "d", "e", "f", "g", "h"]
TOKENIZER = train_tokenizer([" ".join(LETTERS)], TextConfig(units="space"))


def systems(good: float, bad: float, size: int = 120) -> tuple[list[str], list[str], list[str], list[str]]:
    generator = random.Random(5)
    targets = [" ".join(generator.choices(LETTERS, k=generator.randint(4, 9))) for _ in range(size)]
    outputs = [
        [" ".join(x for x in target.split() if generator.random() < share) for target in targets]
        for share in (good, bad)
    ]
    return [f"s{i}" for i in range(size)], outputs[0], outputs[1], targets


def test_equal_systems_do_not_differ() -> None:
    sources, first, _, targets = systems(0.9, 0.9)
    for item in compare_outputs(sources, first, first, targets, TOKENIZER, samples=50):
        assert (item.difference, item.low, item.high, item.p_value) == (0, 0, 0, 1)


def test_a_much_better_system_is_found_in_every_metric() -> None:
    sources, first, second, targets = systems(0.6, 0.97)
    found = compare_outputs(sources, first, second, targets, TOKENIZER, samples=200)
    assert [item.metric for item in found] == list(METRICS)
    alone = evaluate_outputs(sources, second, targets, TOKENIZER, samples=0)
    for item in found:
        assert item.second == getattr(alone, item.metric)
        assert item.low < item.difference < item.high
        assert item.p_value == pytest.approx(2 / 201)
    assert all(line.endswith("second") for line in comparison_table(found).split("\n")[1:])


def test_swapping_the_systems_turns_the_signs() -> None:
    sources, first, second, targets = systems(0.85, 0.9)
    there = compare_outputs(sources, first, second, targets, TOKENIZER, samples=100, seed=4)
    back = compare_outputs(sources, second, first, targets, TOKENIZER, samples=100, seed=4)
    for one, other in zip(there, back, strict=True):
        assert one.difference == -other.difference
        assert one.p_value == other.p_value
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_pairing_is_narrower_than_the_systems_alone() -> None:
    sources, first, _, targets = systems(0.7, 0.7)
    second = [text if i % 40 else target for i, (text, target) in enumerate(zip(first, targets, strict=True))]
    wer = {item.metric: item for item in compare_outputs(sources, first, second, targets, TOKENIZER)}["wer"]
    low, high = evaluate_outputs(sources, first, targets, TOKENIZER).intervals["wer"]
    assert wer.high - wer.low < (high - low) / 2


def test_the_seed_decides() -> None:
    sources, first, second, targets = systems(0.85, 0.9)
    one, same, other = (
        compare_outputs(sources, first, second, targets, TOKENIZER, samples=50, seed=s) for s in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ConfigError, match="samples of the paired bootstrap must be 1 or more, but it is 0"):
        compare_outputs(["1"], ["a"], ["a"], ["a"], TOKENIZER, samples=0)
    with pytest.raises(DataError, match="equally many"):
        compare_outputs(["1"], ["a"], [], ["a"], TOKENIZER)


def test_tables_show_the_figures() -> None:
    sources, first, second, targets = systems(0.6, 0.97)
    metrics = evaluate_outputs(sources, first, targets, TOKENIZER, samples=20).with_perplexity(3.25, 4.5)
    for text in (metrics_table(metrics), metrics_markdown(metrics)):
        assert f"{metrics.bleu:.2f}" in text
        assert f"{metrics.intervals['ter'][1]:.2f}" in text
        assert metrics.signatures["chrf"] in text
        assert "teacher-forced" in text
        assert "3.25" in text
        assert "4.50" in text
    bare = evaluate_outputs(sources, first, targets, TOKENIZER, samples=0)
    assert "perplexity" not in metrics_table(bare)
    found = compare_outputs(sources, first, second, targets, TOKENIZER, samples=20)
    rows = comparison_markdown(found).split("\n")
    assert len(rows) == len(METRICS) + 2
    assert {row.count("|") for row in rows} == {rows[0].count("|")}


def test_no_winner_is_named_without_evidence() -> None:
    sources, first, _, targets = systems(0.9, 0.9)
    table = comparison_table(compare_outputs(sources, first, first, targets, TOKENIZER, samples=20))
    assert all(line.endswith("not shown") for line in table.split("\n")[1:])
