"""The benches of dirty files and of large ones run, and find nothing wrong at a small size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from quick import slow

BENCH = Path(__file__).resolve().parents[2] / "bench" / "reliability"


@pytest.mark.parametrize(
    ("script", "options", "said"),
    [
        slow("dirty.py", [], "most memory for one file"),
        slow("corpus.py", ["--dirty"], "2,000 pairs, dirty: {"),
        slow("corpus.py", ["--dirty", "--of", "check"], '"check_mib"'),
        slow("corpus.py", ["--of", "split"], '"split_mib"'),
    ],
)
def test_the_bench_runs(script: str, options: list[str], said: str) -> None:
    if script == "corpus.py" and not Path("/proc/self/status").exists():
        pytest.skip("measures memory as Linux counts it")
    command = [sys.executable, str(BENCH / script), "--quick", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
