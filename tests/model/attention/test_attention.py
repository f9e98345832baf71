"""Attention against numbers worked out by hand."""

from __future__ import annotations

import itertools
import math
from functools import partial

import pytest
import torch
from torch import Tensor

from seqweave.model.attention.scorers import (
    ATTENTION_KINDS,
    AdditiveScorer,
    AwareScorer,
    DotScorer,
    GeneralScorer,
    LocationScorer,
    Scorer,
    attend,
    build_scorer,
    masked_softmax,
)
from seqweave.model.state import AttentionState

assert_close = partial(torch.testing.assert_close, atol=1e-6, rtol=1e-6)

# One sentence of three positions, two queries, all of width 2.
VALUES = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]])  # (1, 3, 2)
QUERIES = torch.tensor([[[2.0, 1.0], [0.0, -1.0]]])  # (1, 2, 2)


def filled(weight: Tensor, numbers: list[list[float]]) -> None:
    with torch.no_grad():
        weight.copy_(torch.tensor(numbers))


def general() -> Scorer:
    scorer = GeneralScorer(2, 2)
    filled(scorer.project.weight, [[1.0, 2.0], [0.0, 3.0]])
    return scorer


def additive(bias: bool) -> Scorer:
    scorer = AdditiveScorer(2, 2, 2, bias=bias)
    filled(scorer.query.weight, [[1.0, 0.0], [0.0, 1.0]])
    filled(scorer.key.weight, [[0.0, 1.0], [1.0, 0.0]])
    filled(scorer.direction.weight, [[1.0, -2.0]])
    if bias:
        with torch.no_grad():
            scorer.key.bias.copy_(torch.tensor([0.5, 0.0]))
    return scorer


def tanh_score(first: float, second: float) -> float:
    """v . tanh(.) with v = (1, -2)."""
    return math.tanh(first) - 2 * math.tanh(second)


# Query (2, 1) with (1, 0), (0, 1), (1, 1): 2, 1, 3. Query (0, -1): 0, -1, -1.
DOT = [[2.0, 1.0, 3.0], [0.0, -1.0, -1.0]]
# W (1, 0) = (1, 0); W (0, 1) = (2, 3); W (1, 1) = (3, 3). (2, 1) . these: 2, 7, 9. (0, -1) . these: 0, -3, -3.
GENERAL = [[2.0, 7.0, 9.0], [0.0, -3.0, -3.0]]
# U swaps the two numbers of a value: (0, 1), (1, 0), (1, 1); W leaves the query; their sums under the tanh.
CONCAT = [
    [tanh_score(2, 2), tanh_score(3, 1), tanh_score(3, 2)],
    [tanh_score(0, 0), tanh_score(1, -1), tanh_score(1, 0)],
]
# The same with the bias (0.5, 0).
ADDITIVE = [
    [tanh_score(2.5, 2), tanh_score(3.5, 1), tanh_score(3.5, 2)],
    [tanh_score(0.5, 0), tanh_score(1.5, -1), tanh_score(1.5, 0)],
]


@pytest.mark.parametrize(
    ("scorer", "expected"),
    [
        pytest.param(DotScorer(), DOT, id="dot"),
        pytest.param(DotScorer(scaled=True), [[score / math.sqrt(2) for score in row] for row in DOT], id="scaled_dot"),
        pytest.param(general(), GENERAL, id="general"),
        pytest.param(additive(bias=False), CONCAT, id="concat"),
        pytest.param(additive(bias=True), ADDITIVE, id="additive"),
    ],
)
def test_scores_weights_and_context_by_hand(scorer: Scorer, expected: list[list[float]]) -> None:
    keys = scorer.keys(VALUES)
    assert_close(scorer(QUERIES, keys), torch.tensor([expected]))
    mask = torch.tensor([[True, True, False]])
    context, weights = attend(scorer, QUERIES, keys, VALUES, mask)
    for query, row in enumerate(expected):
        # Over the two real positions the softmax is a logistic function of the difference. The values
        # there are (1, 0) and (0, 1), so the context is the two weights.
        first = 1 / (1 + math.exp(row[1] - row[0]))
        assert_close(weights[0, query], torch.tensor([first, 1 - first, 0.0]))
        assert_close(context[0, query], torch.tensor([first, 1 - first]))


