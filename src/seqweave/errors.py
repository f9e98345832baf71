"""Every error seqweave raises for a user's mistake.

    SeqweaveError
    ├── ConfigError        a setting is wrong, or settings contradict each other
    ├── DataError          an input file or line is wrong (carries path and line)
    ├── ModelFolderError   a model folder is missing, incomplete, damaged or of another kind
    └── LimitError         a limit (length, time, memory, disk) was exceeded

A signal that ends a command is no error: `Interrupted` is a `KeyboardInterrupt`, which `except Exception` lets pass.

A message says which thing, what it must be, what it is, where, and what to do. The command
line prints it as one sentence and exits with code 2; anything else that escapes is a bug.
"""

from __future__ import annotations

import signal
from pathlib import Path


class SeqweaveError(Exception):
    """Base of all errors that a user can correct."""


class ConfigError(SeqweaveError):
    """A setting is wrong, unknown, or contradicts another; all problems are listed at once."""


class DataError(SeqweaveError):
    """An input file or line is wrong; `path` and `line` (1-based) say where, when known."""

    def __init__(self, message: str, path: Path | str | None = None, line: int | None = None):
        self.path = path
        self.line = line
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(place + message)


class ModelFolderError(SeqweaveError):
    """A model folder is missing, incomplete, damaged, or not what is asked for."""


class LimitError(SeqweaveError):
    """A limit on length, time, memory or disk was exceeded."""


class Interrupted(KeyboardInterrupt):
    """A signal asked to stop at once; `number` says which, the message what it means for what was done."""

    def __init__(self, number: int = signal.SIGINT, message: str = "interrupted"):
        self.number = number
        super().__init__(message)

    @property
    def exit_code(self) -> int:
        """130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP, as shells count."""
        return 128 + self.number
