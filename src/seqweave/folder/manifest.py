"""The manifest of a model folder: SHA-256 and size of each file that makes the model.

A folder can be loaded while its training goes on. No two files are replaced at once, so the manifest is told first what
comes: it holds the sum of the file that is there and, under `next`, that of the file that takes its place. One rename
then makes the old model the new one, and whoever looks, at any moment or after a kill, finds one of the two.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

from seqweave.errors import ModelFolderError
from seqweave.files import write_atomic
from seqweave.folder.names import CHECKPOINTS, MANIFEST, REQUIRED, WEIGHTS, model_files
from seqweave.folder.opening import OddFileError, json_of, open_file, read_file
from seqweave.folder.weights import some
from seqweave.wording import RESTORE_OR_TRAIN

_HASH_BLOCK = 1 << 20  # bytes
_ATTEMPTS = 100  # while the manifest changes between two looks

Sum = Mapping[str, Any]
"""SHA-256 and size: `{"sha256": "...", "bytes": 123}`."""


@dataclass(frozen=True)
class Manifest:
    """What a manifest says.

    Attributes:
        files: the sums of the files.
        coming: those of files that are being replaced, as they are afterwards.
        mark: which writing of the manifest this is.
    """

    files: Mapping[str, Sum]
    coming: Mapping[str, Sum]
    mark: object

    def fits(self, name: str, found: Sum) -> bool:
        """Whether a file with these sums belongs to the model."""
        return found in (self.files[name], self.coming.get(name))


def write_manifest(folder: Path, names: Sequence[str]) -> None:
    """Write SHA-256 and size of the named files (paths inside the folder, with `/`).

    Write it last: a folder without a manifest is not yet a model. Files which still grow, such as
    `events.jsonl` during training, do not belong into it.

    Raises:
        OSError: when a file cannot be read or the manifest cannot be written.
    """
    _write(folder, {name: _sum_at(folder / name) for name in names}, {})


def replace_file(folder: Path, name: str, content: bytes, names: Sequence[str] | None = None) -> str:
    """Write a file of the model, and its sum; at every moment the folder is the model of before or the one after.

    Returns the SHA-256 of the content.

    Args:
        folder: where; without a manifest it gets one, if it now holds all that makes a model.
        name: which file.
        content: what it is to hold.
        names: what the manifest lists (default: the files that make the model).

    Raises:
        ModelFolderError: when the manifest is damaged.
        OSError: when the disk refuses; the folder is then the model of before, or the one after.
    """
    digest = hashlib.sha256(content).hexdigest()
    if not (folder / MANIFEST).is_file():
        write_atomic(folder / name, content)
        if all((folder / one).is_file() for one in REQUIRED):
            write_manifest(folder, model_files(folder))
        return digest
    manifest = read_manifest(folder)
    # Where a kill came between, the file that is there may be either of two.
    known = {one: found for one, found in manifest.files.items() if one not in manifest.coming}
    files = {one: known.get(one) or _sum_at(folder / one) for one in names or model_files(folder)}
    after: Sum = {"sha256": digest, "bytes": len(content)}
    _write(folder, files, {name: after})
    write_atomic(folder / name, content)
    _write(folder, {**files, name: after}, {})
    return digest


def _write(folder: Path, files: Mapping[str, Sum], coming: Mapping[str, Sum]) -> None:
    content = {"format": 1, "files": dict(sorted(files.items())), **({"next": coming} if coming else {})}
    write_atomic(folder / MANIFEST, (json.dumps(content, indent=2) + "\n").encode())


def check_manifest(folder: Path) -> list[str]:
    """Compare every file of the manifest with what it was; gives their names.

    Raises:
        ModelFolderError: when this is no model folder, training has not got that far, or a file is
            missing, changed, unreadable, or outside of the folder; all such files are named.
    """
    return check_files(folder, lambda name, file: None)


def check_files(folder: Path, take: Callable[[str, BinaryIO], None]) -> list[str]:
    """As `check_manifest`, and hands over each file that is as it was; the weights first.

    A file that is handed over is the one that was checked, whatever has its name since. When the manifest was written
    anew in between, all begins anew.
    """
    for last in (*(False,) * (_ATTEMPTS - 1), True):
        manifest = read_manifest(folder)
        names = sorted(manifest.files, key=lambda name: (name != WEIGHTS, name))
        found = {name: _file_problem(folder, name, manifest, take) for name in names}
        problems = [problem for name in sorted(names) if (problem := found[name])]
        if not problems:
            return sorted(names)
        if last or read_manifest(folder).mark == manifest.mark:
            raise ModelFolderError(
                f"the model folder {folder} must be as it was written, but {some(problems)}: {RESTORE_OR_TRAIN}"
            )
    raise AssertionError


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder, of the right form.

    Raises:
        ModelFolderError: when this is no model folder, training has not got that far, or the manifest is damaged.
    """
    path = folder / MANIFEST
    _check_there(folder)
    before = path.lstat()
    content = json_of(read_file(path), path)
    files, coming = (content.get("files"), content.get("next", {})) if isinstance(content, dict) else (None, None)
    if not (_are_sums(files) and _are_sums(coming)):
        raise ModelFolderError(f"{path} must list files with their sums, but it does not: {RESTORE_OR_TRAIN}")
    if content.get("format") != 1:
        number = _shown(repr(content.get("format")))
        raise ModelFolderError(
            f"{path} must be of format 1, but it is of format {number}: use the seqweave that wrote it"
        )
    missing = [name for name in REQUIRED if name not in files]
    if missing:
        raise ModelFolderError(f"{path} must list {', '.join(missing)}, but it does not: {RESTORE_OR_TRAIN}")
    return Manifest(files, coming, (before.st_ino, before.st_mtime_ns, files, coming))


