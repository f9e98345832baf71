"""What a table of timings needs beside it: the machine, the versions, the commit."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def processor() -> str:
    """The processor's name and family, and what it has of wide and bf16 instructions."""
    path = Path("/proc/cpuinfo")
    facts: dict[str, str] = {}
    for line in path.read_text().split("\n") if path.is_file() else []:
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    flags = facts.get("flags", "").split()
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    name = facts.get("model name", platform.processor() or platform.machine())
    family = f", family {facts['cpu family']} model {facts.get('model')}" if "cpu family" in facts else ""
    return f"{name}{family}, {' '.join(wide) or 'no wide instructions known'}"


def memory_gib() -> float:
    """Main memory in GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def commit() -> str:
    """The checkout's commit, with `+` where tracked files differ from it; `unknown` without git."""

    def git(*words: str) -> str:
        try:
            done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        except OSError:  # there is no git
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if git("status", "--porcelain", "-uno") else "")


def describe(threads: int) -> list[str]:
    """Lines for the head of a report."""
    import torch

    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return [
        f"machine: {processor()}; {os.cpu_count()} cores, {memory_gib():.0f} GiB{gpu}",
        f"software: {platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, seqweave at {commit()}",
        f"threads: {threads}",
    ]
