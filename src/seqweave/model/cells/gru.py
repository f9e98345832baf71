"""The gated recurrent unit of Cho et al. 2014, eqs. 5-8.

The reset gate is applied after the recurrent product, as torch and cuDNN do. Gates, in torch's order: `r` reset,
`z` update (1 keeps the old state), `n` candidate.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqweave.model.cells.base import Cell, OptimizedStep, Recurrence, States
from seqweave.model.kernels.activations import fast_tanh


def gate_values(given: Tensor, recurrent: Tensor) -> dict[str, Tensor]:
    """The gates. Shape: see `Cell`."""
    (given_r, given_z, given_n), (kept_r, kept_z, kept_n) = given.chunk(3, -1), recurrent.chunk(3, -1)  # (N, H)
    r = (given_r + kept_r).sigmoid()
    return {"r": r, "z": (given_z + kept_z).sigmoid(), "n": (given_n + r * kept_n).tanh()}


def step(given: Tensor, recurrent: Tensor, state: States) -> States:
    """`h' = (1 - z) n + z h`. Shape: see `Cell`."""
    gates = gate_values(given, recurrent)
    return ((1 - gates["z"]) * gates["n"] + gates["z"] * state[0],)


def optimized_step(recurrence: Recurrence, given: Tensor, parts: States) -> States:
    """Shape: see `OptimizedStep`."""
    own = recurrence(parts[0])  # (R, 3 * H)
    both = 2 * parts[0].shape[1]
    reset, update = own[:, :both].add_(given[:, :both]).sigmoid_().chunk(2, 1)
    new = torch.addcmul(given[:, both:], reset, own[:, both:]).sigmoid_().sub_(0.5)
    return (torch.lerp(new, parts[0], update),)


class GruLoop:
    """The cell over one sequence, with its derivative, as `h' = n + z * (h - n)`; methods as in `LoopCell`."""

    def __init__(self) -> None:
        self.kept: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    def forward(self, position: int, given: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
        """Shape: see `LoopCell`."""
        size = hidden.shape[1]
        gates = (given[:, : 2 * size] + recurrent[:, : 2 * size]).sigmoid_()  # (B, 2 * H)
        reset, update = gates.split(size, 1)
        inner = recurrent[:, 2 * size :]  # (B, H)
        candidate = fast_tanh(torch.addcmul(given[:, 2 * size :], reset, inner))  # (B, H)
        change = hidden - candidate  # (B, H)
        self.kept.append((gates, inner, candidate, change))
        return torch.addcmul(candidate, update, change)

    def backward(self, position: int, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shape: see `LoopCell`."""
        gates, inner, candidate, change = self.kept[position]
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


CELL = Cell(
    name="gru",
    gates=3,
    step=step,
    gate_values=gate_values,
    candidates=frozenset({"n"}),
    kernel=torch.gru,
    step_kernel=torch.gru_cell,
    loop=lambda state: GruLoop(),
    optimized=OptimizedStep(optimized_step, doubled=2, own_bias=True, bounded=True),  # `r` multiplies this bias too
)
