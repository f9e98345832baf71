"""What a recurrent cell is: `Cell`.

A cell works on two sums for its gates: `given`, what its input adds up to, and `recurrent`, what its previous
hidden state adds up to. Products with weights are the layer's business
(`seqweave.model.recurrent.encoder.RecurrentLayer`).

Its equations stand once, in `step`, and serve every use. Whatever else a cell has is the same equations in a
quicker form, which tests hold against `step`. Where a cell has no such form, `step` is repeated in its place,
and one line in the log says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from seqweave.model.kernels.cells import StartLoop
from seqweave.model.kernels.fused import FusedKernel

States = tuple[Tensor, ...]
"""The state of a layer: the hidden state, which is also its output, first. Shape: each (R, H)."""

_LOGGER = logging.getLogger("seqweave")


class Weights(NamedTuple):
    """The parameters of a layer with G = gates * H. Shape: (G, M), (G, H), (G,), (G,)."""

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor


class Recurrence(Protocol):
    """The optimized product with a layer's hidden state."""

    def __call__(self, hidden: Tensor, /) -> Tensor:
        """Shape: (R, H) -> (R, G), a new tensor."""
        ...

    def add(self, hidden: Tensor, given: Tensor, /) -> Tensor:
        """The product without a bias, plus `given`. Shape: (R, H), (R, G) -> (R, G), a new tensor."""
        ...


@dataclass(frozen=True)
class OptimizedStep:
    """A step with every constant folded into the weights: see `seqweave.model.optimized.cells`.

    Attributes:
        step: from half the hidden state, and twice any other part of the state, to the same of the next position.
            Shape: given (R, G), each (R, H) -> each (R, H).
        doubled: the gate whose sums come doubled, since it is a tanh by way of a sigmoid; None: there is none.
        own_bias: the recurrent bias of that gate is the recurrence's, called without `given`; else all biases
            are in `given`.
        bounded: hidden states lie between -1 and 1, as products in 8 bits want it.
    """

    step: Callable[[Recurrence, Tensor, States], States]
    doubled: int | None = None
    own_bias: bool = False
    bounded: bool = False


def no_gates(given: Tensor, recurrent: Tensor) -> dict[str, Tensor]:
    """The gates of a cell that has none to show."""
    return {}


def xavier_and_orthogonal(weights: Weights) -> None:
    """Each gate for itself: Xavier for the input, orthogonal for the recurrence (Saxe et al. 2014); biases stay 0."""
    size = weights.weight_hh.shape[1]
    for first in range(0, len(weights.weight_hh), size):
        nn.init.xavier_uniform_(weights.weight_ih[first : first + size])
        nn.init.orthogonal_(weights.weight_hh[first : first + size])


@dataclass(frozen=True)
class Cell:
    """A recurrent cell.

    Attributes:
        name: as in the config.
        gates: G / H, blocks of rows in the weights.
        step: the equations. Shape: given, recurrent (R, G), state each (R, H) -> each (R, H).
        state_parts: tensors in the state; the first is the hidden state.
        gate_values: named values of the gates, for looking inside. Shape: given, recurrent (N, G) -> each (N, H).
        candidates: those of its gates that go from -1 to 1; the others go from 0 to 1.
        initialize: fills the weights of a new layer, whose biases are 0.
        kernel: torch's function for whole sequences, such as `torch.gru`.
        step_kernel: torch's function for one position, such as `torch.gru_cell`.
        padding_sums: what one more input feature, 1 at padding, must add to the sums for the state's parts after
            the hidden one to stay as they are, bit for bit; a cell with more than one part and a kernel needs it.
            Shape: weight_ih (G, M) -> (G,).
        loop: the cell over one sequence with its derivative written out.
        optimized: the step of search, with optimized weights.
    """

    name: str
    gates: int
    step: Callable[[Tensor, Tensor, States], States]
    state_parts: int = 1
    gate_values: Callable[[Tensor, Tensor], dict[str, Tensor]] = no_gates
    candidates: frozenset[str] = frozenset()
    initialize: Callable[[Weights], None] = xavier_and_orthogonal
    kernel: FusedKernel | None = None
    step_kernel: Callable[..., Tensor | tuple[Tensor, ...]] | None = None
    padding_sums: Callable[[Tensor], Tensor] | None = None
    loop: StartLoop | None = None
    optimized: OptimizedStep | None = None

    def runs_fused(self, padded: bool) -> bool:
        """Whether `kernel` can run a whole sequence, with padding or without."""
        return self.kernel is not None and (not padded or self.state_parts == 1 or self.padding_sums is not None)


@cache
def tell_slow_path(cell: str, form: str) -> None:
    """One line in the log, once for each cell and form: which quicker form is missing."""
    _LOGGER.warning("the cell %s has no %s: it runs position by position, which is slower", cell, form)
