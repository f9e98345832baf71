"""What readers of all formats share: what they find in a record, and when it can be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from seqweave.config import DataConfig
from seqweave.data.dialect import Dialect
from seqweave.data.formats.report import EXAMPLE_CHARACTERS, DropReason, ReadReport
from seqweave.text.ends import trimmed


class Texts(NamedTuple):
    """The texts of a record that can be used."""

    source: str
    target: str
    features: tuple[str, ...] = ()


class Refused(NamedTuple):
    """Why a record cannot be used, and how it begins."""

    reason: DropReason
    text: str = ""


Found = Texts | Refused
Reader = Callable[[Path, Dialect, DataConfig, ReadReport], Iterator[tuple[int, Found]]]
"""Gives the number of each record and what it holds; counts lines in the report."""


def checked(source: str, target: str, features: tuple[str, ...] = (), *, trim: bool) -> Found:
    """The texts, without what is invisible at their ends, unless nothing is left of one."""
    if trim:
        source, target = trimmed(source), trimmed(target)
        features = tuple(map(trimmed, features))
    if not source or source.isspace():
        return Refused("empty_source", f"\t{target}")
    if not target or target.isspace():
        return Refused("empty_target", source)
    return Texts(source, target, features)


def decoded(line: bytes | None, former: bool = False) -> str | Refused:
    """A line as text, or why it cannot be used; a byte order mark at its start is none of it."""
    if line is None:
        return Refused("line_too_long")
    if 0 in line:
        return Refused("nul_character", _beginning(line))
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return Refused("invalid_encoding", _beginning(line))
    return text if former else text.removeprefix("\ufeff").rstrip("\r")


def escaped_problem(text: str) -> DropReason | None:
    """What escapes of JSON can bring in and a plain line cannot: NUL, and half a surrogate pair."""
    if "\0" in text:
        return "nul_character"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "invalid_encoding"
    return None


def _beginning(line: bytes) -> str:
    return line[: 4 * EXAMPLE_CHARACTERS].decode("utf-8", errors="replace")
