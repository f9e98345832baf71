"""What the tests of the engine share."""

from __future__ import annotations

import ctypes

import pytest

from native_library import library


@pytest.fixture(scope="session")
def engine_library() -> ctypes.CDLL:
    return library()
