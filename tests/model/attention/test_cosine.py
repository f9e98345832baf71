"""The cosine scorer: by hand, its derivative, and vectors of zeros."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from architectures import SMALL, small_batch, small_model
from seqweave.config import ModelConfig
from seqweave.model.attention.base import NOTHING, attend
from seqweave.model.attention.cosine import CosineScorer

assert_close = partial(torch.testing.assert_close, atol=1e-6, rtol=1e-6)

VALUES = torch.tensor([[[3.0, 0.0], [0.0, 0.5], [1.0, 1.0]]])  # (1, 3, 2)
QUERIES = torch.tensor([[[2.0, 1.0], [0.0, -1.0]]])  # (1, 2, 2)


def by_hand() -> CosineScorer:
    """W turns (a, b) into (b, a); the strength is 2."""
    scorer = CosineScorer(2, 2)
    with torch.no_grad():
        scorer.project.weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        scorer.strength.fill_(math.log(math.exp(2) - 1))
    return scorer


def test_scores_and_context_by_hand() -> None:
    # (2, 1) becomes (1, 2), of length sqrt(5): its cosines with (3, 0), (0, 0.5), (1, 1) are 1, 2 and 3 / sqrt(2),
    # over sqrt(5). (0, -1) becomes (-1, 0): -1, 0 and -1 / sqrt(2). All times 2.
    scorer = by_hand()
    five = math.sqrt(5)
    expected = [[2 / five, 4 / five, 6 / math.sqrt(10)], [-2.0, 0.0, -math.sqrt(2)]]
    keys = scorer.keys(VALUES)
    assert_close(scorer(QUERIES, keys, NOTHING), torch.tensor([expected]))
    context, weights = attend(scorer, QUERIES, keys, VALUES, torch.tensor([[True, True, False]]))
    for query, row in enumerate(expected):
        first = 1 / (1 + math.exp(row[1] - row[0]))
        assert_close(weights[0, query], torch.tensor([first, 1 - first, 0.0]))
        assert_close(context[0, query], torch.tensor([3 * first, 0.5 * (1 - first)]))


def test_only_directions_count() -> None:
    scorer = by_hand()
    scores = scorer(QUERIES, scorer.keys(VALUES), NOTHING)
    assert_close(scorer(7 * QUERIES, scorer.keys(0.01 * VALUES), NOTHING), scores)


@pytest.mark.parametrize("size", [1, 6, 131072])
def test_the_strength_begins_at_the_root_of_the_width(size: int) -> None:
    scorer = CosineScorer(1, size)
    assert torch.nn.functional.softplus(scorer.strength).item() == pytest.approx(math.sqrt(size), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_zeros_score_zero_and_have_finite_gradients(dtype: torch.dtype) -> None:
    scorer = CosineScorer(2, 2).to(dtype)
    query, values = (torch.zeros(1, 2, 2, dtype=dtype, requires_grad=True) for _ in range(2))
    scores = scorer(query, scorer.keys(values), NOTHING)
    assert scores.tolist() == [[[0.0, 0.0]] * 2]
    one = scorer(query, scorer.keys(VALUES.to(dtype)), NOTHING)
    other = scorer(QUERIES.to(dtype), scorer.keys(values), NOTHING)
    (scores.sum() + one.sum() + other.sum()).backward()
    for leaf in (query, values, *scorer.parameters()):
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()


def test_gradients_against_finite_differences() -> None:
    torch.manual_seed(1)
    scorer = CosineScorer(4, 3).double()
    query = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    values = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda q, v, *_: scorer(q, scorer.keys(v), NOTHING), (query, values, *scorer.parameters()))


def test_it_survives_a_first_query_of_zeros() -> None:
    """`before` with a bridge of zeros asks with a state of zeros."""
    settings = {"attention": "cosine", "attention_position": "before", "bridge": "zero", "cell": "gru"}
    model = small_model(ModelConfig(**{**SMALL, **settings}))
    source, lengths, target_in = small_batch()
    encoded = model.encode(source, lengths)
    output = model.decode(target_in, encoded, return_attention=True)
    assert output.attention is not None
    real: Tensor = encoded.mask / encoded.mask.sum(1, keepdim=True)  # (B, S): all scores are 0
    assert_close(output.attention[:, 0], real)
    output.logits.square().sum().backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
