"""Fast dropout factors: values, shares, independence, and the generator."""

from __future__ import annotations

import pytest
import torch

from seqweave.model.kernels.dropout import dropout_factors

LIKE = torch.zeros(1)


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5, 0.9])
def test_values_and_share(probability: float) -> None:
    torch.manual_seed(0)
    factors = dropout_factors(probability, (400, 501), LIKE)
    assert factors.shape == (400, 501)
    low, high = factors.unique().tolist()
    assert low == 0
    assert high == pytest.approx(1 / (1 - probability), rel=2e-4)
    # Four standard deviations of the share of 200,400 draws.
    assert float((factors == 0).float().mean()) == pytest.approx(probability, abs=4 * 0.5 / 200_400**0.5)
    assert float(factors.mean()) == pytest.approx(1, abs=4 * 3 / 200_400**0.5)


def test_neighbours_are_independent() -> None:
    # The four factors of one 64-bit draw, and factors of neighbouring draws.
    torch.manual_seed(1)
    factors = dropout_factors(0.5, (100_000, 4), LIKE) - 1  # +1 or -1
    shares = factors.T @ factors / 100_000
    assert (shares - torch.eye(4)).abs().max() < 5 / 100_000**0.5
    assert abs(float((factors[1:] * factors[:-1]).mean())) < 5 / 400_000**0.5
    assert factors.mean(0).abs().max() < 5 / 100_000**0.5


def test_the_generator_decides() -> None:
    torch.manual_seed(7)
    first = dropout_factors(0.4, (3, 5, 7), LIKE)
    state = torch.get_rng_state()
    second = dropout_factors(0.4, (3, 5, 7), LIKE)
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(dropout_factors(0.4, (3, 5, 7), LIKE), second)
    torch.manual_seed(7)
    assert torch.equal(dropout_factors(0.4, (3, 5, 7), LIKE), first)


def test_ends_and_types() -> None:
    assert not dropout_factors(1.0, (5, 5), LIKE).any()
    assert torch.equal(dropout_factors(0.0, (5, 5), LIKE), torch.ones(5, 5))
    assert dropout_factors(0.5, (0, 3), LIKE).shape == (0, 3)
    assert dropout_factors(0.5, (2, 3), LIKE.double()).dtype == torch.float64
    assert dropout_factors(0.5, (2, 3), LIKE.bfloat16()).dtype == torch.bfloat16
