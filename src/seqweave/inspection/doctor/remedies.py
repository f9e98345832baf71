"""How remedies are written."""

from __future__ import annotations

from collections.abc import Mapping


def again(settings: Mapping[str, object]) -> str:
    """The remedy of a new training with some settings changed: `train again with --set KEY=VALUE`."""
    return "train again with " + " ".join(f"--set {key}={value}" for key, value in settings.items())
