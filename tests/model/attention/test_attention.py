"""Attention against numbers worked out by hand."""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import get_args

import pytest
import torch
from torch import Tensor

from seqweave.config import AttentionKind
from seqweave.model.attention.additive import AdditiveScorer
from seqweave.model.attention.base import NOTHING, AttentionState, Scorer, attend, joined, masked_softmax, state_of
from seqweave.model.attention.coverage import CoverageScorer
from seqweave.model.attention.dot import DotScorer
from seqweave.model.attention.general import GeneralScorer
from seqweave.model.attention.location import LocationScorer
from seqweave.model.attention.location_aware import LocationAwareScorer
from seqweave.model.attention.scorers import SCORERS, ScorerSettings, build_scorer

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
    assert_close(scorer(QUERIES, keys, NOTHING), torch.tensor([expected]))
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


def test_every_attention_has_a_scorer() -> None:
    assert {*SCORERS, "none"} == set(get_args(AttentionKind))


@pytest.mark.parametrize("kind", SCORERS)
def test_every_name_builds_its_scorer(kind: AttentionKind) -> None:
    scorer = build_scorer(kind, ScorerSettings(4, 4, 7))
    query, keys = torch.randn(2, 5, 4), scorer.keys(torch.randn(2, 3, 4))
    state = scorer.initial_state(torch.ones(2, 3, dtype=torch.bool), torch.float32)  # (G, ...)
    state = {name: part[:, None].repeat_interleave(5, 1) for name, part in state.items()}  # (G, Q, ...)
    assert scorer(query, keys, state).shape == (2, 5, 3)
    plain = scorer.additive if isinstance(scorer, LocationAwareScorer) else scorer
    biased = isinstance(plain, AdditiveScorer) and plain.key.bias is not None
    assert biased == (kind in ("additive", "location_aware"))


@pytest.mark.parametrize("coverage", [False, True])
@pytest.mark.parametrize("kind", SCORERS)
def test_what_a_scorer_remembers_keeps_its_names_and_shapes(kind: AttentionKind, coverage: bool) -> None:
    torch.manual_seed(1)
    scorer = build_scorer(kind, ScorerSettings(4, 4, 7, coverage=coverage))
    first = scorer.initial_state(torch.ones(2, 3, dtype=torch.bool), torch.float64)
    after = scorer.next_state(first, torch.rand(2, 3, dtype=torch.float64))
    for state in (first, after):
        assert {name: (part.shape[0], part.dtype) for name, part in state.items()} == {
            name: (2, torch.float64) for name in first
        }
    assert [part.shape for part in after.values()] == [part.shape for part in first.values()]
    ahead = scorer.states_ahead(first, 5)
    assert (ahead is None) == bool(first)  # no scorer knows ahead what it will remember


@pytest.mark.parametrize("kind", SCORERS)
def test_a_form_is_the_score_itself(kind: AttentionKind) -> None:
    """What the fast paths compute, up to a number that all positions share."""
    torch.manual_seed(1)
    scorer = build_scorer(kind, ScorerSettings(4, 4, 7, normalized=True))
    form = scorer.form()
    if form is None:
        return
    query, values = torch.randn(2, 5, 4), torch.randn(2, 3, 4)
    keys = values if form.key is None else torch.nn.functional.linear(values, form.key, form.key_bias)
    if form.direction is None:
        expected = torch.einsum("gqa,gsa->gqs", query, keys) / (math.sqrt(keys.shape[-1]) if form.scaled else 1)
    else:
        assert form.query is not None
        expected = (query @ form.query.t()).unsqueeze(2).add(keys.unsqueeze(1)).tanh() @ form.direction
    assert_close(scorer(query, scorer.keys(values), NOTHING), expected)


@pytest.mark.parametrize("kind", ["additive", "concat", "location_aware"])
def test_coverage_joins_additive_scorers(kind: AttentionKind) -> None:
    scorer = build_scorer(kind, ScorerSettings(4, 4, 7, coverage=True))
    assert isinstance(scorer, LocationAwareScorer if kind == "location_aware" else CoverageScorer)
    assert scorer.coverage is not None
    state = scorer.initial_state(torch.ones(2, 3, dtype=torch.bool), torch.float32)
    assert "coverage" in state
    assert ("weights" in state) == (kind == "location_aware")


def test_normalised_scores_by_hand() -> None:
    """The vector (1, -2) has the length sqrt(5), so with a gain of 3 sqrt(5) the scores are 3 times those without."""
    plain, scorer = additive(bias=True), AdditiveScorer(2, 2, 2, bias=True, normalized=True)
    assert isinstance(plain, AdditiveScorer)
    scorer.load_state_dict({**plain.state_dict(), "gain": torch.tensor(3 * math.sqrt(5))})
    expected = 3 * torch.tensor([ADDITIVE])
    assert_close(scorer(QUERIES, scorer.keys(VALUES), NOTHING), expected)
    filled(scorer.direction.weight, [[10.0, -20.0]])  # only its direction counts
    assert_close(scorer(QUERIES, scorer.keys(VALUES), NOTHING), expected)


