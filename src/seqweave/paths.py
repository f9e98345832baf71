"""The paths that Python functions are given, and a sentence for what is none."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seqweave.errors import ConfigError


def path_of(value: Any, what: str, remedy: str = "give text or a pathlib.Path") -> Path:
    """A path from what a caller gave.

    Args:
        value: text, or an object that stands for a path.
        what: names it in the error.
        remedy: what to do where it is none.

    Raises:
        ConfigError: when it is no path, or holds a zero byte, which no path can.
    """
    if not isinstance(value, str | os.PathLike) or isinstance(path := os.fspath(value), bytes):
        raise ConfigError(f"{what} must be a path, but it is {_kind(value)}: {remedy}")
    if "\0" in path:
        raise ConfigError(f"{what} must be a path, but {path!r} holds a zero byte: check the path")
    return Path(path)


def folders_of(value: Any) -> list[Path]:
    """One model folder, or those of an ensemble.

    Raises:
        ConfigError: when it is neither a path nor a list of paths, or the list is empty.
    """
    if isinstance(value, str | os.PathLike) or not isinstance(value, Iterable):
        return [path_of(value, "a model folder", "give the folder that `seqweave train -o` wrote")]
    folders = [path_of(one, "a model folder", "give folders that `seqweave train -o` wrote") for one in value]
    if not folders:
        raise ConfigError("an ensemble must have at least one model folder, but the list is empty: name its folders")
    return folders


def _kind(value: Any) -> str:
    """What a value is, in a word or two: `None`, `a list`, `an int`."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"a{'n' if name[0].lower() in 'aeiou' else ''} {name}"
