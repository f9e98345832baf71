"""The benches of folders and loads, at the smallest size that says something."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RELIABILITY = Path(__file__).resolve().parents[2] / "bench" / "reliability"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX only")


def run(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RELIABILITY / name), *options]
    path = os.pathsep.join(one for one in sys.path if one)
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}, timeout=300
    )


@pytest.mark.slow
def test_loads_while_weights_are_replaced() -> None:
    done = run("loads.py", "--loads", "12")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 loads while the weights are replaced: 0 failed, 0 mixed or older" in done.stdout


@pytest.mark.slow
def test_folders_that_were_changed_or_made_up() -> None:
    """Nothing is said of the time: the machine may do other things."""
    done = run("folders.py", "--changes", "6", "--made-up", "6", "--seconds", "60")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 changes of a finished folder: 6 refused" in done.stdout
    assert "6 made-up folders with fitting sums: 6 refused" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["loads.py", "folders.py"])
def test_help(name: str) -> None:
    assert "usage:" in run(name, "--help").stdout
