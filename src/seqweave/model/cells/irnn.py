"""The IRNN of Le, Jaitly & Hinton 2015: `h' = max(0, W x + U h + b)`, with U started at the identity.

A new state is the old one plus what the input adds (section 3). Its states have no bound, so training clips gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqweave.model.cells.base import Cell, OptimizedStep, Recurrence, States, Weights


def step(given: Tensor, recurrent: Tensor, state: States) -> States:
    """The equation. Shape: see `Cell`."""
    return ((given + recurrent).relu(),)


def initialize(weights: Weights) -> None:
    """The identity for the recurrence, numbers with deviation 0.001 for the input (sections 3 and 4)."""
    nn.init.normal_(weights.weight_ih, std=0.001)
    nn.init.eye_(weights.weight_hh)


def optimized_step(recurrence: Recurrence, given: Tensor, parts: States) -> States:
    """Shape: see `OptimizedStep`."""
    return (recurrence.add(parts[0], given).relu_().mul_(0.5),)


class IrnnLoop:
    """The cell over one sequence, with its derivative; methods as in `LoopCell`."""

    def __init__(self) -> None:
        self.outputs: list[Tensor] = []

    def forward(self, position: int, given: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
        """Shape: see `LoopCell`."""
        self.outputs.append((given + recurrent).relu_())
        return self.outputs[-1]

    def backward(self, position: int, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """Shape: see `LoopCell`."""
        gates = grad * (self.outputs[position] > 0)
        return gates, gates, None

    def state_grads(self) -> tuple[()]:
        """None."""
        return ()


CELL = Cell(
    name="irnn",
    gates=1,
    step=step,
    initialize=initialize,
    kernel=torch.rnn_relu,
    step_kernel=torch.rnn_relu_cell,
    loop=lambda state: IrnnLoop(),
    optimized=OptimizedStep(optimized_step),
)
