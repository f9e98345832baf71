"""What torch's fused kernels are given: tensors of one type, with autocast off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from processors import need_bf16
from seqweave.config import Cell
from seqweave.model.cells import CELLS, cell_named
from seqweave.model.input.one_hot import OneHotInput
from seqweave.model.kernels.fused import compute_type
from seqweave.model.layers import SequenceDropout, mask_of
from seqweave.model.recurrent.encoder import RecurrentEncoder, RecurrentLayer

FUSED = [name for name, cell in CELLS.items() if cell.kernel is not None]
LENGTHS = torch.tensor([5, 2, 4])
kinds = pytest.mark.parametrize("with_items", [False, True], ids=["vectors", "items"])
cells = pytest.mark.parametrize("cell", FUSED)


class Spy:
    """Stands for a kernel and keeps what it is given; runs nothing, so that no processor lacks it."""

    def __init__(self, *layers: RecurrentLayer):
        self.calls: list[list[Tensor]] = []
        self.autocast: list[bool] = []
        for layer in layers:
            layer.cell = replace(layer.cell, kernel=self)

    def __call__(self, inputs: Tensor, state: Any, weights: list[Tensor], *options: Any) -> Any:
        parts = state if isinstance(state, list) else [state]
        self.calls.append([inputs, *parts, *weights])
        self.autocast.append(torch.is_autocast_enabled(inputs.device.type))
        return parts[0].expand(len(inputs), -1, -1), *parts


def inputs_of(with_items: bool, dtype: torch.dtype = torch.float32) -> Tensor | OneHotInput:
    torch.manual_seed(1)
    if with_items:
        return OneHotInput.of(torch.randint(0, 4, (3, 5)), torch.randn(4, 8, dtype=dtype, requires_grad=True))
    return torch.randn(3, 5, 8, dtype=dtype, requires_grad=True)


def layer_of(cell: Cell) -> RecurrentLayer:
    torch.manual_seed(0)
    return RecurrentLayer(cell_named(cell), 8, 6)


@cells
@kinds
@pytest.mark.parametrize("padded", [False, True])
def test_under_autocast_all_tensors_are_of_its_type(cell: Cell, with_items: bool, padded: bool) -> None:
    layer, inputs = layer_of(cell), inputs_of(with_items)
    state = tuple(torch.randn(3, 6) for _ in range(layer.state_parts))
    spy = Spy(layer)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, after = layer(inputs, state, ~mask_of(LENGTHS, 5) if padded else None)
    assert [values.dtype for call in spy.calls for values in call] == [torch.bfloat16] * (5 + layer.state_parts)
    assert spy.autocast == [False]
    assert {values.dtype for values in (outputs, *after)} == {torch.bfloat16}


@cells
@kinds
def test_a_whole_encoder_gives_each_layer_one_type(cell: Cell, with_items: bool) -> None:
    layers = [[RecurrentLayer(cell_named(cell), size, 6) for size in (8, 12)] for _ in range(2)]
    encoder = RecurrentEncoder(layers[0], layers[1], SequenceDropout(0.5), layer_norm=True)
    spy = Spy(*layers[0], *layers[1])
    with torch.autocast("cpu", torch.bfloat16):
        encoder(inputs_of(with_items), LENGTHS)
    assert len(spy.calls) == 4
    assert {values.dtype for call in spy.calls for values in call} == {torch.bfloat16}
    assert not any(spy.autocast)


@cells
@kinds
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_autocast_nothing_is_converted(cell: Cell, with_items: bool, dtype: torch.dtype) -> None:
    layer, inputs = layer_of(cell).to(dtype), inputs_of(with_items, dtype)
    spy = Spy(layer)
    rows = inputs.one_hot if isinstance(inputs, OneHotInput) else inputs
    layer(inputs, layer.zero_state(3, rows), ~mask_of(LENGTHS, 5))
    assert {values.dtype for call in spy.calls for values in call} == {dtype}
    assert spy.calls[0][-3] is layer.weight_hh  # the parameter itself: nothing was copied


@cells
def test_bf16_is_near_to_fp32(cell: Cell) -> None:
    need_bf16(cell)
    layer, inputs = layer_of(cell), inputs_of(False)
    assert isinstance(inputs, Tensor)
    state, padding = layer.zero_state(3, inputs), ~mask_of(LENGTHS, 5)
    expected, _ = layer(inputs, state, padding)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, _ = layer(inputs, state, padding)
    torch.testing.assert_close(outputs.float(), expected, atol=2e-2, rtol=0)
    wanted = torch.autograd.grad(expected.square().sum(), list(layer.parameters()))
    grads = torch.autograd.grad(outputs.float().square().sum(), list(layer.parameters()))
    for one, other in zip(grads, wanted, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, atol=2e-2 * float(other.abs().max()), rtol=0)


def test_double_precision_stays_under_autocast() -> None:
    single, double = torch.zeros(1), torch.zeros(1, dtype=torch.float64)
    assert compute_type(single) == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert compute_type(single) == torch.bfloat16
        assert compute_type(double) == torch.float64
        assert compute_type(single.to("meta")) == torch.float32
