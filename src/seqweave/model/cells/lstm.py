"""The LSTM of Hochreiter & Schmidhuber 1997, with forget gates (Gers et al. 2000).

Gates, in torch's order: `i` input, `f` forget, `g` candidate, `o` output.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqweave.model.cells.base import Cell, OptimizedStep, Recurrence, States, Weights, xavier_and_orthogonal
from seqweave.model.kernels.activations import fast_tanh

_SATURATED = 1e4  # sigmoid(1e4) is exactly 1 and sigmoid(-1e4) exactly 0 in fp64, fp32 and bf16


def gate_values(given: Tensor, recurrent: Tensor) -> dict[str, Tensor]:
    """The gates. Shape: see `Cell`."""
    i, f, g, o = (given + recurrent).chunk(4, -1)  # (N, H)
    return {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}


def step(given: Tensor, recurrent: Tensor, state: States) -> States:
    """`c' = f c + i g`, `h' = o tanh(c')`. Shape: see `Cell`."""
    gates = gate_values(given, recurrent)
    cell = gates["f"] * state[1] + gates["i"] * gates["g"]
    return gates["o"] * cell.tanh(), cell


def initialize(weights: Weights) -> None:
    """The forget gate starts with bias 1 (Jozefowicz et al. 2015)."""
    xavier_and_orthogonal(weights)
    size = weights.weight_hh.shape[1]
    nn.init.ones_(weights.bias_ih[size : 2 * size])


def padding_sums(weight_ih: Tensor) -> Tensor:
    """Shut the input gate and open the forget gate, so that the cell state stays. Shape: (4 * H, M) -> (4 * H,)."""
    sums = weight_ih.new_zeros(len(weight_ih))
    enter, forget, _, _ = sums.chunk(4)
    enter.fill_(-_SATURATED)
    forget.fill_(_SATURATED)
    return sums


def optimized_step(recurrence: Recurrence, given: Tensor, parts: States) -> States:
    """Shape: see `OptimizedStep`."""
    gates = recurrence.add(parts[0], given).sigmoid_()  # (R, 4 * H)
    entry, forget, new, out = gates.chunk(4, 1)
    cell = (forget * parts[1]).addcmul_(entry, new.sub_(0.5), value=4)
    return cell.sigmoid().sub_(0.5).mul_(out), cell


class LstmLoop:
    """`c' = f * c + i * g`, `h = o * tanh(c')` (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    Args:
        cell: the first cell state. Shape: (B, H).
    """

    def __init__(self, cell: Tensor):
        self.cells = [cell]
        self.kept: list[tuple[Tensor, Tensor, Tensor]] = []
        self.grad_cell: Tensor | None = None

    def forward(self, position: int, given: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
        """Shape: see `LoopCell`."""
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

    def backward(self, position: int, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """Shape: see `LoopCell`."""
        gates, candidate, bent = self.kept[position]
        size = grad.shape[1]
        enter, forget, _, leave = gates.split(size, 1)
        through = grad * leave  # (B, H)
        cell = torch.addcmul(through, through * bent, bent, value=-1)
        if self.grad_cell is not None and position + 1 < len(self.kept):
            cell += self.grad_cell
        slopes = torch.addcmul(gates, gates, gates, value=-1)  # (B, 4 * H): s - s^2
        sums = torch.empty_like(gates)
        torch.mul(cell, candidate, out=sums[:, :size])
        torch.mul(cell, self.cells[position], out=sums[:, size : 2 * size])
        torch.mul(cell * 4, enter, out=sums[:, 2 * size : 3 * size])
        torch.mul(grad, bent, out=sums[:, 3 * size :])
        sums.mul_(slopes)
        self.grad_cell = cell.mul_(forget)
        return sums, sums, None

    def state_grads(self) -> tuple[Tensor]:
        """Shape: (B, H)."""
        assert self.grad_cell is not None
        return (self.grad_cell,)


CELL = Cell(
    name="lstm",
    gates=4,
    step=step,
    state_parts=2,
    gate_values=gate_values,
    candidates=frozenset({"g"}),
    initialize=initialize,
    kernel=torch.lstm,
    step_kernel=torch.lstm_cell,
    padding_sums=padding_sums,
    loop=lambda state: LstmLoop(state[1]),
    optimized=OptimizedStep(optimized_step, doubled=2, bounded=True),
)
