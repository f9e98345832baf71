"""The files that are looked at, and the commands that go with them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from seqweave.config import DataConfig
from seqweave.data.columns import column_options
from seqweave.data.readers import PairReader
from seqweave.wording import count

_UNPACK = {"gzip": "gzip -dc", "bzip2": "bzip2 -dc", "xz": "xz -dc", "zstd": "zstd -dc"}


@dataclass(frozen=True)
class Place:
    """What a remedy must know of the files.

    Attributes:
        reader: after a whole pass.
        config: as the user gave it.
    """

    reader: PairReader
    config: DataConfig

    @property
    def counts(self) -> str:
        """What a number of a record counts: `line` or `record`."""
        return self.reader.dialect.counts

    def command(self, verb: str, *settings: str, more: str = "") -> str:
        """`seqweave VERB DATA`, as it reads these files, with more settings of data; marked as a command."""
        options = "".join(f" --set {shlex.quote(setting)}" for setting in settings)
        return f"`seqweave {verb} {self._files}{column_options(self.config)}{options}{more}`"

    def again(self, *settings: str) -> str:
        """The command that checks with other settings; `train` takes the same."""
        return self.command("check", *settings)

    def clean(self) -> str:
        """The command that writes the usable pairs alone."""
        return self.command("split", more=" -o parts")

    def piped(self, program: str) -> str:
        """A command that sends the file through a program into another file; marked as a command."""
        path = shlex.quote(str(self.reader.path))
        suffix = next(
            (part for part in self.reader.path.suffixes[::-1] if part not in (".gz", ".bz2", ".xz", ".zst")), ".tsv"
        )
        unpack = _UNPACK.get(self.reader.dialect.container)
        if unpack:
            return f"`{unpack} {path} | {program} > mended{suffix}`"
        return f"`{program} < {path} > mended{suffix}`"

    def leave_out(self, number: int) -> str:
        """What to do where only a person can mend the text."""
        return f"correct it, or leave out {count(number, 'such ' + self.counts)} with {self.clean()}"

    @property
    def _files(self) -> str:
        paths: list[Path | None] = [self.reader.path, self.reader.target_path]
        return " ".join(shlex.quote(str(path)) for path in paths if path is not None)
