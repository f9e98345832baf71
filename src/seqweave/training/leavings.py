"""What a killed start leaves behind, and how the next one tidies it up; done while the folder's lock is held.

A new run is made in its folder, and run.json, which says `preparing`, comes first: so a folder that holds nothing but
the temporary file of a first run.json, or a run that was being prepared, is nobody's and is begun anew.
`--restart` makes the new run beside the old one, in `.NAME.preparing`, and only then puts it in its place: the old run
becomes `.NAME.replaced`, the new one NAME, and the old one is removed. So one of both is whole at every moment, and a
start that finds NAME gone puts the old run back.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from seqweave import folder as files
from seqweave.errors import ModelFolderError
from seqweave.files import sync_folder
from seqweave.training.record import CACHE, read_run

_OURS = {
    *files.REQUIRED, *files.OF_TEXT, files.MODEL_CARD, files.RUN, files.METRICS, files.SAMPLES, files.EVENTS,
    files.MANIFEST, files.SOURCE_HASHES, files.CHECKPOINTS, CACHE,
}  # fmt: skip
_TEMPORARY = re.compile(r"\.(.+)\.\d+\.tmp")


def is_ours(name: str) -> bool:
    """Whether an entry of a folder has a name that a run gives, temporary names among them."""
    temporary = _TEMPORARY.fullmatch(name)
    return (temporary[1] if temporary else name) in _OURS


def is_run_folder(folder: Path) -> bool:
    """Whether a folder with a run.json, which may be damaged, holds nothing but what a run writes."""
    names = {path.name for path in folder.iterdir()}
    return {files.RUN, files.CONFIG} <= names and all(map(is_ours, names))


def is_free(folder: Path) -> bool:
    """Whether there is no folder, or nothing in it but what a kill left of a first run.json."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(_TEMPORARY.fullmatch(path.name) and is_ours(path.name) for path in folder.iterdir())


def beside(folder: Path, what: str) -> Path:
    """A place of our own beside a folder, on the same disk: `preparing` or `replaced`."""
    return folder.with_name(f".{folder.name}.{what}")


def clear(folder: Path) -> None:
    """Remove what a run has put into a folder; run.json goes last, so that a kill leaves a run that was prepared."""
    there = [path for path in folder.iterdir() if is_ours(path.name)]
    for path in sorted(there, key=lambda path: path.name == files.RUN):
        remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder with all in it, where there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def mend_restart(folder: Path) -> str | None:
    """After a kill in the middle of --restart: the old run comes back, unless the new one had taken its place.

    Returns what there is to say about it.

    Raises:
        ModelFolderError: when something else lies where the old run belongs.
    """
    replaced, preparing = beside(folder, "replaced"), beside(folder, "preparing")
    if preparing.is_dir():
        clear(preparing)
        _remove_empty(preparing, "is where --restart prepares a run, but it holds something else: move that elsewhere")
    if not replaced.is_dir():
        return None
    run = None if is_free(folder) else _run_or_none(folder)
    if run is not None and run["status"] != "preparing":  # an earlier version prepared the new run in its place
        remove(replaced)
        return None
    if folder.is_dir():
        if run is not None or is_free(folder):
            clear(folder)
        _remove_empty(
            folder, f"is in the way of {replaced}, which --restart was to replace: move one of both elsewhere"
        )
    replaced.rename(folder)
    sync_folder(folder.parent)
    return f"--restart was stopped before the new run began: {folder} holds the old one again"


def replace_run(folder: Path, prepared: Path) -> None:
    """Put a prepared run in the place of the old one, which is removed.

    Raises:
        OSError: when the system refuses; then the old one is back in its place.
    """
    replaced = beside(folder, "replaced")
    folder.rename(replaced)
    try:
        prepared.rename(folder)
    except OSError:
        replaced.rename(folder)
        raise
    sync_folder(folder.parent)
    remove(replaced)


def _remove_empty(folder: Path, otherwise: str) -> None:
    try:
        folder.rmdir()
    except OSError:
        raise ModelFolderError(f"{folder} {otherwise}") from None


def _run_or_none(folder: Path) -> dict[str, Any] | None:
    try:
        return read_run(folder) if folder.is_dir() else None
    except ModelFolderError:
        return None  # whoever reads it says what is wrong with it
