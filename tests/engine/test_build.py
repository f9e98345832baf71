"""The engine is compiled where there is a compiler, and its absence is one sentence."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import ModuleType

import pytest

from native_library import native_build
from seqweave.engine.library import library_path


def test_the_library_tells_its_version(engine_library: ctypes.CDLL) -> None:
    engine_library.sw_instructions.restype = ctypes.c_char_p
    assert engine_library.sw_version() == 1
    assert engine_library.sw_instructions().decode()


def test_the_package_looks_where_it_is_built() -> None:
    assert native_build().default_place() == library_path()


def test_without_a_compiler_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = native_build()
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    said = build.build(tmp_path / build.library_name())
    assert said == "there is no C compiler (cc, gcc, clang): install one, or name one with $CC"
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    assert "the C compiler no-such-compiler does not run" in build.build(tmp_path / build.library_name())
    assert list(tmp_path.iterdir()) == []


def of_one_file(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`native/build.py` where the engine is one small file."""
    build = native_build()
    if build.find_compiler() is None:
        pytest.skip("there is no C compiler here")
    monkeypatch.setattr(build, "sources", lambda: [build.HERE / "memory.c"])
    return build


def test_what_the_compiler_says_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tmp_path / "wrong.c"
    wrong.write_text("int x = ;\n")
    build = of_one_file(monkeypatch)
    said = build.build(tmp_path / build.library_name(), (), [wrong])
    assert "failed: " in said
    assert "wrong.c:1" in said


def test_it_is_compiled_again_only_after_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = of_one_file(monkeypatch)
    library = tmp_path / build.library_name()
    assert build.build(library) is None
    first = library.stat().st_mtime_ns
    assert build.build(library) is None
    assert library.stat().st_mtime_ns == first
    assert build.build(library, ["-DOTHER=1"]) is None
    assert library.stat().st_mtime_ns != first
