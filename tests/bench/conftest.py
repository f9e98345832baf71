"""The modules of bench/speed by name, as its scripts import each other."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

SPEED = Path(__file__).resolve().parents[2] / "bench" / "speed"
NAMES = {path.stem for path in SPEED.glob("*.py")}


@pytest.fixture(scope="session")
def speed() -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of bench/speed; its common names are gone again afterwards."""
    sys.path.insert(0, str(SPEED))
    yield importlib.import_module
    sys.path.remove(str(SPEED))
    for name in NAMES & set(sys.modules):
        del sys.modules[name]
