"""`seqweave.train`: from files to a finished model folder, or on from where it was stopped."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from seqweave import folder as files
from seqweave.config import Config, PresetName, build_config, differing_keys, resolve_settings
from seqweave.device import choose_device
from seqweave.errors import ConfigError, DataError, ModelFolderError, SeqweaveError
from seqweave.evaluation.evaluate import evaluate_model
from seqweave.model.build import check_libraries
from seqweave.model.seq2seq import parameter_count
from seqweave.model_card import model_card, unfinished_card
from seqweave.paths import path_of
from seqweave.predictor import build_network, load
from seqweave.search.filters import filters_of
from seqweave.search.options import SearchOptions
from seqweave.system_errors import refusals_of_system
from seqweave.training.checkpoint import newest_checkpoint, prune_checkpoints, remove_leftovers
from seqweave.training.distributed import Ranks, joined_ranks
from seqweave.training.estimate import estimate_seconds
from seqweave.training.events import Listener, TrainEvent, ignore
from seqweave.training.lock import only_training
from seqweave.training.loop import Run, run_training
from seqweave.training.memory import memory_of_network, memory_of_steps
from seqweave.training.precision import KEY, change_precision, check_new, check_rest, warn_if_slow
from seqweave.training.prepare import DataFiles, Prepared, check_reads_text, fingerprints, prepare, reopen
from seqweave.training.record import Record, is_run_folder, read_run, requested_config
from seqweave.training.stopping import stop_signals
from seqweave.training.validation import sample_rows
from seqweave.training.vectors import all_vectors, set_vectors, vector_files, vector_fingerprints
from seqweave.wording import TRAIN_ANEW

PathLike = Path | str


@dataclass(frozen=True)
class TrainResult:
    """How a call of `train` ended; `metrics` are those on dev, once finished; `signal` is the one that stopped it."""

    folder: Path
    status: Literal["finished", "interrupted", "already_finished"]
    step: int
    max_steps: int
    metrics: dict[str, Any] | None
    signal: int | None = None


def train(
    data: PathLike,
    out: PathLike,
    *,
    target_file: PathLike | None = None,
    dev: PathLike | None = None,
    dev_target: PathLike | None = None,
    preset: PresetName | None = None,
    config_file: PathLike | None = None,
    settings: Iterable[str] | Mapping[str, Any] | None = None,
    seed: int | None = None,
    device: str = "auto",
    restart: bool = False,
    listen: Listener = ignore,
) -> TrainResult:
    """Train a model, or resume a run that was stopped.

    Args:
        data: file of pairs (TSV, JSONL, gz of each), or of sources when `target_file` is given.
        out: the model folder; a folder with the same settings (`training.precision` may differ) and data is continued.
        target_file: targets, line by line beside `data`.
        dev, dev_target: pairs to validate on; else some are held out of `data` by distinct source.
        preset: tiny, small or base; then `config_file` (TOML, or a config.json), then `settings`, then `seed` on top.
        settings: `KEY=VALUE` texts, or a mapping of dotted keys.
        device: auto, cpu, cuda or mps.
        restart: start over where `out` holds a run.
        listen: told what happens, see `seqweave.training.events`.

    SIGINT, SIGTERM or SIGHUP ends it after the current step, saved: see `seqweave.training.stopping`.

    Raises:
        ConfigError: settings are wrong, need a library that is missing or a precision that the device cannot run, or
            `out` holds a run with other settings, or a path is none.
        DataError: the data cannot be used; `out` is left as it was.
        ModelFolderError: `out` is no run, damaged, not to be written, or trained by another process.
        LimitError: disk or memory is full; the last checkpoint is kept, as it is after a second signal (`Interrupted`).
    """
    config = _requested(preset, _path(config_file, "config_file"), settings or (), seed)
    given = _data_files(data, target_file, dev, dev_target)
    where = choose_device(device)
    folder = _real(path_of(out, "out"))
    alone = only_training(folder)
    with refusals_of_system(folder), joined_ranks(where) as ranks, alone if ranks.first else nullcontext():
        record = Record(folder, ranks.first)
        found = ranks.share(_look(record.folder, config, given, where, restart) if ranks.first else None)
        if found == "finished":
            return _already_finished(record)
        prepared = _begin(found, record, config, given, where, listen, ranks.world) if ranks.first else None
        ranks.wait()
        return _continue(record, config, given, where, ranks, listen, prepared)


def _requested(
    preset: PresetName | None, file: Path | None, settings: Iterable[str] | Mapping[str, Any], seed: int | None
) -> Config:
    config = resolve_settings(preset, file, settings)
    if seed is not None:
        config = build_config({"training.seed": seed}, config)
    check_libraries(config.model)
    return config


def _data_files(
    train: PathLike, train_target: PathLike | None, dev: PathLike | None, dev_target: PathLike | None
) -> DataFiles:
    if dev_target is not None and dev is None:
        raise ConfigError("a dev target file was given without a dev file: give both")
    given = path_of(train, "data", "write the pairs to a file, one on each line with a tab between, and give its path")
    return DataFiles(given, _path(train_target, "target_file"), _path(dev, "dev"), _path(dev_target, "dev_target"))


def _real(folder: Path) -> Path:
    """The folder with a name of its own, where `.`, or a link that --restart would rename, was given."""
    if folder.name not in ("", "..") and not folder.is_symlink():
        return folder
    try:
        found = folder.resolve()
    except (OSError, RuntimeError):
        found = folder
    if found.is_symlink() or not found.name:
        raise ModelFolderError(f"{folder} can be no model folder: choose another folder for -o")
    return found


def _look(
    folder: Path, config: Config, given: DataFiles, device: torch.device, restart: bool
) -> Literal["new", "resume", "finished"]:
    """What is in the folder; refuses what must not be overwritten."""
    _undo_killed_restart(folder, restart)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return "new"
    run = _run_of(folder, restart)
    if run is None:
        raise ModelFolderError(f"{folder} exists and is not a seqweave run: choose another folder for -o")
    if restart:
        for path in (*given.paths().values(), *vector_files(config).values()):
            if path.resolve().is_relative_to(folder.resolve()):
                raise ConfigError(f"{path} lies in {folder}, which --restart throws away: move it out of there first")
        return "new"
    changes = differing_keys(requested_config(run, folder), config)
    if run["status"] == "training":
        check_rest(folder, config, device)
        changes.pop(KEY, None)  # the one setting that may change on the way
    if changes:
        listed = ", ".join(f"{key} (was {old}, now {new})" for key, (old, new) in changes.items())
        raise ConfigError(
            f"{folder} holds a run with other settings: {listed}; use these, another folder, or --restart"
        )
    # Only the sums: a renamed file is the same data.
    known = run["facts"].get("files")
    if known and list(known.values()) != list(fingerprints(given).values()):
        raise DataError(f"the data have changed since the run in {folder} began: use the same files, or --restart")
    vectors = {side: found["sha256"] for side, found in run["facts"].get("vectors", {}).items()}
    if vectors and vectors != vector_fingerprints(config):
        raise DataError(
            f"the pretrained vectors have changed since the run in {folder} began: use the same files, or --restart"
        )
    if run["status"] == "finished":
        # A kill may have come between the last two files; then the end is done again.
        return "finished" if files.RUN in files.check_manifest(folder) else "resume"
    return "resume" if run["status"] == "training" else "new"


def _run_of(folder: Path, restart: bool) -> dict[str, Any] | None:
    """run.json, or None when there is none; a damaged one does not keep --restart from what is a run all the same."""
    try:
        return read_run(folder) if folder.is_dir() else None
    except ModelFolderError:
        if restart and is_run_folder(folder):
            return {"status": "damaged"}
        raise


def _aside(folder: Path) -> Path:
    """Where --restart keeps the old run until the new one has something to show."""
    return folder.with_name(f".{folder.name}.replaced")


def _undo_killed_restart(folder: Path, restart: bool) -> None:
    """After a kill in the middle of --restart: the old run comes back, unless the new one had begun to train."""
    aside = _aside(folder)
    if not aside.exists():
        return
    run = _run_of(folder, restart)
    if run is not None and run["status"] != "preparing":
        shutil.rmtree(aside)
        return
    if run is not None or (folder.is_dir() and not any(folder.iterdir())):
        shutil.rmtree(folder)
    if not folder.exists():
        aside.rename(folder)


def _begin(
    found: Literal["new", "resume"],
    record: Record,
    config: Config,
    given: DataFiles,
    device: torch.device,
    listen: Listener,
    world: int,
) -> Prepared | None:
    """What the first process does before all train: make the folder, or take over another precision."""
    if found == "resume":
        change_precision(record, config, listen)
        return None
    check_new(config, device)
    return _prepare_folder(record, config, given, device, listen, world)


def _prepare_folder(
    record: Record, config: Config, given: DataFiles, device: torch.device, listen: Listener, world: int
) -> Prepared:
    """Make the folder up to the first step; when that fails or is interrupted, nothing of it stays."""
    old = record.folder.exists()
    aside = _aside(record.folder)
    if old and any(record.folder.iterdir()):
        if Path.cwd().is_relative_to(record.folder.resolve()):
            raise ModelFolderError(
                f"{record.folder} is to be replaced, but it is the folder you are in: leave it first"
            )
        record.folder.rename(aside)
    try:
        record.folder.mkdir(parents=True, exist_ok=True)
        record.run("preparing", config, {})
        prepared = prepare(given, config, record.cache, device, listen, world)
        record.prepared(prepared.config, prepared.source_tokenizer, prepared.target_tokenizer)
        record.sources(prepared.sources)
        # A first build finds settings that do not fit, before the folder counts as a run.
        with memory_of_network(config):
            build_network(prepared.config, prepared.source_tokenizer, prepared.target_tokenizer)
        filters_of(SearchOptions.of(prepared.config.search), prepared.target_tokenizer)
        record.run("training", config, prepared.facts)
    except BaseException:
        if old and not aside.exists():  # it was empty, and may be where the user is
            _clear(record.folder)
        else:
            shutil.rmtree(record.folder, ignore_errors=True)
        if aside.exists():
            aside.rename(record.folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)
    return prepared


def _clear(folder: Path) -> None:
    """Remove what is in a folder."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _continue(
    record: Record,
    requested: Config,
    given: DataFiles,
    device: torch.device,
    ranks: Ranks,
    listen: Listener,
    prepared: Prepared | None,
) -> TrainResult:
    """Train from the newest checkpoint, or from the start when there is none."""
    folder = record.folder
    config = files.read_config(folder)
    warn_if_slow(config, device, listen)
    facts = (read_run(folder) or {})["facts"]
    check_reads_text(config)
    source_tokenizer, target_tokenizer = files.read_tokenizers(folder, config)
    assert source_tokenizer is not None
    tokenizers = (source_tokenizer, target_tokenizer)
    if prepared is not None:  # just read in this process: no second pass over the files
        dataset, dev, vectors = prepared.dataset, prepared.dev, prepared.vectors
    else:
        dataset, dev = reopen(given, config, tokenizers, record.cache, facts["kept"])
        vectors = all_vectors(config, tokenizers, listen)
    torch.manual_seed(config.training.seed)
    with memory_of_network(config):
        model = build_network(config, *tokenizers).to(device)
    frozen = set_vectors(model, vectors, config.training.freeze_vectors)
    run = Run(config, model, tokenizers, dataset, dev, device, ranks, record, listen, frozen=frozen)
    parameters = parameter_count(model)
    shown = {"device": str(device), "precision": config.training.precision, "parameters": parameters}
    shown |= {"max_steps": run.max_steps, "metric": config.training.metric}
    resumed = _resume(run)  # first, for a damaged checkpoint ends it
    record.card(None)  # of an earlier stop
    listen(TrainEvent("found", {**facts, **shown}))
    if resumed:
        listen(TrainEvent("resumed", {"step": run.state.step}))
    with memory_of_steps(config):
        seconds = estimate_seconds(run)
    listen(TrainEvent("estimate", {"seconds": seconds, "steps": run.max_steps - run.state.step}))
    with stop_signals(listen, patient=ranks.world > 1) as wants_stop, memory_of_steps(config):
        reason = run_training(run, wants_stop)
    listen(TrainEvent("finished", {"step": run.state.step, "reason": reason}))
    if reason == "interrupted":
        if (folder / files.WEIGHTS).is_file():
            record.card(unfinished_card(config, facts, parameters, run.state.step, run.state.best_step))
        return TrainResult(folder, "interrupted", run.state.step, run.max_steps, None, wants_stop.number)
    metrics = _finish(run, requested, facts, parameters) if ranks.first else None
    ranks.wait()
    return TrainResult(folder, "finished", run.state.step, run.max_steps, metrics)


