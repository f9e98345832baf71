"""The chunked cross-entropy against torch's, which is its readable twin."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from seqweave.model.kernels import cross_entropy
from seqweave.model.kernels.cross_entropy import summed_cross_entropy

IGNORED = 0
smoothings = pytest.mark.parametrize("smoothing", [0.0, 0.1])


def example(rows: int = 7, size: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    targets = torch.randint(0, size, (rows,))
    targets[0], targets[-1] = IGNORED, size - 1
    return (3 * torch.randn(rows, size)).to(dtype).requires_grad_(), targets


def twin(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return functional.cross_entropy(wide, targets, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing)


@smoothings
@pytest.mark.parametrize("chunk", [1, 11, 1 << 19])
def test_equals_the_twin_in_chunks_of_any_size(monkeypatch: pytest.MonkeyPatch, smoothing: float, chunk: int) -> None:
    monkeypatch.setattr(cross_entropy, "_CHUNK", chunk)
    logits, targets = example()
    ours, theirs = summed_cross_entropy(logits, targets, IGNORED, smoothing), twin(logits, targets, smoothing)
    torch.testing.assert_close(ours, theirs)
    (3 * ours).backward()
    grad, logits.grad = logits.grad, None
    (3 * theirs).backward()
    torch.testing.assert_close(grad, logits.grad)


@smoothings
def test_finite_differences(smoothing: float) -> None:
    logits, targets = example()
    assert torch.autograd.gradcheck(lambda given: summed_cross_entropy(given, targets, IGNORED, smoothing), logits)


@smoothings
def test_bf16_is_as_exact_as_the_twin(smoothing: float) -> None:
    logits, targets = example(rows=40, size=300, dtype=torch.bfloat16)
    ours, theirs = summed_cross_entropy(logits, targets, IGNORED, smoothing), twin(logits, targets, smoothing)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)
    ours.backward()
    grad, logits.grad = logits.grad, None
    theirs.backward()
    torch.testing.assert_close(grad, logits.grad, rtol=2**-7, atol=1e-6)


def test_nothing_is_kept_where_no_gradient_is_wanted() -> None:
    logits, targets = example()
    assert not summed_cross_entropy(logits.detach(), targets, IGNORED, 0.1).requires_grad


def test_only_ignored_rows_give_nothing() -> None:
    logits, _ = example()
    loss = summed_cross_entropy(logits, torch.full((7,), IGNORED), IGNORED, 0.1)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()
