"""Steps of recurrent layers with prepared weights.

On processors torch computes `sigmoid` up to nine times faster than `tanh`. So `tanh(x)` is
`2 * sigmoid(2x) - 1` here, with every constant folded into weights: hidden states are carried
halved (`sigmoid(2x) - 1/2`), the LSTM's cell doubled, rows of weights that lead into a tanh are
doubled, and so are weights that read a hidden state. All are powers of two, so nothing is rounded.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqweave.model.inference.int8 import HALVED
from seqweave.model.inference.linear import linear
from seqweave.model.recurrent.encoder import RecurrentLayer, RecurrentStack

Parts = tuple[Tensor, ...]


class FastLayer:
    """One layer.

    Attributes:
        input_weight, input_bias: what makes `given` of an input. Shape: (gates * H, N), (gates * H,).
    """

    def __init__(self, layer: RecurrentLayer, *, int8: bool):
        size = layer.hidden_size
        self.cell = layer.cell
        self.size = size
        self.parts = layer.state_parts
        scale = torch.ones(layer.weight_ih.shape[0])  # (gates * H,)
        first = {"lstm": 2, "gru": 2, "rnn": 0}[layer.cell] * size  # the first row that leads into a tanh
        scale[first : first + size] = 2
        self.input_weight = layer.weight_ih.detach() * scale[:, None]
        bias, hidden_bias = layer.bias_ih.detach() * scale, layer.bias_hh.detach() * scale
        own = None
        if layer.cell == "gru":  # the reset gate multiplies this bias too
            own = torch.cat([torch.zeros(2 * size), hidden_bias[2 * size :]])
            hidden_bias = hidden_bias - own
        self.input_bias = bias + hidden_bias
        self.recurrence = linear(layer.weight_hh.detach() * scale[:, None] * 2, own, HALVED, int8=int8)

    def first(self, parts: Parts) -> Parts:
        """A state as the network has it, as it is carried here."""
        return (parts[0] * 0.5, *(part * 2 for part in parts[1:]))

    def step(self, given: Tensor, parts: Parts) -> Parts:
        """One position; the first part is half the output. Shape: given (R, gates * H), parts each (R, H)."""
        if self.cell == "lstm":
            gates = self.recurrence.add(parts[0], given).sigmoid_()  # (R, 4 * H)
            entry, forget, new, out = gates.chunk(4, 1)
            cell = (forget * parts[1]).addcmul_(entry, new.sub_(0.5), value=4)
            return cell.sigmoid().sub_(0.5).mul_(out), cell
        if self.cell == "rnn":
            return (self.recurrence.add(parts[0], given).sigmoid_().sub_(0.5),)
        own = self.recurrence(parts[0])  # (R, 3 * H)
        both = 2 * self.size
        reset, update = own[:, :both].add_(given[:, :both]).sigmoid_().chunk(2, 1)
        new = torch.addcmul(given[:, both:], reset, own[:, both:]).sigmoid_().sub_(0.5)
        return (torch.lerp(new, parts[0], update),)


class FastStack:
    """Layers on top of each other.

    Attributes:
        first: the lowest layer; whoever steps the stack makes its `given`.
        scale: what to multiply weights with that read the stack's output.
        span: between which numbers that output lies, where that is known.
    """

    def __init__(self, stack: RecurrentStack, *, int8: bool):
        self.layers = [FastLayer(layer, int8=int8) for layer in stack.stack_layers()]
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
    """Whether a stack can be stepped without its input itself, which a residual connection would need."""
    return not stack.residual or input_size != stack.output_size
