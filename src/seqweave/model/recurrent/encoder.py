"""Recurrent layers and the recurrent encoder.

Equations: the simple (tanh) network of Elman 1990; the GRU of Cho et al. 2014, eqs. 5-8, with the
reset gate applied after the recurrent product (as torch and cuDNN do); the LSTM of Hochreiter &
Schmidhuber 1997 with forget gates (Gers et al. 2000).

A layer runs a whole sequence through torch's fused kernel. Padding never changes a result,
without packing:

- the second direction reads each sentence from its own end, by a gather (`reverse_by_length`);
- the hidden state at a sentence's own end is gathered from the outputs;
- the LSTM's cell state, which the fused kernel gives only after the last position, is frozen
  over padding: one more input feature, 1 at padding, pushes the input gate to exactly 0 and the
  forget gate to exactly 1 (`_freezing`).

Layer normalisation (Ba et al. 2016) is applied to a layer's output, not inside the gates, so that
the fused kernels stay usable: a stated deviation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seqweave.config import Cell
from seqweave.model.input.one_hot import OneHotInput, rows_of, with_rows
from seqweave.model.kernels.fused import FusedKernel, run_fused
from seqweave.model.layers import SequenceDropout, mask_of, reverse_by_length
from seqweave.model.state import Encoded

GATES: dict[Cell, int] = {"rnn": 1, "gru": 3, "lstm": 4}
_SATURATED = 1e4  # sigmoid(1e4) is exactly 1 and sigmoid(-1e4) exactly 0 in fp64, fp32 and bf16

States = tuple[Tensor, ...]


class RecurrentLayer(nn.Module):
    """One layer, one direction: `forward` over a sequence (fused), `step` over one position."""

    def __init__(self, cell: Cell, input_size: int, hidden_size: int):
        super().__init__()
        self.cell: Cell = cell
        self.input_size = input_size
        self.hidden_size = hidden_size
        rows = GATES[cell] * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias_ih = nn.Parameter(torch.zeros(rows))
        self.bias_hh = nn.Parameter(torch.zeros(rows))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier for the input, orthogonal for the recurrence (Saxe et al. 2014).

        The forget gate starts with bias 1 (Jozefowicz et al. 2015).
        """
        size = self.hidden_size
        for gate in range(GATES[self.cell]):
            nn.init.xavier_uniform_(self.weight_ih[gate * size : (gate + 1) * size])
            nn.init.orthogonal_(self.weight_hh[gate * size : (gate + 1) * size])
        if self.cell == "lstm":
            nn.init.ones_(self.bias_ih[size : 2 * size])

    @property
    def state_parts(self) -> int:
        """Tensors in the layer's state: 2 for an LSTM (hidden, cell), else 1."""
        return 2 if self.cell == "lstm" else 1

    def zero_state(self, rows: int, like: Tensor) -> States:
        """A state of zeros. Shape: each (rows, H)."""
        return (like.new_zeros(rows, self.hidden_size),) * self.state_parts

    def forward(
        self, inputs: Tensor | OneHotInput, state: States, padding: Tensor | None = None
    ) -> tuple[Tensor, States]:
        """Run a whole sequence.

        Shape: inputs (B, T, M) or items (B, T, V), state each (B, H), padding (B, T) True at padding or None ->
        outputs (B, T, H), state after the last position each (B, H). With `padding`, an LSTM's cell
        state is the one at the sequence's own end.
        """
        weight_ih: Tensor = self.weight_ih
        if isinstance(inputs, OneHotInput):
            weight_ih = inputs.weights(weight_ih)  # (G, V)
            inputs = inputs.one_hot
        if padding is not None and self.cell == "lstm":
            inputs, weight_ih = self._freezing(inputs, weight_ih, padding)
        weights = (weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        kernels: dict[Cell, FusedKernel] = {"rnn": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}
        return run_fused(kernels[self.cell], inputs, state, weights, self.training)

    def step(self, inputs: Tensor, state: States) -> States:
        """Run one position; the first tensor of the state is the output. Shape: (R, M), each (R, H) -> each (R, H)."""
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if self.cell == "lstm":
            return tuple(torch.lstm_cell(inputs, list(state), *weights))
        cell = torch.gru_cell if self.cell == "gru" else torch.rnn_tanh_cell
        return (cell(inputs, state[0], *weights),)

    def _freezing(self, inputs: Tensor, weight_ih: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
        """One more input feature that closes the input gate and opens the forget gate at padding."""
        column = weight_ih.new_zeros(weight_ih.shape[0], 1)  # (4 * H, 1)
        column[: self.hidden_size] = -_SATURATED
        column[self.hidden_size : 2 * self.hidden_size] = _SATURATED
        marked = torch.cat([inputs, padding[..., None].to(inputs.dtype)], -1)  # (B, T, M + 1)
        return marked, torch.cat([weight_ih, column], -1)  # (4 * H, M + 1)


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
