"""Which cases of a parametrized test always run; the others wait for --slow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def quick_are(quick: Iterable[str], names: Iterable[str]) -> list[Any]:
    """All the names as cases, of which only some are quick: kinds of fault, where each of these names stands for its
    neighbours."""
    chosen, every = {*quick}, [*names]
    assert chosen <= {*every}, f"no such cases: {sorted(chosen - {*every})}"
    return [pytest.param(name, id=name, marks=() if name in chosen else pytest.mark.slow) for name in every]


def slow(*values: object) -> Any:
    """One case that is slow."""
    return pytest.param(*values, marks=pytest.mark.slow)
