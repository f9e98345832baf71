"""The files that a run is trained on, and their sums, by which a resumed run knows them again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataFiles:
    """Where the pairs are: a file of pairs, or two parallel files; the same for dev; and pairs to mix in."""

    train: Path
    train_target: Path | None = None
    dev: Path | None = None
    dev_target: Path | None = None
    mix: Path | None = None

    def paths(self) -> dict[str, Path]:
        """All files named, by what they are for."""
        sides = {"train": self.train, "train_target": self.train_target}
        roles = {**sides, "dev": self.dev, "dev_target": self.dev_target, "mix": self.mix}
        return {role: path for role, path in roles.items() if path is not None}


def fingerprints(files: DataFiles) -> dict[str, str]:
    """SHA-256 of every data file by its role, so that a resumed run finds the same data.

    Read whole at every start: sizes and times of change can agree when the content does not.
    """
    found = {}
    for role, path in files.paths().items():
        with path.open("rb") as file:
            found[role] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
