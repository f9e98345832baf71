"""The role of a recurrent cell in a loop whose derivative is written out (`stacks`, `loops`).

A cell gets two sums for its gates: `given`, what its input adds up to, and `recurrent`, what its previous
hidden state adds up to. Products with weights are not its business. The cells themselves are in
`seqweave.model.cells`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor


class LoopCell(Protocol):
    """A cell over the positions of one sequence: it keeps what its derivative needs, for each of them."""

    def forward(self, position: int, given: Tensor, recurrent: Tensor, hidden: Tensor) -> Tensor:
        """The next hidden state. Shape: given, recurrent (B, G), previous hidden (B, H) -> (B, H)."""
        ...

    def backward(self, position: int, grad: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """From the gradient of a position's hidden state to those of what made it; positions come last to first.

        Shape: grad (B, H) -> given (B, G), recurrent (B, G), previous hidden state other than through
        `recurrent` (B, H) or None.
        """
        ...

    def state_grads(self) -> tuple[Tensor, ...]:
        """After the first position: gradients of the first state's parts after the hidden one. Shape: each (B, H)."""
        ...


StartLoop = Callable[[tuple[Tensor, ...]], LoopCell]
"""From the first state of a layer (each (B, H)) to its cell over one sequence."""