def _resume(run: Run) -> bool:
    """Take over the newest checkpoint; returns whether there is one."""
    if run.ranks.first:
        remove_leftovers(run.checkpoints)
    run.ranks.wait()
    newest = newest_checkpoint(run.checkpoints)
    if newest is not None:
        run.resume(newest)
    run.record.forget_after(run.state.step)
    return newest is not None


def _finish(run: Run, requested: Config, facts: Mapping[str, Any], parameters: int) -> dict[str, Any]:
    """Measure the best weights on dev, write the card, seal the folder, drop what only training needed."""
    record = run.record
    if not (record.folder / files.WEIGHTS).is_file():
        raise SeqweaveError(
            f"no validation of {record.folder} gave a finite {run.config.training.metric}: lower "
            f"training.learning_rate and {TRAIN_ANEW}"
        )
    model = load(record.folder, str(run.device.type))
    metrics = evaluate_model(model, run.dev.sources, run.dev.targets)
    card = model_card(metrics, run.config, facts, parameters, sample_rows(model, run.dev))
    record.finished(metrics, card)
    final = {"parameters": parameters, "steps": run.state.step, "seconds": round(run.state.seconds, 1)}
    record.run("finished", requested, {**facts, **final, "best_step": run.state.best_step})
    record.seal()
    _tidy(record, run.state.step)
    return metrics.to_json()


def _tidy(record: Record, steps: int) -> None:
    """Drop what only training needed."""
    if record.writes:
        prune_checkpoints(record.folder / files.CHECKPOINTS, {steps})
        shutil.rmtree(record.cache, ignore_errors=True)


def _already_finished(record: Record) -> TrainResult:
    run = read_run(record.folder) or {}
    metrics = files.read_json(record.folder / files.METRICS)
    steps = int(run["facts"].get("steps", 0))
    _tidy(record, steps)  # a kill may have come before
    return TrainResult(record.folder, "already_finished", steps, steps, metrics)


def _path(value: PathLike | None, what: str) -> Path | None:
    return None if value is None else path_of(value, what)