def test_location_scores_by_hand() -> None:
    scorer = LocationScorer(2, 2)
    filled(scorer.project.weight, [[1.0, 2.0], [3.0, 0.0]])
    # Query (2, 1): 4, 6. Query (0, -1): -2, 0. The third position is beyond what the scorer knows.
    scores = scorer(QUERIES, scorer.keys(VALUES), NOTHING)
    assert scores.tolist() == [[[4.0, 6.0, -math.inf], [-2.0, 0.0, -math.inf]]]
    _, weights = attend(scorer, QUERIES, VALUES, VALUES, torch.ones(1, 3, dtype=torch.bool))
    first = 1 / (1 + math.exp(2))
    assert_close(weights, torch.tensor([[[first, 1 - first, 0.0]] * 2]))
    # A source shorter than what it knows.
    assert scorer(QUERIES, VALUES[:, :1], NOTHING).tolist() == [[[4.0], [-2.0]]]


def aware(coverage: bool) -> LocationAwareScorer:
    base = additive(bias=False)
    assert isinstance(base, AdditiveScorer)
    scorer = LocationAwareScorer(base, 2, filters=1, width=3, coverage=coverage)
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
    past = {"weights": torch.tensor([[[0.2, 0.3, 0.5]]])}
    scores = scorer(QUERIES[:, :1], scorer.keys(VALUES), past)
    expected = [tanh_score(2.32, 1.68), tanh_score(3.532, 0.468), tanh_score(3.053, 1.947)]
    assert_close(scores, torch.tensor([[expected]]))


def test_coverage_scores_by_hand() -> None:
    # Nothing was looked at in the step before; the sums of all steps, twice, are added to the first sum.
    scorer = aware(coverage=True)
    past = {"weights": torch.zeros(1, 1, 3), "coverage": torch.tensor([[[0.5, 1.0, 0.25]]])}
    expected = torch.tensor([[[tanh_score(3, 2), tanh_score(5, 1), tanh_score(3.5, 2)]]])
    assert_close(scorer(QUERIES[:, :1], scorer.keys(VALUES), past), expected)
    alone = CoverageScorer(scorer.additive, 2)
    filled(alone.coverage.weight, [[2.0], [0.0]])
    assert_close(alone(QUERIES[:, :1], alone.keys(VALUES), past), expected)
    assert_close(
        alone.next_state(past, torch.tensor([[0.5, 0.0, 0.25]]))["coverage"], torch.tensor([[[1.0, 1.0, 0.5]]])
    )


def naive_aware(scorer: LocationAwareScorer, query: Tensor, keys: Tensor, past: AttentionState) -> Tensor:
    """One number after the other."""
    assert scorer.coverage is not None
    weights, coverage = past["weights"], past["coverage"]
    groups, queries, length = weights.shape
    kernel = scorer.convolution.weight[:, 0]  # (F, width)
    scores = torch.zeros(groups, queries, length)
    for g, q, s in itertools.product(range(groups), range(queries), range(length)):
        features = torch.zeros(len(kernel))
        for offset in range(kernel.shape[1]):
            at = s + offset - kernel.shape[1] // 2
            if 0 <= at < length:
                features += kernel[:, offset] * weights[g, q, at]
        total = scorer.additive.query.weight @ query[g, q] + keys[g, s] + scorer.features.weight @ features
        total = total + scorer.coverage.weight[:, 0] * coverage[g, q, s]
        direction = scorer.additive.direction.weight[0]
        if scorer.additive.gain is not None:
            direction = scorer.additive.gain * direction / math.sqrt(sum(x * x for x in direction.tolist()))
        scores[g, q, s] = direction @ total.tanh()
    return scores


@pytest.mark.parametrize("normalized", [False, True])
def test_aware_scores_are_those_of_the_naive_twin(normalized: bool) -> None:
    torch.manual_seed(1)
    scorer = build_scorer("location_aware", ScorerSettings(4, 3, 5, normalized, coverage=True, filters=2, width=5))
    assert isinstance(scorer, LocationAwareScorer)
    past = {"weights": torch.rand(2, 3, 6), "coverage": torch.rand(2, 3, 6)}
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
        scores, weight = scorer(query, scorer.keys(values), NOTHING), scorer.project.weight.tolist()
    for g, q, s in itertools.product(range(2), range(5), range(length)):
        numbers = query[g, q].tolist()
        expected = sum(a * b for a, b in zip(weight[s], numbers, strict=True)) if s < 4 else -math.inf
        assert float(scores[g, q, s]) == pytest.approx(expected, abs=1e-6)


def test_parts_may_remember_under_the_same_name() -> None:
    one, two = {"weights": torch.zeros(2), "weights.more": torch.ones(1)}, {"weights": torch.ones(3)}
    both = joined({"scorer": one, "window": two, "other": NOTHING})
    assert list(both) == ["scorer.weights", "scorer.weights.more", "window.weights"]
    assert state_of("scorer", both) == one
    assert state_of("window", both) == two
    assert state_of("other", both) == NOTHING


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no scorer is called sine; there are additive, dot, "):
        build_scorer("sine", ScorerSettings(4, 4, 4))  # type: ignore[arg-type]
