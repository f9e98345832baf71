"""An attention matrix as text: a row for each target token, a column of two places for each source token.

Source tokens stand above their column, written downwards. Shades are quarters of the weight range
0 to 1. A matrix too wide for the terminal is cut into panels below each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqweave.errors import ConfigError
from seqweave.inspection.labels import check_shape, label_of, width_of

SHADES = " ░▒▓█"
CELL = 2  # columns: one wide character, or one narrow and a blank
MAX_LABEL = 16  # columns of a target token
MAX_HEIGHT = 12  # lines of a source token
MIN_WIDTH = MAX_LABEL + 1 + CELL


def render_attention(
    weights: NDArray[np.floating], source_tokens: Sequence[str], target_tokens: Sequence[str], width: int = 80
) -> str:
    """Draw attention weights (T, S), each in 0 to 1, as text of at most `width` columns.

    Raises:
        ConfigError: when `width` is too small for any column.
        DataError: when the shape of `weights` is not (len(target_tokens), len(source_tokens)).
    """
    check_shape(weights.shape, len(source_tokens), len(target_tokens))
    if width < MIN_WIDTH:
        raise ConfigError(f"width must be {MIN_WIDTH} columns or more to draw attention, but it is {width}; widen it")
    names = [_cut(label_of(token), MAX_LABEL) for token in target_tokens]
    margin = max(width_of(name) for name in names)
    columns = [label_of(token) for token in source_tokens]
    panel = (width - margin - 1) // CELL
    panels = []
    for start in range(0, len(columns), panel):
        head = [" " * (margin + 1) + line for line in _header(columns[start : start + panel])]
        rows = [
            " " * (margin - width_of(name)) + name + " " + _shades(row[start : start + panel])
            for name, row in zip(names, weights, strict=True)
        ]
        panels.append("\n".join(line.rstrip() for line in head + rows))
    return "\n\n".join(panels)


def _header(labels: Sequence[str]) -> list[str]:
    """Labels written downwards, ending on the same line."""
    stacks = [_stack(label) for label in labels]
    height = max(len(stack) for stack in stacks)
    full = [[""] * (height - len(stack)) + stack for stack in stacks]
    return ["".join(cell + " " * (CELL - width_of(cell)) for cell in line) for line in zip(*full, strict=True)]


def _stack(label: str) -> list[str]:
    """The characters of a label, combining ones with the one before."""
    cells: list[str] = []
    for character in label:
        if cells and width_of(character) == 0:
            cells[-1] += character
        else:
            cells.append(character)
    return cells if len(cells) <= MAX_HEIGHT else [*cells[: MAX_HEIGHT - 1], "…"]


def _shades(row: NDArray[np.floating]) -> str:
    levels = np.rint(np.clip(np.nan_to_num(row), 0, 1) * (len(SHADES) - 1)).astype(int)
    return "".join(SHADES[level] * CELL for level in levels)


def _cut(text: str, width: int) -> str:
    if width_of(text) <= width:
        return text
    kept = ""
    for character in text:
        if width_of(kept + character) > width - 1:
            break
        kept += character
    return kept + "…"
