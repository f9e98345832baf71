"""What surrounds a command: streams that are closed or go away, and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest

from seqweave.cli.process import Signals, Unbreakable
from seqweave.errors import Interrupted


def broken_pipe() -> TextIO:
    """A stream whose reader has ended."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", encoding="utf-8", buffering=1)


def test_a_reader_that_ends_is_no_error() -> None:
    with broken_pipe() as stream:
        unbreakable = Unbreakable(stream)
        for _ in range(3):
            print("a line", file=unbreakable, flush=True)
        unbreakable.writelines(["more\n"])
        assert not unbreakable.isatty()


def test_a_full_device_is_no_error() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with Path("/dev/full").open("w", encoding="utf-8") as stream:
        print("a line", file=Unbreakable(stream), flush=True)


def test_a_closed_stream_is_no_error() -> None:
    stream = broken_pipe()
    unbreakable = Unbreakable(stream)
    stream.close()
    print("a line", file=unbreakable, flush=True)
    assert not unbreakable.isatty()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_is_an_interruption_with_its_number(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Signals() as signals:
        with pytest.raises(Interrupted) as caught:
            os.kill(os.getpid(), number)
        assert (caught.value.exit_code, signals.number) == (128 + number, number)
    assert signal.getsignal(number) == before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_files_do_not_take_the_numbers_of_closed_streams(tmp_path: Path) -> None:
    """What a library writes to stderr would be written into them."""
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from seqweave.cli.process import occupy_closed_streams\n"
        "occupy_closed_streams()\n"
        "file = Path(sys.argv[1]).open('w')\n"
        "os.write(2, b'a warning')\n"
        "file.write(str(file.fileno() > 2))\n"
        "print('lost'), print('lost', file=sys.stderr), sys.stdin.read()\n"
    )
    words = ["bash", "-c", 'exec 0<&- 1>&- 2>&-; exec "$@"', "bash", sys.executable, "-c", program]
    assert subprocess.run([*words, str(tmp_path / "file")], check=False).returncode == 0
    assert (tmp_path / "file").read_text(encoding="utf-8") == "True"
