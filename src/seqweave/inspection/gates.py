"""Gate values, computed again from a recurrent layer's weights, for all positions at once.

A gate depends on the layer's input and its state before the step only, so what a run left behind is
enough. Names and order are those of torch:

- `lstm`: `i` input, `f` forget, `g` candidate (tanh), `o` output (Hochreiter & Schmidhuber 1997; Gers et al. 2000);
- `gru`: `r` reset, `z` update, `n` candidate (tanh) (Cho et al. 2014, eqs. 5-8; `z` keeps the old state);
- `rnn`: none.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from seqweave.model.recurrent.encoder import RecurrentLayer

GATE_NAMES = {"lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n"), "rnn": ()}
CANDIDATES = frozenset({"g", "n"})  # tanh, from -1 to 1; the others are sigmoids


def gate_values(layer: RecurrentLayer, inputs: Tensor, hidden: Tensor) -> dict[str, Tensor]:
    """The gates of N positions. Shape: inputs (N, M), hidden before each (N, H) -> each (N, H)."""
    if layer.cell == "rnn":
        return {}
    given = functional.linear(inputs, layer.weight_ih, layer.bias_ih)  # (N, gates * H)
    kept = functional.linear(hidden, layer.weight_hh, layer.bias_hh)  # (N, gates * H)
    if layer.cell == "lstm":
        i, f, g, o = (given + kept).chunk(4, -1)  # (N, H)
        return {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}
    (given_r, given_z, given_n), (kept_r, kept_z, kept_n) = given.chunk(3, -1), kept.chunk(3, -1)  # (N, H)
    r = (given_r + kept_r).sigmoid()
    return {"r": r, "z": (given_z + kept_z).sigmoid(), "n": (given_n + r * kept_n).tanh()}


def before(hidden: Tensor) -> Tensor:
    """The state before each position of a run that started at zero. Shape: (N, H) -> (N, H)."""
    return torch.cat([torch.zeros_like(hidden[:1]), hidden[:-1]])


def cell_states(gates: dict[str, Tensor]) -> Tensor | None:
    """An LSTM's cell states of a run that started at zero: c = f c' + i g. Shape: each (N, H) -> (N, H)."""
    if "f" not in gates:
        return None
    cells: list[Tensor] = []
    cell = torch.zeros_like(gates["f"][0])  # (H,)
    for forget, new in zip(gates["f"], gates["i"] * gates["g"], strict=True):
        cell = forget * cell + new
        cells.append(cell)
    return torch.stack(cells)  # (N, H)
