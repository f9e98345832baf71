"""What people read on a terminal: nothing in it that the terminal would obey, whatever data or a folder hold."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from seqweave.wording import visible


class VisibleStream:
    """A text stream that writes out what a terminal would obey (`seqweave.wording.visible`); the rest is the stream's.

    Args:
        stream: where the text goes.

    Attributes:
        stream: the same, for what is meant for the terminal, such as a bar of progress.
    """

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> int:
        """Write a text, and give its length."""
        self.stream.write(visible(text))
        return len(text)

    def writelines(self, texts: list[str]) -> None:
        """Write each text."""
        for text in texts:
            self.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


@contextmanager
def visible_streams() -> Iterator[None]:
    """While it lasts, stderr shows escapes instead of passing them on, and so does stdout where it is a terminal.

    What goes to a file or into a pipe from stdout is data and stays as it is; stderr is for people wherever it goes.
    """
    before = sys.stdout, sys.stderr
    if sys.stdout.isatty():
        sys.stdout = cast(TextIO, VisibleStream(sys.stdout))
    sys.stderr = cast(TextIO, VisibleStream(sys.stderr))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def raw_stderr() -> TextIO:
    """The stream under `sys.stderr`, for what draws on the terminal itself."""
    return sys.stderr.stream if isinstance(sys.stderr, VisibleStream) else sys.stderr
