"""Small sizes of the benches of kills, interrupted runs and locks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RELIABILITY = Path(__file__).resolve().parents[2] / "bench" / "reliability"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="they fork")


def output_of(script: str, *words: str) -> str:
    """What a script prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, str(RELIABILITY / script), *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("script", ["kills.py", "interrupted.py", "lock.py"])
def test_help(script: str) -> None:
    assert f"python bench/reliability/{script}" in output_of(script, "--help")


def test_races() -> None:
    found = output_of("lock.py", "--races", "12", "--starters", "3")
    assert "12 races of 3 starters: 36 starters held the lock, double holds 0, races that nobody won 0" in found


@pytest.mark.slow
@pytest.mark.parametrize("start", ["restart", "more"])
def test_kills(tmp_path: Path, start: str) -> None:
    found = output_of("kills.py", "--only", start, "--every", "100", "--random", "0", "--out", str(tmp_path / "out"))
    assert "stuck 0, old models lost 0, other ends 0" in found


@pytest.mark.slow
def test_changes() -> None:
    assert output_of("interrupted.py", "--changes", "2").startswith("2 changes: ")
