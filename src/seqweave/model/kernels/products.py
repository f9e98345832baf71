"""A product with the same weights at every position, whose weight gradient is one product after the loop."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


class Product:
    """`y = W x + b` at each of `steps` positions.

    Multiplies in the type of `weight` (bf16 under autocast); takes and gives everything else in `dtype`,
    the type of the states.

    Args:
        weight, bias: Shape: (out, in), (out,).
        steps, rows: positions T and rows B.
        dtype: of the states.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, steps: int, rows: int, dtype: torch.dtype):
        self.weight = weight
        self.bias = bias
        self.dtype = dtype
        self.inputs = weight.new_empty(steps, rows, weight.shape[1])  # (T, B, in)
        self.grads = weight.new_empty(0)

    def forward(self, step: int, values: Tensor) -> Tensor:
        """Shape: (B, in) -> (B, out)."""
        given = self.inputs[step].copy_(values)
        return functional.linear(given, self.weight, self.bias).to(self.dtype)

    def start_backward(self) -> None:
        """Make room for the gradients of the outputs of all positions."""
        self.grads = self.weight.new_empty(self.inputs.shape[0], self.inputs.shape[1], self.weight.shape[0])

    def backward(self, step: int, *parts: Tensor) -> Tensor:
        """Shape: the gradient of the output, in parts (B, part) next to each other -> (B, in)."""
        grad = self.grads[step]  # (B, out)
        start = 0
        for part in parts:
            grad[:, start : start + part.shape[1]].copy_(part)
            start += part.shape[1]
        return (grad @ self.weight).to(self.dtype)

    def weight_grads(self) -> tuple[Tensor, Tensor | None]:
        """Gradients of weight and bias over all positions. Shape: (out, in), (out,)."""
        grads = self.grads.flatten(0, 1)  # (T * B, out)
        weight = grads.t() @ self.inputs.flatten(0, 1)  # (out, in)
        return weight, None if self.bias is None else grads.sum(0)  # summed in fp32, whatever the type
