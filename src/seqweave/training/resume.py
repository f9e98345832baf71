"""What a stopped run goes on from: nothing of it is believed before it is compared with the sums made with it.

First, before anything is read of them, the files that training never changes (`check_files`, `mend_ids`); then the
checkpoints, the best weights and the logs (`settle`). What can be made again is made again and said: ids from the
data, weights from their copy, the steps after a damaged checkpoint. What cannot is refused. A run of format 0 has no
sums: its ids are made again, and that its settings and tokenizers could not be compared is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqweave import folder as files
from seqweave.config import Config, config_to_json, config_to_tree, differing_keys
from seqweave.data.dataset import PairDataset
from seqweave.data.facts.hashes import SourceHashes
from seqweave.errors import DataError, ModelFolderError
from seqweave.files import fingerprint, remove_temporary, write_atomic
from seqweave.text.tokenizers import Tokenizer
from seqweave.training.checkpoint import (
    DamagedCheckpointError,
    LogSums,
    all_checkpoints,
    best_name,
    check_checkpoint,
    checkpoint_name,
    remove_checkpoint,
    remove_leftovers,
)
from seqweave.training.data_files import DataFiles
from seqweave.training.events import Listener, TrainEvent
from seqweave.training.leavings import remove
from seqweave.training.logs import cut_log, cut_log_by_steps
from seqweave.training.more_steps import EPOCHS, STEPS, Extension, apply_all, logs_at
from seqweave.training.precision import KEY
from seqweave.training.prepare import sources_again, write_ids_again
from seqweave.training.record import IDS, LOGS, Record, decided_config, is_older
from seqweave.training.state import TrainState
from seqweave.wording import RESTORE, TRAIN_ANEW

_TEXT_FILES = (files.SOURCE_TOKENIZER, files.TARGET_TOKENIZER, files.FEATURES)

_WRITE_AGAIN = "remove {}, and the same command writes it as it was"


def check_files(record: Record, run: Mapping[str, Any], listen: Listener) -> None:
    """Compare config.json and the tokenizers with what they were when the run began.

    Raises:
        ModelFolderError: when one is missing or was changed.
    """
    folder = record.folder
    if is_older(run):
        _check_by_manifest(folder)
        _warn(
            listen,
            f"the run in {folder} was begun by an earlier seqweave, which wrote no sums: its ids are made again from "
            f"the data, and {files.CONFIG} and the tokenizers could not be checked",
        )
        return
    record.made = {"config": run["config"], "sums": run["sums"]}
    problems = [
        f"{name} {why}"
        for name in _TEXT_FILES
        if name in run["sums"] and (why := _problem(folder / name, run["sums"][name]))
    ]
    if problems:
        raise ModelFolderError(
            f"{folder} must be as it was when the run began, but {' and '.join(problems)}: {RESTORE}, or {TRAIN_ANEW}"
        )
    _check_config(record, decided_config(run, folder), listen)


def _check_config(record: Record, wanted: Config, listen: Listener) -> None:
    """Compare config.json with the settings in run.json; written again where it is gone.

    So it is where only its precision or its steps differ, which a kill in `change_precision` or `extend` leaves. Other
    settings of the search, sealed by the manifest, are those of `seqweave tune`: the run takes them over.
    """
    path = record.folder / files.CONFIG
    if not path.exists():
        _warn(listen, f"{path} was gone: it is written again, as run.json has it")
        record.config(wanted)
        return
    try:
        there = files.read_config(record.folder)
    except ModelFolderError as error:
        raise ModelFolderError(f"{error}; or {_WRITE_AGAIN.format(path)}") from None
    changes = differing_keys(wanted, there)
    if changes and all(key.startswith("search.") for key in changes) and _manifest_problem(record.folder) is None:
        record.made["config"] = config_to_tree(there)
        return
    if any([changes.pop(key, None) for key in (KEY, STEPS, EPOCHS)]) and not changes:
        record.config(wanted)
    if changes:
        listed = ", ".join(f"{key} (was {old}, now {new})" for key, (old, new) in changes.items())
        raise ModelFolderError(
            f"{path} was changed since the run began: {listed}; {_WRITE_AGAIN.format(path)}, or {TRAIN_ANEW}"
        )


def _check_by_manifest(folder: Path) -> None:
    """In a run without sums: what its last manifest says of the files that training never changes."""
    if not (folder / files.MANIFEST).is_file():
        return
    listed = files.read_json(folder / files.MANIFEST)
    entries = listed.get("files") if isinstance(listed, dict) else None
    for name in (files.CONFIG, *_TEXT_FILES):
        wanted = entries.get(name) if isinstance(entries, dict) else None
        if wanted is not None and (why := _problem(folder / name, wanted)):
            raise ModelFolderError(
                f"{folder} must be as its manifest says, but {name} {why}: {RESTORE}, or {TRAIN_ANEW}"
            )


def _problem(path: Path, wanted: object) -> str | None:
    """What is wrong with a file that has a sum."""
    try:
        return None if fingerprint(path) == wanted else "was changed"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def mend_ids(
    record: Record,
    run: Mapping[str, Any],
    given: DataFiles,
    config: Config,
    tokenizers: tuple[Tokenizer, Tokenizer],
    listen: Listener,
) -> None:
    """Make sure that the ids and the hashes of the sources are those of the run; else they are made from the data.

    Raises:
        ModelFolderError: when the same data give others now.
    """
    kept, sums = run["facts"]["kept"], record.made.get("sums", {})
    why = _ids_problem(record, is_older(run), sums.get(IDS))
    if why is not None:
        if not is_older(run):
            _warn(listen, f"the ids in {record.cache} are made again from the data: {why}")
        remove(record.cache)
        write_ids_again(given, config, tokenizers, record.cache, kept)
        if IDS in sums and _problem(record.folder / IDS, sums[IDS]):
            raise _other_ids(record)
    if is_older(run):  # from here on there are sums
        record.measure(config)
        return
    hashes = record.folder / files.SOURCE_HASHES
    if files.SOURCE_HASHES in sums and (why := _problem(hashes, sums[files.SOURCE_HASHES])):
        _warn(listen, f"{hashes} {why}: it is made again from the data")
        _write_sources(record, sources_again(given, config, kept))


def _write_sources(record: Record, hashes: SourceHashes) -> None:
    wanted = record.made["sums"][files.SOURCE_HASHES]
    record.sources(hashes)
    if record.made["sums"][files.SOURCE_HASHES] != wanted:
        raise _other_ids(record)


def _other_ids(record: Record) -> ModelFolderError:
    return ModelFolderError(
        f"the data give other ids than when the run in {record.folder} began: go on with the version of seqweave and "
        f"of its libraries that began it, or {TRAIN_ANEW}"
    )


def _ids_problem(record: Record, older: bool, wanted: object) -> str | None:
    """Why the ids cannot be used; None where they can."""
    if older:
        return "there are no sums of them"
    if why := _problem(record.folder / IDS, wanted):
        return f"{IDS} {why}"
    try:
        PairDataset.open(record.cache, check=True)
    except DataError as error:
        return str(error)
    return None


def settle(record: Record, listen: Listener, extensions: Sequence[Extension] = ()) -> None:
    """Leave the newest checkpoint to go on from as the newest, with its best weights and its logs.

    Args:
        record: of the run's folder.
        listen: told what was mended.
        extensions: the steps that were added to the run.

    Raises:
        ModelFolderError: when there are checkpoints and none can be used, or a log was changed.
    """
    remove_temporary(record.folder)
    folder = record.folder / files.CHECKPOINTS
    remove_leftovers(folder)
    problems: list[tuple[Path, str]] = []
    found: tuple[TrainState, LogSums] = TrainState(), {}
    for path in all_checkpoints(folder):
        try:
            found = _usable(path, extensions)
            _mend_weights(record, path, found[0], listen)
            break
        except DamagedCheckpointError as error:
            problems.append((path, error.why))
    else:
        if problems:
            listed = ", and ".join(f"the checkpoint {path} is damaged ({why})" for path, why in problems)
            raise ModelFolderError(
                f"{listed}, and there is no other: {RESTORE}, remove {folder} to begin again at step 0, or {TRAIN_ANEW}"
            )
    state, logs = found[0], logs_at(extensions, found[0].step) or found[1]
    said = [line for name in LOGS for line in _cut(record.folder / name, state.step, logs.get(name))]
    record.forget_logs()
    for path, why in problems:
        said.append(f"the checkpoint {path} is damaged ({why}): the run goes on from step {state.step:,}")
        remove_checkpoint(path)
    for text in said:
        _warn(listen, text)


def _usable(path: Path, extensions: Sequence[Extension]) -> tuple[TrainState, LogSums]:
    """State and logs of a checkpoint that is whole, and so are those it would be averaged with."""
    state, logs = check_checkpoint(path)
    apply_all(extensions, state)
    for step in state.averaged:
        other = path.with_name(checkpoint_name(step))
        if other == path:
            continue
        try:
            check_checkpoint(other)
        except DamagedCheckpointError as error:
            raise DamagedCheckpointError(path, f"{other.name}, which it is averaged with: {error.why}") from None
    return state, logs


def _mend_weights(record: Record, path: Path, state: TrainState, listen: Listener) -> None:
    """The folder's weights become those that were best at a checkpoint, from their copy if need be."""
    folder = record.folder
    if not state.best_sum:  # none yet, or of a run that kept no copies
        if state.best is not None and (why := _manifest_problem(folder)):
            _warn(listen, f"the best weights in {folder} could not be checked: {why}")
        return
    wanted = state.best_sum
    weights, copy = folder / files.WEIGHTS, path.with_name(best_name(state.best_step))
    why, lost = _sum_problem(weights, wanted), _sum_problem(copy, wanted)
    if why and lost:
        raise DamagedCheckpointError(path, f"of its best weights, {weights.name} {why} and {copy.name} {lost}")
    if lost:
        record.copy_weights(state.best_step)
    if why:
        newer = _manifest_problem(folder) is None  # of a validation that is done again
        record.put_back_weights(state.best_step)
        if not newer:
            _warn(listen, f"{weights} {why}: the best weights so far, of step {state.best_step:,}, are put back")
    elif problem := _manifest_problem(folder):
        # The settings were compared with run.json: blanks that were added to their file go.
        write_atomic(folder / files.CONFIG, config_to_json(files.read_config(folder)).encode())
        record.seal_model()
        _warn(listen, f"{files.MANIFEST} is written again, because {problem}; the files are as they were made")


def _sum_problem(path: Path, wanted: str) -> str | None:
    try:
        return None if fingerprint(path)["sha256"] == wanted else "was changed"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _manifest_problem(folder: Path) -> str | None:
    try:
        files.check_manifest(folder)
    except ModelFolderError as error:
        return str(error)
    return None


def _cut(path: Path, step: int, sums: Mapping[str, Any] | None) -> list[str]:
    return cut_log_by_steps(path, step) if sums is None else cut_log(path, dict(sums))


def _warn(listen: Listener, text: str) -> None:
    listen(TrainEvent("warning", {"text": text, "count": 1}))
