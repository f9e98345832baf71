"""What data and folders hold reaches a terminal without its escapes, and a file or a pipe as it is."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest

from seqweave.cli.terminal import VisibleStream, raw_stderr, visible_streams
from seqweave.wording import visible

pty = pytest.importorskip("pty")
EVIL = "b\x1b[2J\x1b]0;owned\x07\x9b31m\u202eRED"


class Terminal(io.StringIO):
    """A text stream that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


def test_what_is_obeyed_is_written_out() -> None:
    assert visible(EVIL) == r"b\x1b[2J\x1b]0;owned\x07\x9b31m\u202eRED"
    assert visible("a\rb\x7f") == r"a\rb\x7f"
    assert visible("a\tb\nc é 猫 \u200f") == "a\tb\nc é 猫 \u200f"


@pytest.mark.parametrize("stdout", [Terminal(), io.StringIO()], ids=["terminal", "pipe"])
def test_streams_while_a_command_runs(monkeypatch: pytest.MonkeyPatch, stdout: TextIO) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", stderr)
    with visible_streams():
        sys.stdout.write(EVIL)
        sys.stderr.write(EVIL)
        sys.stderr.writelines(["\n", EVIL])
        assert isinstance(sys.stderr, VisibleStream)
        assert raw_stderr() is stderr
    assert sys.stdout is stdout
    assert raw_stderr() is stderr
    assert isinstance(stdout, io.StringIO)
    assert stdout.getvalue() == (visible(EVIL) if stdout.isatty() else EVIL)
    assert stderr.getvalue() == visible(EVIL) + "\n" + visible(EVIL)


def on_a_terminal(*words: str) -> bytes:
    """All that a command writes to a terminal."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "seqweave", *words]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=its, stderr=its)
    os.close(its)
    shown = b""
    try:
        while block := os.read(ours, 1 << 16):
            shown += block
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    process.wait()
    return shown


@pytest.mark.slow
def test_check_on_a_terminal(tmp_path: Path) -> None:
    pairs = tmp_path / "esc.tsv"
    pairs.write_text(f"a\x1b]0;owned\x07\t{EVIL}\nc\td\n", encoding="utf-8")
    shown = on_a_terminal("check", str(pairs))
    assert b"RED" in shown
    assert not set(shown) & {0x1B, 0x07}
    assert b"\xc2\x9b" not in shown


@pytest.mark.slow
def test_a_sentence_and_help_on_a_terminal() -> None:
    shown = on_a_terminal("check", "no\x1b[31mfile")
    assert rb"no\x1b[31mfile" in shown
    assert b"\x1b" not in shown
    assert b"Usage" in on_a_terminal("check", "--help")
