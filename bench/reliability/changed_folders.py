"""Changes of one file of a folder: what a disk, a copy or a person does to it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

from seqweave.folder import MANIFEST

Change = Callable[[Path, random.Random], None]


def change_one(folder: Path, draw: random.Random) -> str:
    """Change one file of a folder at random; gives what was done to which."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    # The manifest is what all the others hang on.
    name = MANIFEST if draw.random() < 0.2 else draw.choice(names)
    kind, change = draw.choice(sorted(CHANGES.items()))
    change(folder / name, draw)
    return f"{kind} {name}"


def _written(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _flip(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    _written(path, bytes(content))


def _cut(path: Path, draw: random.Random) -> None:
    content = path.read_bytes()
    _written(path, content[: draw.randrange(len(content) or 1)])


def _grow(path: Path, draw: random.Random) -> None:
    content = path.read_bytes()
    place = draw.randrange(len(content) + 1)
    _written(path, content[:place] + draw.choice((b"\0", b"[", b"{", b'"', b"\xff", b"9" * 5000)) + content[place:])


def _zeros(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = draw.randrange(len(content) or 1)
    content[start : start + 512] = bytes(len(content[start : start + 512]))
    _written(path, bytes(content))


def _swap(path: Path, draw: random.Random) -> None:
    other = draw.choice(sorted(one for one in path.parent.iterdir() if one.is_file()))
    mine, theirs = path.read_bytes(), other.read_bytes()
    _written(path, theirs)
    _written(other, mine)


def _folder(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path, draw: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path, draw: random.Random) -> None:
    outside = path.parent.with_name("outside")
    outside.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(draw.choice((str(outside), "/dev/zero", "/etc/passwd", path.name, "nowhere")))


CHANGES: dict[str, Change] = {
    "a flipped bit in": _flip,
    "a cut of": _cut,
    "more in": _grow,
    "zeros in": _zeros,
    "a swap with": _swap,
    "nothing left of": lambda path, draw: path.unlink(),
    "an empty": lambda path, draw: _written(path, b""),
    "a folder for": _folder,
    "a pipe for": _pipe,
    "a link for": _link,
}
