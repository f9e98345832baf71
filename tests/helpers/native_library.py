"""The engine as a library for tests, compiled with the system's C compiler and kept beside pytest's cache."""

from __future__ import annotations

import ctypes
import importlib.util
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


def built() -> Path:
    """The path of a library that also has what tests call: native/testing.c and tests/engine/stepping.c.

    The test is skipped where there is no compiler. Optimized a little only, which compiles in half the time.
    """
    build = native_build()
    if build.find_compiler() is None:
        pytest.skip("there is no C compiler here")
    path: Path = ROOT / ".pytest_cache" / "native" / build.library_name()
    files = [ROOT / "native" / "testing.c", ROOT / "tests" / "engine" / "stepping.c"]
    failed = build.build(path, ["-O1", "-DSW_TESTING", f"-I{ROOT / 'native'}"], files)
    assert failed is None, failed
    return path


def library() -> ctypes.CDLL:
    """That library, without any declarations; every caller has its own."""
    return ctypes.CDLL(str(built()))
