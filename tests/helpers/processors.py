"""What this processor cannot run, for tests that need it."""

from __future__ import annotations

import pytest
import torch

from seqweave.config import Cell
from seqweave.model.precision import runs_in


def need_bf16(cell: Cell | None = "lstm") -> None:
    """Skip a test where bf16 autocast cannot train layers of a cell (None: networks without one)."""
    if not runs_in(torch.bfloat16, cell, torch.device("cpu")):
        pytest.skip(f"this processor cannot train {cell or 'a network'} in bf16")
