"""The syntax trees of files of source, each parsed once by a process: several rules look at all of them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def tree_of(path: Path) -> ast.Module:
    """What a file holds."""
    return ast.parse(path.read_bytes())
