"""Linear maps and tables with weights optimized for many small products.

oneDNN's products want weights in a layout of their own; packed once, they run at the processor's
speed for any number of rows, where the default product of torch is 1.2 to 5 times slower.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from seqweave.model.optimized.int8 import Int8Linear, Span

_ROWS = 64  # the packed layout is chosen for this many rows; it serves 1 to 320 within the noise
SMALL = 1 << 15  # numbers; below, the call costs more than the product
_LARGEST_TABLE = 1 << 24  # numbers: 64 MiB


def packing_works() -> bool:
    """Whether this build of torch has oneDNN's packed products."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class Product(Protocol):
    """The role of an optimized linear map, `x W^T + b`."""

    def __call__(self, inputs: Tensor) -> Tensor:
        """Shape: (R, N) -> (R, M), a new tensor."""
        ...

    def add(self, inputs: Tensor, other: Tensor) -> Tensor:
        """The map without its bias, plus `other`. Shape: (R, N), (R, M) -> (R, M), a new tensor."""
        ...


def linear(weight: Tensor, bias: Tensor | None = None, span: Span | None = None, *, int8: bool = False) -> Product:
    """An optimized linear map of `weight` (M, N) and `bias` (M,), in fp32, or in int8 where that pays.

    Args:
        span: between which numbers every input lies; None: unknown.
    """
    return Int8Linear(weight, bias, span) if int8 and weight.numel() >= SMALL else Linear(weight, bias)


class Linear:
    """`x W^T + b` for x (R, N), or added to something of the result's shape.

    Args:
        weight: (M, N); the layer keeps its own copy.
        bias: (M,), or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None):
        weight = weight.detach().contiguous()
        self.bias = None if bias is None else bias.detach().clone()
        self.packed = weight.numel() >= SMALL
        if self.packed:
            self.weight = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS)
            self._product = torch.ops.mkldnn._linear_pointwise.default
            self._sum = torch.ops.mkldnn._linear_pointwise.binary
        else:
            self.weight = weight.clone()
            self.turned = self.weight.t()

    def __call__(self, inputs: Tensor) -> Tensor:
        """Shape: (R, N) -> (R, M), a new tensor."""
        if self.packed:
            product: Tensor = self._product(inputs, self.weight, self.bias, "none", [], "")
            return product
        return functional.linear(inputs, self.weight, self.bias)

    def add(self, inputs: Tensor, other: Tensor) -> Tensor:
        """The map without its bias, plus `other`. Shape: (R, N), (R, M) -> (R, M), a new tensor."""
        if self.packed:
            total: Tensor = self._sum(inputs, other, self.weight, None, "add")
            return total
        return torch.addmm(other, inputs, self.turned)


class Table:
    """What an embedded item adds to a layer: `W e(item) + b`, as one row of a table for each item.

    A vocabulary too large for a table keeps the product.

    Args:
        vectors: embeddings (V, N); None: one-hot vectors, so that W itself holds the rows.
        weight: W, (M, N).
        bias: (M,).
    """

    def __init__(self, vectors: Tensor | None, weight: Tensor, bias: Tensor | None):
        self._table: Tensor | None = None
        if vectors is None:
            self._table = weight.detach().t().contiguous()  # (V, M)
            self._table = self._table if bias is None else self._table + bias.detach()
        elif vectors.shape[0] * weight.shape[0] <= _LARGEST_TABLE:
            self._table = Linear(weight, bias)(vectors.detach())  # (V, M)
        else:
            self._vectors = vectors.detach()
            self._linear = Linear(weight, bias)

    def __call__(self, ids: Tensor) -> Tensor:
        """Shape: (R,) -> (R, M), a new tensor."""
        if self._table is not None:
            return self._table.index_select(0, ids)
        return self._linear(self._vectors.index_select(0, ids))