def test_softmax_by_hand() -> None:
    # exp of the scores: 1, 2, 5; their sum is 8.
    scores = torch.tensor([[[0.0, math.log(2), math.log(5)]]])
    assert_close(masked_softmax(scores, torch.ones(1, 3, dtype=torch.bool)), torch.tensor([[[0.125, 0.25, 0.625]]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_an_empty_row_gives_zeros_and_finite_gradients(dtype: torch.dtype) -> None:
    scores = torch.randn(2, 4, 3, dtype=dtype, requires_grad=True)
    mask = torch.tensor([[False, False, False], [True, False, False]])
    weights = masked_softmax(scores, mask)
    assert not weights[0].any()
    assert weights[1].tolist() == [[1.0, 0.0, 0.0]] * 4
    weights.square().sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


def test_large_scores_do_not_overflow() -> None:
    weights = masked_softmax(torch.tensor([[[1e30, -1e30, 0.0]]]), torch.ones(1, 3, dtype=torch.bool))
    assert weights.tolist() == [[[1.0, 0.0, 0.0]]]


@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_every_name_builds_its_scorer(kind: str) -> None:
    scorer = build_scorer(kind, 4, 4, 7)  # type: ignore[arg-type]
    query, keys = torch.randn(2, 5, 4), scorer.keys(torch.randn(2, 3, 4))
    if isinstance(scorer, AwareScorer):
        assert scorer(query, keys, AttentionState(weights=torch.zeros(2, 5, 3))).shape == (2, 5, 3)
        scorer = scorer.additive
    scores = scorer(query, keys)
    assert scores.shape == (2, 5, 3)
    biased = isinstance(scorer, AdditiveScorer) and scorer.key.bias is not None
    assert biased == (kind in ("additive", "location_aware"))


@pytest.mark.parametrize("kind", ["additive", "concat", "location_aware"])
def test_coverage_joins_additive_scorers(kind: str) -> None:
    scorer = build_scorer(kind, 4, 4, 7, coverage=True)  # type: ignore[arg-type]
    assert isinstance(scorer, AwareScorer)
    assert scorer.coverage is not None
    assert (scorer.convolution is not None) == (kind == "location_aware")


def test_normalised_scores_by_hand() -> None:
    """The vector (1, -2) has the length sqrt(5), so with a gain of 3 sqrt(5) the scores are 3 times those without."""
    plain, scorer = additive(bias=True), AdditiveScorer(2, 2, 2, bias=True, normalized=True)
    assert isinstance(plain, AdditiveScorer)
    scorer.load_state_dict({**plain.state_dict(), "gain": torch.tensor(3 * math.sqrt(5))})
    expected = 3 * torch.tensor([ADDITIVE])
    assert_close(scorer(QUERIES, scorer.keys(VALUES)), expected)
    filled(scorer.direction.weight, [[10.0, -20.0]])  # only its direction counts
    assert_close(scorer(QUERIES, scorer.keys(VALUES)), expected)


def test_location_scores_by_hand() -> None:
    scorer = LocationScorer(2, 2)
    filled(scorer.project.weight, [[1.0, 2.0], [3.0, 0.0]])
    # Query (2, 1): 4, 6. Query (0, -1): -2, 0. The third position is beyond what the scorer knows.
    scores = scorer(QUERIES, scorer.keys(VALUES))
    assert scores.tolist() == [[[4.0, 6.0, -math.inf], [-2.0, 0.0, -math.inf]]]
    _, weights = attend(scorer, QUERIES, VALUES, VALUES, torch.ones(1, 3, dtype=torch.bool))
    first = 1 / (1 + math.exp(2))
    assert_close(weights, torch.tensor([[[first, 1 - first, 0.0]] * 2]))
    # A source shorter than what it knows.
    assert scorer(QUERIES, VALUES[:, :1]).tolist() == [[[4.0], [-2.0]]]


def aware(coverage: bool) -> AwareScorer:
    base = additive(bias=False)
    assert isinstance(base, AdditiveScorer)
    scorer = AwareScorer(base, 2, filters=1, width=3, coverage=coverage)
    assert scorer.convolution is not None
    assert scorer.features is not None
    with torch.no_grad():
        scorer.convolution.weight.copy_(torch.tensor([[[1.0, 10.0, 100.0]]]))
        scorer.features.weight.copy_(torch.tensor([[0.01], [-0.01]]))
        if scorer.coverage is not None:
            scorer.coverage.weight.copy_(torch.tensor([[2.0], [0.0]]))
    return scorer


def test_location_aware_scores_by_hand() -> None:
    # Weights 0.2, 0.3, 0.5 under the filter 1, 10, 100: 2 + 30 = 32; 0.2 + 3 + 50 = 53.2; 0.3 + 5 = 5.3.
    # One filter, so its features 0.32, 0.532, 0.053 are added to the first sum and taken from the second.
    scorer = aware(coverage=False)
    past = AttentionState(weights=torch.tensor([[[0.2, 0.3, 0.5]]]))
    scores = scorer(QUERIES[:, :1], scorer.keys(VALUES), past)
    expected = [tanh_score(2.32, 1.68), tanh_score(3.532, 0.468), tanh_score(3.053, 1.947)]
    assert_close(scores, torch.tensor([[expected]]))


def test_coverage_scores_by_hand() -> None:
    # Nothing was looked at in the step before; the sums of all steps, twice, are added to the first sum.
    scorer = aware(coverage=True)
    past = AttentionState(weights=torch.zeros(1, 1, 3), coverage=torch.tensor([[[0.5, 1.0, 0.25]]]))
    scores = scorer(QUERIES[:, :1], scorer.keys(VALUES), past)
    assert_close(scores, torch.tensor([[[tanh_score(3, 2), tanh_score(5, 1), tanh_score(3.5, 2)]]]))


def naive_aware(scorer: AwareScorer, query: Tensor, keys: Tensor, past: AttentionState) -> Tensor:
    """One number after the other."""
    assert scorer.convolution is not None
    assert scorer.features is not None
    assert scorer.coverage is not None
    assert past.weights is not None
    assert past.coverage is not None
    groups, queries, length = past.weights.shape
    kernel = scorer.convolution.weight[:, 0]  # (F, width)
    scores = torch.zeros(groups, queries, length)
    for g, q, s in itertools.product(range(groups), range(queries), range(length)):
        features = torch.zeros(len(kernel))
        for offset in range(kernel.shape[1]):
            at = s + offset - kernel.shape[1] // 2
            if 0 <= at < length:
                features += kernel[:, offset] * past.weights[g, q, at]
        total = scorer.additive.query.weight @ query[g, q] + keys[g, s] + scorer.features.weight @ features
        total = total + scorer.coverage.weight[:, 0] * past.coverage[g, q, s]
        direction = scorer.additive.direction.weight[0]
        if scorer.additive.gain is not None:
            direction = scorer.additive.gain * direction / math.sqrt(sum(x * x for x in direction.tolist()))
        scores[g, q, s] = direction @ total.tanh()
    return scores


@pytest.mark.parametrize("normalized", [False, True])
def test_aware_scores_are_those_of_the_naive_twin(normalized: bool) -> None:
    torch.manual_seed(1)
    scorer = build_scorer("location_aware", 4, 3, 5, normalized=normalized, coverage=True, filters=2, width=5)
    assert isinstance(scorer, AwareScorer)
    past = AttentionState(weights=torch.rand(2, 3, 6), coverage=torch.rand(2, 3, 6))
    query, keys = torch.randn(2, 3, 4), scorer.keys(torch.randn(2, 6, 3))
    with torch.no_grad():
        assert_close(scorer(query, keys, past), naive_aware(scorer, query, keys, past))


@pytest.mark.parametrize("length", [2, 4, 7])
def test_location_scores_are_those_of_the_naive_twin(length: int) -> None:
    """One number after the other; the scorer knows 4 positions."""
    torch.manual_seed(1)
    scorer = LocationScorer(3, 4)
    query, values = torch.randn(2, 5, 3), torch.randn(2, length, 6)
    with torch.no_grad():
        scores, weight = scorer(query, scorer.keys(values)), scorer.project.weight.tolist()
    for g, q, s in itertools.product(range(2), range(5), range(length)):
        numbers = query[g, q].tolist()
        expected = sum(a * b for a, b in zip(weight[s], numbers, strict=True)) if s < 4 else -math.inf
        assert float(scores[g, q, s]) == pytest.approx(expected, abs=1e-6)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no scorer is called cosine"):
        build_scorer("cosine", 4, 4, 4)  # type: ignore[arg-type]
