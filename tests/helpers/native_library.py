"""The engine as a library for tests, compiled with the system's C compiler and kept beside pytest's cache."""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@cache
def native_build() -> ModuleType:
    """`native/build.py`."""
    spec = importlib.util.spec_from_file_location("native_build", ROOT / "native" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def built(name: str = "engine", more: Sequence[str] = (), files: Sequence[Path] = ()) -> Path:
    """The path of a library with more options or C files; the test is skipped where there is no compiler."""
    build = native_build()
    if build.find_compiler() is None:
        pytest.skip("there is no C compiler here")
    path: Path = ROOT / ".pytest_cache" / "native" / name / build.library_name()
    failed = build.build(path, more, files)
    assert failed is None, failed
    return path


@cache
def library() -> ctypes.CDLL:
    """The engine, without any declarations."""
    return ctypes.CDLL(str(built()))
