"""Recurrent layers on top of each other, one position at a time, and their derivative.

The products with a layer's hidden state are joined into one: its own recurrence, and for the last layer
whatever else its state is multiplied with (the query of attention, a part of the readout).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from seqweave.model.kernels.cells import LoopCell, StartLoop
from seqweave.model.kernels.products import Product


@dataclass(frozen=True)
class LayerParts:
    """What one layer brings into a loop, in this order.

    Attributes:
        joined, joined_bias: weight of the product with the layer's hidden state; the first rows are the
            recurrence. Shape: (G + ..., H), (G + ...,).
        above, above_bias: input weight of a layer that has another one below, else None. Shape: (G, H), (G,).
        dropout: factors for the input of such a layer, or None. Shape: (T, B, H) or (1, B, H).
        state: the first state, hidden (and cell). Shape: each (B, H).
    """

    joined: Tensor
    joined_bias: Tensor
    above: Tensor | None
    above_bias: Tensor | None
    dropout: Tensor | None
    state: tuple[Tensor, ...]


class StackSteps:
    """Layers over the positions of one sequence.

    Args:
        start: makes the cell of each layer from its first state.
        layers: from the first to the last.
        steps: positions T.
        slots: how many hidden states of the last layer go through its joined product: T (the first
            state up to the last but one) or T + 1 (all).
    """

    def __init__(self, start: StartLoop, layers: Sequence[LayerParts], steps: int, slots: int):
        self.hidden = [layer.state[0] for layer in layers]
        rows, dtype = self.hidden[0].shape[0], self.hidden[0].dtype
        self.size = self.hidden[0].shape[1]
        self.slots = [steps] * (len(layers) - 1) + [slots]
        self.dropout = [layer.dropout for layer in layers]
        self.cells: list[LoopCell] = [start(layer.state) for layer in layers]
        self.joined = [
            Product(layer.joined, layer.joined_bias, count, rows, dtype)
            for layer, count in zip(layers, self.slots, strict=True)
        ]
        self.above = [
            None if layer.above is None else Product(layer.above, layer.above_bias, steps, rows, dtype)
            for layer in layers
        ]
        self.sums = [product.forward(0, hidden) for product, hidden in zip(self.joined, self.hidden, strict=True)]
        self.waiting: list[tuple[Tensor, Tensor | None]] = []  # of each layer: recurrent sums, direct

    def extra(self, gates: int) -> Tensor:
        """What the last layer's joined product gives beside the recurrence. Shape: (B, ...)."""
        return self.sums[-1][:, gates:]

    def forward(self, step: int, given: Tensor) -> Tensor:
        """Shape: the first layer's input sums (B, G) -> last hidden state (B, H)."""
        gates = given.shape[1]
        for index, cell in enumerate(self.cells):
            above = self.above[index]
            if above is not None:
                given = above.forward(step, self._dropped(index, step, self.hidden[index - 1]))
            hidden = cell.forward(step, given, self.sums[index][:, :gates], self.hidden[index])
            self.hidden[index] = hidden
            if step + 1 < self.slots[index]:
                self.sums[index] = self.joined[index].forward(step + 1, hidden)
        return self.hidden[-1]

    def start_backward(self) -> None:
        """Before the last position."""
        self.waiting = []
        for product in (*self.joined, *self.above):
            if product is not None:
                product.start_backward()

    def backward(self, step: int, grad: Tensor, *extra: Tensor) -> Tensor:
        """One position; positions come last to first.

        Shape: grad of the last hidden state (B, H), of what else came from its joined product (B, ...) ->
        of the first layer's input sums (B, G).
        """
        reached = self._past(step + 1, *extra)
        waiting: list[tuple[Tensor, Tensor | None]] = []
        for index in reversed(range(len(self.cells))):
            past = reached[index]
            total = grad if past is None else past.add_(grad)
            given, recurrent, direct = self.cells[index].backward(step, total)
            waiting.insert(0, (recurrent, direct))
            above = self.above[index]
            if above is not None:
                grad = self._dropped(index, step, above.backward(step, given))
        self.waiting = waiting
        return given

    def state_grads(self, *extra: Tensor) -> list[tuple[Tensor, ...]]:
        """Gradients of the first states. Shape: for each layer, each (B, H)."""
        grads: list[tuple[Tensor, ...]] = []
        for cell, hidden in zip(self.cells, self._past(0, *extra), strict=True):
            assert hidden is not None
            grads.append((hidden, *cell.state_grads()))
        return grads

    def _past(self, slot: int, *extra: Tensor) -> list[Tensor | None]:
        """Gradients of the layers' hidden states through what they were used for at the next position."""
        last = len(self.joined) - 1
        grads: list[Tensor | None] = []
        for index, product in enumerate(self.joined):
            parts = extra if index == last else ()
            if slot >= self.slots[index]:
                grads.append(None)
            elif not self.waiting:  # after the last position there is no recurrence
                rows = product.weight.shape[0] - sum(part.shape[1] for part in parts)
                grads.append(product.backward(slot, extra[0].new_zeros(extra[0].shape[0], rows), *parts))
            else:
                recurrent, direct = self.waiting[index]
                grad = product.backward(slot, recurrent, *parts)
                grads.append(grad if direct is None else grad.add_(direct))
        return grads

    def _dropped(self, index: int, step: int, values: Tensor) -> Tensor:
        factors = self.dropout[index]
        if factors is None:
            return values
        return values * factors[min(step, factors.shape[0] - 1)]
