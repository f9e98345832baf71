"""Steps of recurrent layers with optimized weights.

On processors torch computes `sigmoid` up to nine times faster than `tanh`. So `tanh(x)` is
`2 * sigmoid(2x) - 1` here, with every constant folded into weights: hidden states are carried
halved (`sigmoid(2x) - 1/2`), the LSTM's cell doubled, rows of weights that lead into a tanh are
doubled, and so are weights that read a hidden state. All are powers of two, so nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from seqweave.model.cells.base import tell_slow_path
from seqweave.model.optimized.int8 import HALVED
from seqweave.model.optimized.linear import linear
from seqweave.model.recurrent.encoder import RecurrentLayer, RecurrentStack

Parts = tuple[Tensor, ...]


class OptimizedLayer:
    """One layer.

    Attributes:
        input_weight, input_bias: what makes `given` of an input. Shape: (gates * H, N), (gates * H,).
        step: one position; the first part is half the output.
            Shape: given (R, gates * H), parts each (R, H) -> each (R, H).
    """

    def __init__(self, layer: RecurrentLayer, *, int8: bool):
        size = layer.hidden_size
        optimized = layer.cell.optimized
        assert optimized is not None  # see `supported`
        self.size = size
        self.parts = layer.state_parts
        scale = torch.ones(layer.weight_ih.shape[0])  # (gates * H,)
        bent = slice(0, 0)  # rows that lead into a tanh
        if optimized.doubled is not None:
            bent = slice(optimized.doubled * size, (optimized.doubled + 1) * size)
        scale[bent] = 2
        self.input_weight = layer.weight_ih.detach() * scale[:, None]
        bias, hidden_bias = layer.bias_ih.detach() * scale, layer.bias_hh.detach() * scale
        own = None
        if optimized.own_bias:
            own = torch.zeros_like(hidden_bias)
            own[bent] = hidden_bias[bent]
            hidden_bias = hidden_bias - own
        self.input_bias = bias + hidden_bias
        recurrence = linear(layer.weight_hh.detach() * scale[:, None] * 2, own, HALVED, int8=int8)
        self.step: Callable[[Tensor, Parts], Parts] = partial(optimized.step, recurrence)

    def first(self, parts: Parts) -> Parts:
        """A state as the network has it, as it is carried here."""
        return (parts[0] * 0.5, *(part * 2 for part in parts[1:]))


class OptimizedStack:
    """Layers on top of each other.

    Attributes:
        first: the lowest layer; whoever steps the stack makes its `given`.
        scale: what to multiply weights with that read the stack's output.
        span: between which numbers that output lies, where that is known.
    """

    def __init__(self, stack: RecurrentStack, *, int8: bool):
        self.layers = [OptimizedLayer(layer, int8=int8) for layer in stack.stack_layers()]
        self.first = self.layers[0]
        self.parts = stack.state_parts
        self._stack = stack
        self._plain = stack.norms is None and not stack.residual
        self.scale = 2.0 if self._plain else 1.0
        self.span = HALVED if self._plain else None
        self._between = [
            linear(layer.input_weight * self.scale, layer.input_bias, self.span, int8=int8) for layer in self.layers[1:]
        ]

    def begin(self, parts: Parts) -> Parts:
        """A state as the network has it, as it is carried here."""
        begun: list[Tensor] = []
        for layer in self.layers:
            begun += layer.first(parts[len(begun) : len(begun) + layer.parts])
        return tuple(begun)

    def step(self, given: Tensor, parts: Parts) -> tuple[Tensor, Parts]:
        """One position; the output still wants `scale`. Shape: (R, gates * H), each (R, H) -> (R, H), each (R, H)."""
        if len(self.layers) == 1 and self._plain:
            parts = self.first.step(given, parts)
            return parts[0], parts
        after: list[Tensor] = []
        output = given
        for index, layer in enumerate(self.layers):
            given = self._between[index - 1](output) if index else given
            new = layer.step(given, parts[len(after) : len(after) + layer.parts])
            after += new
            if self._plain:
                output = new[0]
            else:
                below = output if index else output[:, :0]  # nothing is added to the lowest layer: see `supported`
                output = self._stack.joined(index, below, new[0] * 2)
        return output, tuple(after)


def supported(stack: RecurrentStack, input_size: int) -> bool:
    """Whether a stack can be stepped here.

    Not without its cell's optimized step, nor where a residual connection needs the input itself.
    """
    if stack.residual and input_size == stack.output_size:
        return False
    return all([has_optimized_step(layer) for layer in stack.stack_layers()])


def has_optimized_step(layer: RecurrentLayer) -> bool:
    """Whether the cell of a layer has one; that it lacks one is told."""
    if layer.cell.optimized is None:
        tell_slow_path(layer.cell.name, "optimized step for search")
    return layer.cell.optimized is not None


def has_bounded_states(layer: RecurrentLayer) -> bool:
    """Whether hidden states lie between -1 and 1 once they were made by the layer's optimized step."""
    return layer.cell.optimized is not None and layer.cell.optimized.bounded
