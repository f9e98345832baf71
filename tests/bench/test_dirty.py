"""The benches of dirty files and of large ones run, and find nothing wrong at a small size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from quick import quick_are

BENCH = Path(__file__).resolve().parents[2] / "bench" / "reliability"


@pytest.mark.parametrize("script", quick_are(["dirty.py"], ["dirty.py", "corpus.py"]))
def test_the_bench_runs(script: str) -> None:
    if script == "corpus.py" and not Path("/proc/self/status").exists():
        pytest.skip("measures memory as Linux counts it")
    options = ["--quick", "--dirty"] if script == "corpus.py" else ["--quick"]
    done = subprocess.run(
        [sys.executable, str(BENCH / script), *options], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert ("most memory for one file" if script == "dirty.py" else "2,000 pairs, dirty: {") in done.stdout
