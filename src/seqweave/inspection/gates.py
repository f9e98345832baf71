"""Gate values and states, computed again from a recurrent layer's weights.

A gate depends on the layer's input and its state before the step only, so what a run left behind is
enough. Names and order of the gates are those of the cell (`seqweave.model.cells`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from seqweave.model.cells import CELLS
from seqweave.model.recurrent.encoder import RecurrentLayer

CANDIDATES = frozenset().union(*(cell.candidates for cell in CELLS.values()))
"""Names of gates from -1 to 1; the others go from 0 to 1."""


def gate_values(layer: RecurrentLayer, inputs: Tensor, hidden: Tensor) -> dict[str, Tensor]:
    """The gates of N positions. Shape: inputs (N, M), hidden before each (N, H) -> each (N, H)."""
    return layer.cell.gate_values(*layer.sums(inputs, hidden))


def before(hidden: Tensor) -> Tensor:
    """The state before each position of a run that started at zero. Shape: (N, H) -> (N, H)."""
    return torch.cat([torch.zeros_like(hidden[:1]), hidden[:-1]])


def cell_states(layer: RecurrentLayer, inputs: Tensor, hidden: Tensor) -> Tensor | None:
    """The second part of the state (an LSTM's cell state) at each position of a run that started at zero.

    None where the cell has no such part. Shape: inputs (N, M), hidden after each (N, H) -> (N, H).
    """
    if layer.state_parts == 1:
        return None
    kept: list[Tensor] = []
    given, recurrent = (sums.split(1) for sums in layer.sums(inputs, before(hidden)))  # (1, gates * H) each
    state = layer.zero_state(1, hidden)
    for sums in zip(given, recurrent, strict=True):
        state = layer.cell.step(*sums, state)
        kept.append(state[1])
    return torch.cat(kept)  # (N, H)
