"""Attention against numbers worked out by hand."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from seqweave.model.attention import (
    ATTENTION_KINDS,
    AdditiveScorer,
    DotScorer,
    GeneralScorer,
    Scorer,
    attend,
    build_scorer,
    masked_softmax,
)

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
    scores = scorer(torch.randn(2, 5, 4), scorer.keys(torch.randn(2, 3, 4)))
    assert scores.shape == (2, 5, 3)
    biased = isinstance(scorer, AdditiveScorer) and scorer.key.bias is not None
    assert biased == (kind == "additive")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no scorer is called cosine"):
        build_scorer("cosine", 4, 4, 4)  # type: ignore[arg-type]
