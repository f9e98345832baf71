"""Recurrent cells: a file each, found by its name in the config.

Another cell is one file here, which defines `CELL`, and its name in `Cell` of `seqweave/config/model.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import get_args

from seqweave.config import Cell as CellName
from seqweave.model.cells.base import Cell


def cell_named(name: str) -> Cell:
    """The cell of a name.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in CELLS:
        raise ValueError(f"there is no recurrent cell {name!r}; there are: {', '.join(CELLS)}")
    return CELLS[name]


def _found() -> dict[str, Cell]:
    return {name: import_module(f"{__name__}.{name}").CELL for name in get_args(CellName)}


CELLS: Mapping[str, Cell] = _found()
"""All cells, by the name that the config has for them."""
