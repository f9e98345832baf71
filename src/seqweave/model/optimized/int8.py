"""Linear maps in whole numbers of 8 bits: a quarter of the bytes of fp32, and up to four times its speed.

Weights have one scale for each row, inputs one for all where their range is known and else one for each row, both
symmetric (Jacob et al. 2018, section 2.1, with zero-points only for the unsigned inputs that oneDNN
wants). Sums are exact, so a row's result depends on nothing but the row, to the last bits of fp32. Where those
decide between two levels of the next product, a batch can differ from its sentences alone by that level.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Span = tuple[float, float]
HALVED: Span = (-0.5, 0.5)  # a hidden state as `cells.py` carries it
UNIT: Span = (0.0, 1.0)  # a sigmoid
WHOLE: Span = (-1.0, 1.0)  # a hidden state

_LEVELS = 254  # steps between the smallest and the largest number
_ZERO = 127  # the middle of them, for inputs around 0
_FP32_RESULT: Any = (1.0, 0, torch.float32, "none", [], "")  # how oneDNN is told
_SMALLEST = 1e-30  # as a scale: nothing but zeros
_FEW = 8  # rows; up to here the plain product starts so much faster that its result may want three more calls


def int8_works() -> bool:
    """Whether this processor and this build of torch have fast products of 8-bit numbers."""
    has_products = hasattr(torch.ops.onednn, "qlinear_prepack") and hasattr(torch, "_int_mm")
    return has_products and torch.backends.mkldnn.is_available() and bool(torch.cpu._is_vnni_supported())


class Int8Linear:
    """`x W^T + b` for x (R, N) with weights and inputs rounded to 8 bits.

    Args:
        weight: (M, N).
        bias: (M,), or None; stays fp32.
        span: between which numbers every input lies; None: unknown, so each row gets a scale of its own.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, span: Span | None):
        weight = weight.detach()
        scale = weight.abs().amax(1).clamp(min=_SMALLEST) / _ZERO  # (M,)
        whole = (weight / scale[:, None]).round().to(torch.int8)  # (M, N)
        self._bias = torch.zeros(len(weight)) if bias is None else bias.detach().clone()
        self._scale = scale
        self._turned = whole.t().contiguous()  # (N, M)
        self._packed = torch.ops.onednn.qlinear_prepack(whole, None)
        self._zeros = torch.zeros(len(weight), dtype=torch.int64)
        self._product = torch.ops.onednn.qlinear_pointwise.default
        self._dynamic = span is None
        low, high = HALVED if span is None else span
        self._step = 1.0 if span is None else (high - low) / _LEVELS
        self._levels_each = 1 / self._step  # for a step of 1 of the inputs
        self._zero = _ZERO if span is None else round(-low / self._step)  # the level of 0
        # The plain product wants signed inputs, level - 127.
        self._row_scale = scale * self._step  # (M,)
        self._shift = self._row_scale * whole.sum(1) * (_ZERO - self._zero)  # (M,) what the 127 took away
        self._shifted_bias = self._shift + self._bias

    def __call__(self, inputs: Tensor) -> Tensor:
        """Shape: (R, N) -> (R, M), a new tensor."""
        return self._map(inputs, self._bias, self._shifted_bias)

    def add(self, inputs: Tensor, other: Tensor) -> Tensor:
        """The map without its bias, plus `other`. Shape: (R, N), (R, M) -> (R, M), a new tensor."""
        return self._map(inputs, None, self._shift).add_(other)

    def _map(self, inputs: Tensor, bias: Tensor | None, shifted_bias: Tensor) -> Tensor:
        rows: Tensor | None = None
        if self._dynamic:
            rows = inputs.abs().amax(1, keepdim=True).clamp_(min=_SMALLEST) / _ZERO  # (R, 1)
            inputs = inputs / rows
        half_up = self._zero + 0.5
        if len(inputs) <= _FEW:
            levels = torch.add(half_up - _ZERO, inputs, alpha=self._levels_each).floor_().to(torch.int8)
            sums = torch._int_mm(levels, self._turned).float()  # (R, M)
            return torch.addcmul(shifted_bias, sums if rows is None else sums.mul_(rows), self._row_scale)
        levels = torch.add(half_up, inputs, alpha=self._levels_each).to(torch.uint8)
        result: Tensor = self._product(
            levels,
            self._step,
            self._zero,
            self._packed,
            self._scale,
            self._zeros,
            bias if rows is None else None,
            *_FP32_RESULT,
        )  # (R, M)
        if rows is None:
            return result
        return result.mul_(rows) if bias is None else torch.addcmul(bias, result, rows)
