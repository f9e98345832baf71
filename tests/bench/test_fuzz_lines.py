"""bench/reliability/fuzz_lines.py: its lines are what it says, and it finds faults."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "reliability" / "fuzz_lines.py"


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("fuzz_lines", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_lines"] = module  # where its dataclass looks for annotations
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fuzz_lines"]


def test_the_lines_are_lines_without_tabs(bench: ModuleType) -> None:
    lines = bench.fuzzed(2000, random.Random(1))
    assert len(lines) == 2000
    assert not any(b"\n" in line or b"\t" in line for line in lines)
    texts = bench.as_read(lines)
    assert any("\ufffd" in text for text in texts)
    assert any(not text.strip() for text in texts)
    assert len(bench.very_long(random.Random(1))) == 20_000
    assert lines == bench.fuzzed(2000, random.Random(1))


def test_faults_are_found(bench: ModuleType) -> None:
    assert bench.differing("file", ["a", "b"], ["a", "b"]) == []
    assert bench.differing("file", ["a"], ["a", "b"]) == ["file: 1 answers to 2 lines"]
    assert bench.differing("file", ["a", "c"], ["a", "b"]) == ["file: 1 answers differ, the first to line 2"]
    assert bench.answers_of(b"a\nb") == ["a", "b (no line end)"]
    assert bench.ending(0, b"seqweave: warning") == ""
    assert "exit code 2" in bench.ending(2, b"")
    assert "traceback" in bench.ending(0, b"Traceback (most recent")


@pytest.mark.slow
def test_all_four_ways(bench: ModuleType, tmp_path: Path) -> None:
    figures = bench.measure("char", 40, 3, 1, tmp_path)
    assert (figures.lines, figures.asked, figures.faults) == (40, 3, [])
