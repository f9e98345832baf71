"""Recurrent layers against one step at a time, against sentences run alone, and against torch's own modules."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from architectures import CELLS
from seqweave.config import Cell
from seqweave.model.cells import cell_named
from seqweave.model.layers import SequenceDropout, mask_of, reverse_by_length
from seqweave.model.recurrent.encoder import RecurrentEncoder, RecurrentLayer, RecurrentStack

cells = pytest.mark.parametrize("cell", CELLS)
assert_close = partial(torch.testing.assert_close, atol=1e-6, rtol=1e-5)
LENGTHS = torch.tensor([6, 2, 4, 1])
NO_DROPOUT = SequenceDropout(0.0)


def layer_of(cell: Cell, inputs: int = 3, hidden: int = 4, seed: int = 0) -> RecurrentLayer:
    torch.manual_seed(seed)
    layer = RecurrentLayer(cell_named(cell), inputs, hidden)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.5)
    return layer


def start_of(layer: RecurrentLayer, rows: int) -> tuple[Tensor, ...]:
    return tuple(torch.randn(rows, layer.hidden_size) for _ in range(layer.state_parts))


@cells
def test_fused_layer_is_the_repeated_step(cell: Cell) -> None:
    layer = layer_of(cell)
    inputs, state = torch.randn(5, 6, 3), start_of(layer, 5)
    outputs, after = layer(inputs, state)
    for position in range(6):
        state = layer.step(inputs[:, position], state)
        assert_close(outputs[:, position], state[0])
    for one, other in zip(after, state, strict=True):
        assert_close(one, other)


@cells
def test_stack_is_the_repeated_step(cell: Cell) -> None:
    layers = [layer_of(cell, 4, 4, seed) for seed in range(3)]
    stack = RecurrentStack(layers, NO_DROPOUT, residual=True, layer_norm=True)
    inputs = torch.randn(2, 5, 4)
    state = tuple(torch.randn(2, 4) for _ in range(stack.state_parts))
    outputs, after = stack(inputs, state)
    for position in range(5):
        output, state = stack.step(inputs[:, position], state)
        assert_close(outputs[:, position], output)
    for one, other in zip(after, state, strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("rubbish", [0.0, 7.0])
def test_lstm_cell_state_is_that_of_the_sentences_own_end(dtype: torch.dtype, rubbish: float) -> None:
    layer = layer_of("lstm").to(dtype)
    padding = ~mask_of(LENGTHS, 6)
    inputs = torch.randn(4, 6, 3, dtype=dtype).masked_fill(padding[..., None], rubbish)
    _, (_, cell) = layer(inputs, layer.zero_state(4, inputs), padding)
    tolerance = {torch.float32: 1e-6, torch.float64: 1e-12, torch.bfloat16: 2e-2}[dtype]
    for row, length in enumerate(LENGTHS.tolist()):
        _, (_, alone) = layer(inputs[row : row + 1, :length], layer.zero_state(1, inputs))
        torch.testing.assert_close(cell[row : row + 1], alone, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_frozen_gates_are_exactly_shut_and_open(dtype: torch.dtype) -> None:
    # However much padding follows, not one bit of the cell state changes.
    layer = layer_of("lstm").to(dtype)
    inputs = torch.randn(2, 40, 3, dtype=dtype)
    cells_after = []
    for total in (4, 5, 40):
        padding = ~mask_of(torch.tensor([3, 1]), total)
        cells_after.append(layer(inputs[:, :total], layer.zero_state(2, inputs), padding)[1][1])
    assert torch.equal(cells_after[0], cells_after[1])
    assert torch.equal(cells_after[0], cells_after[2])


def torch_module(cell: Cell, inputs: int, hidden: int, layers: int) -> nn.RNNBase:
    kinds: dict[object, Callable[..., nn.RNNBase]] = {
        torch.rnn_tanh: nn.RNN,
        torch.rnn_relu: partial(nn.RNN, nonlinearity="relu"),
        torch.gru: nn.GRU,
        torch.lstm: nn.LSTM,
    }
    return kinds[cell_named(cell).kernel](inputs, hidden, layers, batch_first=True, bidirectional=True)


def with_weights_of(encoder: RecurrentEncoder, module: nn.RNNBase) -> None:
    """Copy the encoder's weights into torch's module."""
    own = dict(module.named_parameters())
    with torch.no_grad():
        for suffix, direction in (("", encoder.forwards), ("_reverse", encoder.backwards)):
            for index, layer in enumerate(direction):
                for name, parameter in layer.named_parameters():
                    kind, part = name.split("_")
                    own[f"{kind}_{part}_l{index}{suffix}"].copy_(parameter)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell_named(cell).kernel is not None])
def test_encoder_equals_torch_with_packed_sequences(cell: Cell) -> None:
    hidden, layers = 4, 2
    sides = [[layer_of(cell, 3, hidden, side), layer_of(cell, 2 * hidden, hidden, 2 + side)] for side in (0, 1)]
    encoder = RecurrentEncoder(sides[0], sides[1], NO_DROPOUT)
    module = torch_module(cell, 3, hidden, layers)
    with_weights_of(encoder, module)
    inputs = torch.randn(4, 6, 3)
    encoded = encoder(inputs, LENGTHS)
    packed = pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False)
    outputs, final = module(packed)
    expected, _ = pad_packed_sequence(outputs, batch_first=True)
    assert_close(encoded.outputs.masked_fill(~encoded.mask[..., None], 0), expected)
    parts = final if cell == "lstm" else (final,)  # each (layers * 2, B, H)
    per_layer = [torch.cat([part[2 * index], part[2 * index + 1]], -1) for index in range(layers) for part in parts]
    assert len(encoded.final) == len(per_layer)
    for one, other in zip(encoded.final, per_layer, strict=True):
        assert_close(one, other)


def test_reverse_by_length_by_hand() -> None:
    ids = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0], [7, 0, 0, 0]])
    expected = [[4, 3, 2, 1], [6, 5, 0, 0], [7, 0, 0, 0]]
    turned = reverse_by_length(ids, torch.tensor([4, 2, 1]))
    assert turned.tolist() == expected
    vectors = ids[..., None].expand(-1, -1, 2)
    assert reverse_by_length(vectors, torch.tensor([4, 2, 1]))[..., 1].tolist() == expected


def test_variational_dropout_has_one_mask_for_a_sequence() -> None:
    torch.manual_seed(0)
    values = torch.ones(3, 50, 20)
    dropped = SequenceDropout(0.5, variational=True)(values)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    free = SequenceDropout(0.5)(values)
    assert not torch.equal(free, free[:, :1].expand_as(free))
    assert torch.equal(SequenceDropout(0.5).eval()(values), values)


def test_the_forget_gate_starts_open() -> None:
    layer = RecurrentLayer(cell_named("lstm"), 3, 4)
    assert layer.bias_ih.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8
    assert not layer.bias_hh.any()
    recurrent = layer.weight_hh[:4]
    assert_close(recurrent @ recurrent.T, torch.eye(4))
