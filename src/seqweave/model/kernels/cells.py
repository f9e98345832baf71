"""One step of a recurrent cell and its derivative, written out.

A cell gets two sums for its gates: `given`, what its input adds up to, and `recurrent`, what its previous
hidden state adds up to. Products with weights are not its business. It keeps what its derivative needs, for
each position of a sequence.

The equations are those of `seqweave.model.recurrent.encoder`; the order of the gates is torch's.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from seqweave.config import Cell
from seqweave.model.kernels.activations import fast_tanh


class CellSteps(Protocol):
    """The role of a cell over the positions of one sequence."""

    def forward(self, step: int, given: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
        """The next hidden state. Shape: given, recurrent (B, G), previous hidden (B, H) -> (B, H)."""
        ...

    def backward(self, step: int, grad: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """From the gradient of a position's hidden state to those of what made it; positions come last to first.

        Shape: grad (B, H) -> given (B, G), recurrent (B, G), previous hidden state other than through
        `recurrent` (B, H) or None.
        """
        ...

    def state_grads(self) -> tuple[Tensor, ...]:
        """After the first position: gradient of the first cell state (B, H), where there is one."""
        ...


class RnnSteps:
    """`h = tanh(a)` (Elman 1990)."""

    def __init__(self) -> None:
        self.outputs: list[Tensor] = []

    def forward(self, step: int, given: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
        """Shape: see `CellSteps`."""
        self.outputs.append(fast_tanh(given + recurrent))
        return self.outputs[-1]

    def backward(self, step: int, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """Shape: see `CellSteps`."""
        output = self.outputs[step]
        gates = torch.addcmul(grad, grad * output, output, value=-1)  # grad * (1 - output^2)
        return gates, gates, None

    def state_grads(self) -> tuple[()]:
        """None."""
        return ()


class GruSteps:
    """`h' = n + z * (h - n)` with gates r, z and candidate n (Cho et al. 2014, eqs. 5-8)."""

    def __init__(self) -> None:
        self.kept: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    def forward(self, step: int, given: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
        """Shape: see `CellSteps`."""
        size = hidden.shape[1]
        gates = (given[:, : 2 * size] + recurrent[:, : 2 * size]).sigmoid_()  # (B, 2 * H)
        reset, update = gates.split(size, 1)
        inner = recurrent[:, 2 * size :]  # (B, H)
        candidate = fast_tanh(torch.addcmul(given[:, 2 * size :], reset, inner))  # (B, H)
        change = hidden - candidate  # (B, H)
        self.kept.append((gates, inner, candidate, change))
        return torch.addcmul(candidate, update, change)

    def backward(self, step: int, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shape: see `CellSteps`."""
        gates, inner, candidate, change = self.kept[step]
        size = grad.shape[1]
        reset, update = gates.split(size, 1)
        direct = grad * update  # (B, H)
        candidate_grad = grad - direct
        given = grad.new_empty(grad.shape[0], 3 * size)  # (B, 3 * H)
        last = given[:, 2 * size :]
        torch.addcmul(candidate_grad, candidate_grad * candidate, candidate, value=-1, out=last)
        torch.mul(last, inner, out=given[:, :size])
        torch.mul(grad, change, out=given[:, size : 2 * size])
        given[:, : 2 * size].mul_(torch.addcmul(gates, gates, gates, value=-1))
        recurrent = given.clone()
        recurrent[:, 2 * size :].mul_(reset)
        return given, recurrent, direct

    def state_grads(self) -> tuple[()]:
        """None."""
        return ()


class LstmSteps:
    """`c' = f * c + i * g`, `h = o * tanh(c')` (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    Args:
        cell: the first cell state. Shape: (B, H).
    """

    def __init__(self, cell: Tensor):
        self.cells = [cell]
        self.kept: list[tuple[Tensor, Tensor, Tensor]] = []
        self.grad_cell: Tensor | None = None

    def forward(self, step: int, given: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
        """Shape: see `CellSteps`."""
        size = hidden.shape[1]
        gates = given + recurrent  # (B, 4 * H)
        gates[:, 2 * size : 3 * size].mul_(2)
        gates.sigmoid_()
        enter, forget, raw, leave = gates.split(size, 1)
        candidate = (raw * 2).sub_(1)  # (B, H)
        cell = (forget * self.cells[-1]).addcmul_(enter, candidate)
        bent = fast_tanh(cell)
        self.cells.append(cell)
        self.kept.append((gates, candidate, bent))
        return torch.mul(leave, bent)

    def backward(self, step: int, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """Shape: see `CellSteps`."""
        gates, candidate, bent = self.kept[step]
        size = grad.shape[1]
        enter, forget, _, leave = gates.split(size, 1)
        through = grad * leave  # (B, H)
        cell = torch.addcmul(through, through * bent, bent, value=-1)
        if self.grad_cell is not None and step + 1 < len(self.kept):
            cell += self.grad_cell
        slopes = torch.addcmul(gates, gates, gates, value=-1)  # (B, 4 * H): s - s^2
        sums = torch.empty_like(gates)
        torch.mul(cell, candidate, out=sums[:, :size])
        torch.mul(cell, self.cells[step], out=sums[:, size : 2 * size])
        torch.mul(cell * 4, enter, out=sums[:, 2 * size : 3 * size])
        torch.mul(grad, bent, out=sums[:, 3 * size :])
        sums.mul_(slopes)
        self.grad_cell = cell.mul_(forget)
        return sums, sums, None

    def state_grads(self) -> tuple[Tensor]:
        """Shape: (B, H)."""
        assert self.grad_cell is not None
        return (self.grad_cell,)


def cell_steps(cell: Cell, state: tuple[Tensor, ...]) -> CellSteps:
    """The steps of a cell, from the first state of a layer. Shape: each (B, H)."""
    if cell == "lstm":
        return LstmSteps(state[1])
    return GruSteps() if cell == "gru" else RnnSteps()
