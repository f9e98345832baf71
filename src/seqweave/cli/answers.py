"""Where `seqweave predict` writes its answers: stdout, or a file that always ends with a whole line."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from seqweave.cli.common import note
from seqweave.cli.terminal import raw_stderr
from seqweave.errors import ConfigError
from seqweave.wording import count


class Answers:
    """A context that takes whole lines and says how many there are when it is left early.

    Args:
        path: the file to write, which must not exist; None: stdout.

    Attributes:
        number: sources answered so far.

    Raises:
        ConfigError: when the file exists, or its folder does not.
    """

    def __init__(self, path: Path | None):
        self.number = 0
        self._path = path
        self._file: BinaryIO | None = None
        if path is not None:
            _check_new(path)

    def __enter__(self) -> Answers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.write("", 0)  # the file is there even if there is nothing in it
        if self._file is not None:
            self._file.close()
        if kind is not None and (self.number or not issubclass(kind, Exception)):
            place = "" if self._path is None else f"; {self._path} holds their outputs"
            note(f"{count(self.number, 'source')} answered before that{place}")

    def write(self, text: str, sources: int) -> None:
        """Write whole lines, the outputs of so many sources more.

        Raises:
            OSError: when they cannot be written; of the file nothing of them is left.
            ConfigError: when the file has come into being meanwhile.
        """
        if self._path is None:
            self.number += sources  # before somebody who got the answer can interrupt
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        if self._file is None:
            self._file = _opened(self._path)
        _append(self._file, text.encode("utf-8", "replace"))
        self.number += sources


def shows_progress(path: Path | None) -> bool:
    """Whether progress may be drawn: stderr is a terminal, and the answers go into a file, not to somebody's eyes."""
    if not sys.stderr.isatty():
        return False
    if path is not None:
        return True
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def progress(total: int | None, shown: bool) -> Iterator[Callable[[int], None]]:
    """A bar on stderr with the time left, moved on by what it gives; nothing where it is not shown.

    Args:
        total: sources to answer; None where nobody knows.
        shown: whether there is a bar.
    """
    if not shown:
        yield lambda number: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("answered"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=raw_stderr()), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda number: bar.advance(task, number)


def _check_new(path: Path) -> None:
    if path.is_dir():
        raise ConfigError(f"-o must name a file, but {path} is a folder: name a file in it")
    if path.exists() and path.is_file():
        raise ConfigError(f"-o must name a new file, but {path} exists: name another, or remove it first")
    if not path.parent.is_dir():
        raise ConfigError(f"-o must name a file in a folder that exists, but {path.parent} does not: make it first")


def _opened(path: Path) -> BinaryIO:
    """The file, new; what is there and no regular file, such as /dev/null, is written to."""
    try:
        return path.open("xb" if path.is_file() or not path.exists() else "wb", buffering=0)
    except FileExistsError:
        _check_new(path)
        raise


def _append(file: BinaryIO, content: bytes) -> None:
    """Write everything or, where the disk refuses, nothing."""
    begin = file.tell() if file.seekable() else None
    rest = memoryview(content)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError:
        if begin is not None:
            file.truncate(begin)
        raise
