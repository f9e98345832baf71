"""The process of a command and what surrounds it: its streams, which may be closed or go away, and signals.

- stdout, stderr or stdin that is closed from the start is the null device, so that no file that is opened later gets
  its number: a library that writes to stderr would write into that file.
- Nobody has to read stderr. Where it cannot be written any more (a terminal that was closed, a full disk, a reader that
  has ended) what is said there is lost, and the command goes on.
- SIGTERM and SIGHUP end a command as Ctrl-C does: by an exception, so that it tidies up. What is ignored from the
  start, as `nohup` wants it of SIGHUP, stays ignored.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TextIO, cast

from seqweave.errors import Interrupted

ENDS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Unbreakable:
    """A text stream whose writes never fail: when the first one does, the null device takes its place."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> int:
        """Write text, or lose it."""
        try:
            return self.stream.write(text)
        except (OSError, ValueError):  # ValueError: it was closed
            lose(self.stream)
            return len(text)

    def flush(self) -> None:
        """Flush, or lose what was written."""
        try:
            self.stream.flush()
        except (OSError, ValueError):
            lose(self.stream)

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        with suppress(OSError, ValueError):
            return self.stream.isatty()
        return False

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def surroundings() -> Iterator[Signals]:
    """Streams and signals as a command needs them; afterwards they are as they were."""
    occupy_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError):  # another file may have taken the place of the first one
                stream.reconfigure(encoding="utf-8", errors="replace")
    before = sys.stderr
    sys.stderr = cast(TextIO, Unbreakable(before))
    try:
        with Signals() as signals:
            yield signals
    finally:
        sys.stderr = before


class Signals:
    """While a command runs, the signals of `ENDS` raise `Interrupted`.

    Attributes:
        number: the last one that came; None before.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            plain = (signal.SIG_DFL, signal.default_int_handler)
            ours = [number for number in ENDS if signal.getsignal(number) in plain]
            self._before = {number: signal.signal(number, self._end) for number in ours}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _end(self, number: int, _: FrameType | None) -> None:
        self.number = number
        raise Interrupted(number)


def occupy_closed_streams() -> None:
    """Give the null device the numbers 0 to 2 where they are free, and a stream to Python where it has none."""
    with suppress(OSError):
        number = os.open(os.devnull, os.O_RDWR)
        while number <= 2:
            number = os.open(os.devnull, os.O_RDWR)
        os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end


def lose(stream: TextIO) -> None:
    """Let a stream lead nowhere: what is still buffered has no reader, and Python would complain when it ends."""
    with suppress(OSError, ValueError):
        descriptor = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)
