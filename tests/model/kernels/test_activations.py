"""Activations with derivatives written by hand, against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck

from seqweave.model.kernels.activations import faster_tanh
from seqweave.model.kernels.maxout import larger_of_pairs

VALUES = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 3


def test_gradients_against_finite_differences() -> None:
    assert gradcheck(faster_tanh, (VALUES.clone().requires_grad_(),))
    assert gradcheck(larger_of_pairs, (VALUES.clone().requires_grad_(),))


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 2e-7), (torch.bfloat16, 2**-8)]
)
def test_tanh_is_tanh(dtype: torch.dtype, tolerance: float) -> None:
    values = torch.cat([torch.linspace(-30, 30, 2001, dtype=torch.float64), torch.tensor([1e-4, -1e4, 1e30])]).to(dtype)
    found = faster_tanh(values)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), torch.tanh(values.double()), atol=tolerance, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_larger_of_pairs_is_amax(dtype: torch.dtype) -> None:
    values = VALUES.to(dtype).requires_grad_()
    found = larger_of_pairs(values)
    assert found.dtype == dtype
    expected = values.unflatten(-1, (3, 2)).amax(-1)
    assert torch.equal(found, expected)
    directions = torch.arange(36).reshape(3, 4, 3).to(dtype)
    (gradient,) = torch.autograd.grad(found, values, directions)
    (expected_gradient,) = torch.autograd.grad(expected, values, directions)
    assert torch.equal(gradient, expected_gradient)


def test_of_two_equal_ones_the_first_gets_the_gradient() -> None:
    values = torch.zeros(2, 4, requires_grad=True)
    larger_of_pairs(values).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [[1, 0, 1, 0]] * 2