def _are_sums(given: Any) -> TypeGuard[dict[str, Sum]]:
    return isinstance(given, dict) and all(isinstance(entry, dict) for entry in given.values())


def _check_there(folder: Path) -> None:
    """Raise a `ModelFolderError` where there is no manifest; the sentence says what there is instead."""
    path = folder / MANIFEST
    if not folder.exists():
        raise ModelFolderError(f"there is no model folder {folder}: check the path, or make one with `seqweave train`")
    if not folder.is_dir():
        raise ModelFolderError(f"a model must be a folder, but {folder} is a file: give the folder it lies in")
    if not os.path.lexists(path):
        if (folder / WEIGHTS).is_file():
            raise ModelFolderError(
                f"{folder} must have a {MANIFEST}, but it is missing: restore it from a copy, run the same train "
                "command if training was stopped, or train again with --restart"
            )
        if (folder / CHECKPOINTS).is_dir():
            raise ModelFolderError(
                f"{folder} holds no model yet: training has not finished its first validation; "
                "run the same train command to resume"
            )
        raise ModelFolderError(
            f"{folder} is not a model folder, because it has no {MANIFEST}: "
            "give a folder which `seqweave train -o` wrote"
        )


def _file_problem(folder: Path, name: str, manifest: Manifest, take: Callable[[str, BinaryIO], None]) -> str | None:
    """What is wrong with one file of the manifest, or None; then it is handed over."""
    path = folder / name
    try:
        with open_file(path, folder) as file:
            # The size first: it tells most damage without reading gigabytes.
            size = file.seek(0, 2)
            sizes = [one.get("bytes") for one in (manifest.files[name], manifest.coming.get(name, {}))]
            if size not in sizes or not manifest.fits(name, _sum_of(file)):
                return f"{_shown(name)} was changed"
            file.seek(0)
            take(name, file)
    except OddFileError as odd:
        return f"{_shown(name)} {odd}"
    except FileNotFoundError:
        return f"{_shown(name)} is missing"
    except OSError as error:
        return f"{_shown(name)} cannot be read ({error.strerror})"
    return None


def _sum_at(path: Path) -> Sum:
    """SHA-256 and size of a file, read in blocks."""
    with path.open("rb") as file:
        return _sum_of(file)


def _sum_of(file: BinaryIO) -> Sum:
    """SHA-256 and size of an opened file, read in blocks."""
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while block := file.read(_HASH_BLOCK):
        digest.update(block)
        size += len(block)
    return {"sha256": digest.hexdigest(), "bytes": size}


def _shown(name: str, most: int = 80) -> str:
    """A name from a damaged manifest, fit for a message."""
    text = name if name.isprintable() else ascii(name)[1:-1]
    return text if len(text) <= most else f"{text[:most]}..."
