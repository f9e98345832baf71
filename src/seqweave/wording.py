"""How numbers and settings stand in the sentences that people read."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """A number with its noun: `1 pair`, `2,000 pairs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shown(value: object) -> str:
    """The value of a setting as `--set` takes it: `true`, `unset`, `general`, `0.1`."""
    if isinstance(value, bool):
        return str(value).lower()
    return "unset" if value is None else str(value)
