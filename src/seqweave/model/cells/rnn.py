"""The simple recurrent network of Elman 1990: `h' = tanh(W x + U h + b)`."""

from __future__ import annotations

import torch
from torch import Tensor

from seqweave.model.cells.base import Cell, OptimizedStep, Recurrence, States
from seqweave.model.kernels.activations import fast_tanh


def step(given: Tensor, recurrent: Tensor, state: States) -> States:
    """The equation. Shape: see `Cell`."""
    return ((given + recurrent).tanh(),)


def optimized_step(recurrence: Recurrence, given: Tensor, parts: States) -> States:
    """Shape: see `OptimizedStep`."""
    return (recurrence.add(parts[0], given).sigmoid_().sub_(0.5),)


class RnnLoop:
    """The cell over one sequence, with its derivative; methods as in `LoopCell`."""

    def __init__(self) -> None:
        self.outputs: list[Tensor] = []

    def forward(self, position: int, given: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
        """Shape: see `LoopCell`."""
        self.outputs.append(fast_tanh(given + recurrent))
        return self.outputs[-1]

    def backward(self, position: int, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """Shape: see `LoopCell`."""
        output = self.outputs[position]
        gates = torch.addcmul(grad, grad * output, output, value=-1)  # grad * (1 - output^2)
        return gates, gates, None

    def state_grads(self) -> tuple[()]:
        """None."""
        return ()


CELL = Cell(
    name="rnn",
    gates=1,
    step=step,
    kernel=torch.rnn_tanh,
    step_kernel=torch.rnn_tanh_cell,
    loop=lambda state: RnnLoop(),
    optimized=OptimizedStep(optimized_step, doubled=0, bounded=True),
)
