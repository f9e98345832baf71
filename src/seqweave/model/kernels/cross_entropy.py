"""Cross-entropy over a large vocabulary that keeps one array of the logits' size, in their own type.

torch's makes several of them, under autocast each in fp32: the logits converted, their log-softmax, and the
gradient twice. Here rows are taken a few at a time, which stay in the processor's cache, and the gradient is
made on the way forward.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_CHUNK = 1 << 19  # numbers in fp32: 2 MiB


def summed_cross_entropy(logits: Tensor, targets: Tensor, ignored: int, smoothing: float) -> Tensor:
    """Cross-entropy in nats, summed over the rows whose target is not `ignored`; in fp32 (or fp64).

    `torch.nn.functional.cross_entropy(logits.float(), ..., reduction="sum")` is the readable twin.
    `smoothing` is spread evenly over the vocabulary (Szegedy et al. 2016, section 7).

    Shape: logits (N, V), targets (N,) -> ().
    """
    loss: Tensor = _CrossEntropy.apply(logits, targets, ignored, smoothing)  # type: ignore[no-untyped-call]
    return loss


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, ignored: int, smoothing: float) -> Tensor:
        wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
        total = torch.zeros((), dtype=wide, device=logits.device)
        ctx.grad = torch.empty_like(logits) if ctx.needs_input_grad[0] else None
        rows = max(1, _CHUNK // max(1, logits.shape[1]))
        grads = itertools.repeat(None) if ctx.grad is None else ctx.grad.split(rows)
        for some, wanted, grad in zip(logits.split(rows), targets.split(rows), grads, strict=False):
            total += _part(some, wanted, grad, wide, ignored, smoothing)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.grad * grad.to(ctx.grad.dtype), None, None, None


def _part(
    logits: Tensor, targets: Tensor, grad: Tensor | None, wide: torch.dtype, ignored: int, smoothing: float
) -> Tensor:
    """Loss of some rows; writes their gradient, where one is wanted. Shape: (N, V), (N,), (N, V) -> ()."""
    real = (targets != ignored)[:, None]  # (N, 1)
    index = targets[:, None].clamp(min=0)  # (N, 1)
    log_probs = torch.log_softmax(logits, -1, dtype=wide)  # (N, V)
    loss = -(1 - smoothing) * log_probs.gather(1, index)  # (N, 1)
    if smoothing:
        loss = loss - smoothing * log_probs.mean(1, keepdim=True)
    if grad is not None:
        slopes = log_probs.exp_()  # (N, V)
        if smoothing:
            slopes -= smoothing / logits.shape[1]
        slopes.scatter_add_(1, index, slopes.new_full(index.shape, smoothing - 1))
        grad.copy_(slopes.mul_(real))
    return loss.masked_fill(~real, 0).sum()
