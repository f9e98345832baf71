"""Recurrent layers and the recurrent encoder; their cells are in `seqweave.model.cells`.

A layer runs a whole sequence through torch's fused kernel, where its cell has one. Padding never changes a
result, without packing:

- the second direction reads each sentence from its own end, by a gather (`reverse_by_length`);
- the hidden state at a sentence's own end is gathered from the outputs;
- a second part of the state (the LSTM's cell state), which the fused kernel gives only after the last position,
  is frozen over padding: one more input feature, 1 at padding, pushes the gates to exactly 0 and 1 (`_freezing`).

Layer normalisation (Ba et al. 2016) is applied to a layer's output, not inside the gates, so that
the fused kernels stay usable: a stated deviation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqweave.model.cells.base import Cell, States, Weights, tell_slow_path
from seqweave.model.input.one_hot import OneHotInput, linear, rows_of, with_rows
from seqweave.model.kernels.fused import run_fused
from seqweave.model.layers import SequenceDropout, mask_of, reverse_by_length
from seqweave.model.state import Encoded


class RecurrentLayer(nn.Module):
    """One layer, one direction: `forward` over a sequence (fused), `step` over one position."""

    def __init__(self, cell: Cell, input_size: int, hidden_size: int):
        super().__init__()
        self.cell = cell
        self.input_size = input_size
        self.hidden_size = hidden_size
        rows = cell.gates * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias_ih = nn.Parameter(torch.zeros(rows))
        self.bias_hh = nn.Parameter(torch.zeros(rows))
        cell.initialize(Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh))

    @property
    def state_parts(self) -> int:
        """Tensors in the layer's state."""
        return self.cell.state_parts

    def zero_state(self, rows: int, like: Tensor) -> States:
        """A state of zeros. Shape: each (rows, H)."""
        return (like.new_zeros(rows, self.hidden_size),) * self.cell.state_parts

    def forward(
        self, inputs: Tensor | OneHotInput, state: States, padding: Tensor | None = None
    ) -> tuple[Tensor, States]:
        """Run a whole sequence.

        Shape: inputs (B, T, M) or items (B, T, V), state each (B, H), padding (B, T) True at padding or None ->
        outputs (B, T, H), state after the last position each (B, H). With `padding`, parts of the state after the
        hidden one are those at the sequence's own end.
        """
        kernel = self.cell.kernel
        if kernel is None or not self.cell.runs_fused(padding is not None):
            tell_slow_path(self.cell.name, "fused kernel for whole sequences")
            return self._looped(inputs, state, padding)
        weight_ih: Tensor = self.weight_ih
        if isinstance(inputs, OneHotInput):
            weight_ih = inputs.weights(weight_ih)  # (G, V)
            inputs = inputs.one_hot
        if padding is not None and self.cell.padding_sums is not None:
            column = self.cell.padding_sums(weight_ih)  # (G,)
            inputs, weight_ih = _freezing(inputs, weight_ih, padding, column)
        return run_fused(kernel, inputs, state, (weight_ih, self.weight_hh, self.bias_ih, self.bias_hh), self.training)

    def step(self, inputs: Tensor, state: States) -> States:
        """Run one position; the first tensor of the state is the output. Shape: (R, M), each (R, H) -> each (R, H)."""
        kernel = self.cell.step_kernel
        if kernel is None:
            return self.cell.step(*self.sums(inputs, state[0]), state)
        given = state if len(state) > 1 else state[0]
        after = kernel(inputs, given, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return (after,) if isinstance(after, Tensor) else tuple(after)

    def sums(self, inputs: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """What a cell gets of inputs and previous hidden states. Shape: (N, M), (N, H) -> (N, G), (N, G)."""
        given = functional.linear(inputs, self.weight_ih, self.bias_ih)
        return given, functional.linear(hidden, self.weight_hh, self.bias_hh)

    def _looped(self, inputs: Tensor | OneHotInput, state: States, padding: Tensor | None) -> tuple[Tensor, States]:
        """`forward` by repeating the cell's equations; over padding the whole state stays as it is."""
        outputs: list[Tensor] = []
        stays = None if padding is None else padding[..., None].unbind(1)  # (B, 1) each
        for position, given in enumerate(linear(inputs, self.weight_ih, self.bias_ih).unbind(1)):
            after = self.cell.step(given, functional.linear(state[0], self.weight_hh, self.bias_hh), state)
            if stays is not None:
                after = tuple(torch.where(stays[position], *parts) for parts in zip(state, after, strict=True))
            state = after
            outputs.append(state[0])
        return torch.stack(outputs, 1), state  # (B, T, H)


class RecurrentStack(nn.Module):
    """Layers of one direction on top of each other, with dropout between them.

    Optional residual connections (where the widths are equal; Wu et al. 2016, section 3.1) and layer
    normalisation of each layer's output.
    """

    def __init__(
        self,
        layers: Sequence[RecurrentLayer],
        dropout: SequenceDropout,
        residual: bool = False,
        layer_norm: bool = False,
    ):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.dropout = dropout
        self.residual = residual
        self.norms = nn.ModuleList(nn.LayerNorm(layer.hidden_size) for layer in layers) if layer_norm else None

    @property
    def state_parts(self) -> int:
        """Tensors in the whole state."""
        return sum(layer.state_parts for layer in self.stack_layers())

    @property
    def output_size(self) -> int:
        """Width of the last layer."""
        return self.stack_layers()[-1].hidden_size

    def stack_layers(self) -> list[RecurrentLayer]:
        """The layers, from the first to the last."""
        return [layer for layer in self.layers if isinstance(layer, RecurrentLayer)]

    def forward(self, inputs: Tensor | OneHotInput, state: States) -> tuple[Tensor, States]:
        """Run a whole sequence; `OneHotInput` only without residual connections.

        Shape: (B, T, M) or items (B, T, V), each (B, H) -> (B, T, H), each (B, H).
        """
        after: list[Tensor] = []
        values = inputs
        for index, layer in enumerate(self.stack_layers()):
            given = self.dropout(values) if index else values
            parts = state[len(after) : len(after) + layer.state_parts]
            outputs, new = layer(given, parts)
            values = self.joined(index, values, outputs)
            after += new
        assert isinstance(values, Tensor)
        return values, tuple(after)

    def step(self, inputs: Tensor, state: States) -> tuple[Tensor, States]:
        """Run one position. Shape: (R, M), each (R, H) -> (R, H), each (R, H)."""
        after: list[Tensor] = []
        for index, layer in enumerate(self.stack_layers()):
            given = self.dropout(inputs[:, None])[:, 0] if index else inputs
            new = layer.step(given, state[len(after) : len(after) + layer.state_parts])
            inputs = self.joined(index, inputs, new[0])
            after += new
        return inputs, tuple(after)

    def joined(self, index: int, inputs: Tensor | OneHotInput, outputs: Tensor) -> Tensor:
        """A layer's output after normalisation and residual connection."""
        norm = None if self.norms is None else self.norms[index]
        return _joined(norm, self.residual, inputs, outputs)


class RecurrentEncoder(nn.Module):
    """Reads the embedded source in one or two directions, layer by layer.

    With two directions each layer's output is [forward; backward] (Bahdanau et al. 2014, section 3.2).
    """

    def __init__(
        self,
        forwards: Sequence[RecurrentLayer],
        backwards: Sequence[RecurrentLayer],
        dropout: SequenceDropout,
        residual: bool = False,
        layer_norm: bool = False,
    ):
        super().__init__()
        self.forwards = nn.ModuleList(forwards)
        self.backwards = nn.ModuleList(backwards)
        self.dropout = dropout
        self.residual = residual
        directions = 2 if backwards else 1
        self.output_size = directions * forwards[-1].hidden_size
        self.norms = nn.ModuleList(nn.LayerNorm(self.output_size) for _ in forwards) if layer_norm else None

    def forward(self, embedded: Tensor | OneHotInput, lengths: Tensor, places: Tensor | None = None) -> Encoded:
        """Encode; `OneHotInput` only without residual connections. Who reads in order needs no `places`.

        Shape: embedded (B, S, M) or items (B, S, V), lengths (B,) ->
        outputs (B, S, E), final each (B, E), mask (B, S).
        """
        mask = mask_of(lengths, rows_of(embedded).shape[1])  # (B, S)
        last = (lengths - 1).clamp(min=0)  # (B,)
        final: list[Tensor] = []
        values = embedded
        for index in range(len(self.forwards)):
            given = self.dropout(values) if index else values
            outputs, ends = self._layer(index, given, lengths, ~mask, last)
            values = _joined(None if self.norms is None else self.norms[index], self.residual, values, outputs)
            final += ends
        assert isinstance(values, Tensor)
        return Encoded(values, tuple(final), mask)

    def _layer(
        self, index: int, inputs: Tensor | OneHotInput, lengths: Tensor, padding: Tensor, last: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        outputs, ends = _run_to_own_end(self.forwards[index], inputs, padding, last)
        if not len(self.backwards):
            return outputs, list(ends)
        turned = with_rows(inputs, reverse_by_length(rows_of(inputs), lengths))  # (B, S, M) or items (B, S, V)
        back, back_ends = _run_to_own_end(self.backwards[index], turned, padding, last)
        outputs = torch.cat([outputs, reverse_by_length(back, lengths)], -1)  # (B, S, E)
        return outputs, [torch.cat(pair, -1) for pair in zip(ends, back_ends, strict=True)]  # (B, E)


def _freezing(inputs: Tensor, weight_ih: Tensor, padding: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """One more input feature, 1 at padding, whose weights are `column` (G,)."""
    marked = torch.cat([inputs, padding[..., None].to(inputs.dtype)], -1)  # (B, T, M + 1)
    return marked, torch.cat([weight_ih, column[:, None]], -1)  # (G, M + 1)


def _joined(norm: nn.Module | None, residual: bool, inputs: Tensor | OneHotInput, outputs: Tensor) -> Tensor:
    """A layer's output after normalisation and residual connection."""
    if norm is not None:
        outputs = norm(outputs)
    if not residual:
        return outputs
    assert isinstance(inputs, Tensor)
    return outputs + inputs if inputs.shape[-1] == outputs.shape[-1] else outputs


def _run_to_own_end(
    layer: nn.Module, inputs: Tensor | OneHotInput, padding: Tensor, last: Tensor
) -> tuple[Tensor, States]:
    """Outputs (B, S, H), and the state at each sequence's own end (each (B, H)); zeros for an empty sequence."""
    assert isinstance(layer, RecurrentLayer)
    rows = rows_of(inputs)
    outputs, state = layer(inputs, layer.zero_state(rows.shape[0], rows), padding)
    hidden = outputs.gather(1, last[:, None, None].expand(-1, 1, outputs.shape[-1]))[:, 0]  # (B, H)
    empty = padding[:, :1]  # (B, 1)
    return outputs, (hidden.masked_fill(empty, 0), *state[1:])
