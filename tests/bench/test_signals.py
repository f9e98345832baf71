"""bench/reliability/signals.py at its smallest: trials are judged, and there are no faults."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_trials_of_signals(root: Path, tmp_path: Path) -> None:
    script = root / "bench" / "reliability" / "signals.py"
    words = [sys.executable, str(script), "--only", "twice", "--size", "1", "--steps", "10"]
    done = subprocess.run([*words, "--json", str(tmp_path / "found.json")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    trials = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["twice"]
    assert [trial["name"] for trial in trials] == ["SIGINT twice", "SIGTERM twice", "SIGHUP twice"]
    assert [trial["faults"] for trial in trials] == [[], [], []]
    assert "twice: 3 trials, exit codes" in done.stdout
