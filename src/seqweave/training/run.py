"""`seqweave.train`: from files to a finished model folder, or on from where it was stopped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from seqweave import folder as files
from seqweave.config import Config, PresetName, differing_keys
from seqweave.data.dataset import PairDataset
from seqweave.device import choose_device
from seqweave.errors import ConfigError, DataError, ModelFolderError, SeqweaveError
from seqweave.evaluation.evaluate import evaluate_model
from seqweave.files import fingerprint, remove_temporary
from seqweave.loading import build_network, load
from seqweave.lock import only_one
from seqweave.model.seq2seq import parameter_count
from seqweave.model_card import model_card, unfinished_card
from seqweave.paths import path_of
from seqweave.system_errors import refusals_of_system
from seqweave.text.tokenizers import Tokenizer
from seqweave.training.checkpoint import newest_checkpoint, prune_checkpoints, remove_best, remove_leftovers
from seqweave.training.data_files import fingerprints
from seqweave.training.distributed import Ranks, joined_ranks
from seqweave.training.estimate import estimate_seconds
from seqweave.training.events import Listener, TrainEvent, ignore
from seqweave.training.freezing import freeze_parts
from seqweave.training.leavings import is_free, is_run_folder, mend_restart, remove
from seqweave.training.loop import Run, run_training
from seqweave.training.memory import memory_of_network, memory_of_steps
from seqweave.training.more_steps import asks_for_more, check_more, extend, extensions_of
from seqweave.training.precision import KEY, change_precision, check_new, check_rest, warn_if_slow
from seqweave.training.prepare import check_reads_text, reopen
from seqweave.training.record import Record, check_run, read_run, requested_config
from seqweave.training.request import PathLike, data_files, optional_path, real_folder, requested_settings, start_of
from seqweave.training.resume import check_files, mend_ids, settle
from seqweave.training.start import Begun, Plan, begin
from seqweave.training.stopping import stop_signals
from seqweave.training.validation import sample_rows
from seqweave.training.vectors import all_vectors, set_vectors, vector_files, vector_fingerprints
from seqweave.wording import RESTORE, TRAIN_ANEW

Found = Literal["new", "replace", "resume", "extend", "finished"]
_BLOWN_UP = 1e6  # perplexity, in that of guessing: no model that learns gets there


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
    start_from: PathLike | None = None,
    mix: PathLike | None = None,
) -> TrainResult:
    """Train a model, or resume a run that was stopped; a larger `training.max_steps` goes on with one that is finished.

    Args:
        data: file of pairs (TSV, JSONL, gz of each), or of sources when `target_file` is given.
        out: the model folder; a folder with the same settings and data is continued. `training.precision`,
            `training.max_steps` and `training.max_epochs` may differ.
        target_file: targets, line by line beside `data`.
        dev, dev_target: pairs to validate on; else some are held out of `data` by distinct source.
        preset: tiny, small or base; then `config_file` (TOML, or a config.json), then `settings`, then `seed` on top.
        settings: `KEY=VALUE` texts, or a mapping of dotted keys.
        device: auto, cpu, cuda or mps.
        restart: start over where `out` holds a run.
        listen: told what happens, see `seqweave.training.events`.
        start_from: a model folder whose weights, tokenizers and settings the run begins with; it is never changed.
        mix: file of pairs of which every batch gets a share (`training.mix_share`), against forgetting.

    SIGINT, SIGTERM or SIGHUP ends it after the current step, saved: see `seqweave.training.stopping`.

    Raises:
        ConfigError: settings are wrong, need a library that is missing or a precision that the device cannot run, or
            `out` holds a run with other settings, or a path is none.
        DataError: the data cannot be used; `out` is left as it was.
        ModelFolderError: `out` is no run, damaged, not to be written, or trained by another process.
        LimitError: disk or memory is full; the last checkpoint is kept, as it is after a second signal (`Interrupted`).
    """
    folder = real_folder(path_of(out, "out"))
    start = start_of(optional_path(start_from, "start_from"), folder, restart, listen)
    config = requested_settings(preset, optional_path(config_file, "config_file"), settings or (), seed, start)
    given = data_files(data, target_file, dev, dev_target, mix)
    return _train(folder, Plan(config, given, choose_device(device), 1, start.origin), restart, listen)


def _train(folder: Path, plan: Plan, restart: bool, listen: Listener) -> TrainResult:
    """What is planned, in all processes; one of them makes and mends the folder, while no other training is in it."""
    alone = only_one(folder, "training", stays=True)
    with refusals_of_system(folder), joined_ranks(plan.device) as ranks, alone if ranks.first else nullcontext():
        record, plan = Record(folder, ranks.first), replace(plan, world=ranks.world)
        found = ranks.share(_look(folder, plan, restart, record, listen) if ranks.first else None)
        if found == "finished":
            return _already_finished(record)
        begun = _begin(found, record, plan, listen) if ranks.first else None
        ranks.wait()
        return _continue(record, plan, ranks, listen, begun)


def _look(folder: Path, plan: Plan, restart: bool, record: Record, listen: Listener) -> Found:
    """What is in the folder; refuses what must not be overwritten, and what is not as it was written."""
    if said := mend_restart(folder):
        listen(TrainEvent("warning", {"text": said, "count": 1}))
    if is_free(folder):
        return "new"
    run = _run_of(folder, restart)
    if run is None:
        raise ModelFolderError(f"{folder} exists and is not a seqweave run: choose another folder for -o")
    if restart and run["status"] != "preparing":
        own = () if plan.origin is None else (plan.origin.folder,)
        for path in (*plan.files.paths().values(), *vector_files(plan.config).values(), *own):
            if path.resolve().is_relative_to(folder.resolve()):
                raise ConfigError(f"{path} lies in {folder}, which --restart throws away: move it out of there first")
        return "replace"
    finished = run["status"] == "finished" and _is_sealed(folder)
    if not finished:
        check_run(run, folder)
    if run["status"] == "preparing":
        return "new"  # a kill came before it was a run
    more = _refuse_changes(folder, plan, run)
    if finished and not more:
        return "finished"
    check_files(record, run, listen)
    if run["status"] == "training" or more:
        check_rest(folder, plan.config, plan.device)
    if more:
        check_more(record, run, plan.config)
    return "extend" if more else "resume"


def _is_sealed(folder: Path) -> bool:
    """Whether the manifest is that of a finished model; else a kill came before, and the end is done again."""
    return files.RUN in files.check_manifest(folder)


def _refuse_changes(folder: Path, plan: Plan, run: Mapping[str, Any]) -> bool:
    """Raise where settings or data are others than the run began with; returns whether more steps are asked for."""
    _refuse_other_origin(folder, plan, run)
    changes = differing_keys(requested_config(run, folder), plan.config)
    more = asks_for_more(changes, plan.config)
    if run["status"] == "training" or more:
        changes.pop(KEY, None)  # it may change on the way, too
    if changes:
        listed = ", ".join(f"{key} (was {old}, now {new})" for key, (old, new) in changes.items())
        without = "leave --from out to go on as the run began, " if plan.origin is not None else ""
        raise ConfigError(
            f"{folder} holds a run with other settings: {listed}; use these, {without}another folder, or --restart"
        )
    # Only the sums: a renamed file is the same data.
    known = run["facts"].get("files")
    if known and list(known.values()) != list(fingerprints(plan.files).values()):
        raise DataError(f"the data have changed since the run in {folder} began: use the same files, or --restart")
    vectors = {side: found["sha256"] for side, found in run["facts"].get("vectors", {}).items()}
    if vectors and vectors != vector_fingerprints(plan.config):
        raise DataError(
            f"the pretrained vectors have changed since the run in {folder} began: use the same files, or --restart"
        )
    return more


def _refuse_other_origin(folder: Path, plan: Plan, run: Mapping[str, Any]) -> None:
    """Raise where a model to start from is given that is not the one which the run started from."""
    began = run["facts"].get("start_from")
    if plan.origin is None:
        return  # a run that is there has weights of its own
    if began is None:
        raise ConfigError(
            f"the run in {folder} did not start from a model, so --from does not go with it: leave it out, use another "
            "folder, or --restart"
        )
    if plan.origin.weights.sha256 != began["sha256"]:
        raise ConfigError(
            f"the run in {folder} started from the model {began['folder']} with other weights than those in "
            f"{plan.origin.folder} (their SHA-256 begins with {began['sha256'][:12]}): leave --from out to go on as "
            "the run began, use another folder, or --restart"
        )


def _run_of(folder: Path, restart: bool) -> dict[str, Any] | None:
    """run.json, or None when there is none; a damaged one does not keep --restart from what is a run all the same."""
    try:
        return read_run(folder) if folder.is_dir() else None
    except ModelFolderError:
        if restart and is_run_folder(folder):
            return {"status": "damaged"}
        raise


def _begin(found: Found, record: Record, plan: Plan, listen: Listener) -> Begun | None:
    """What the first process does before all train: make the folder, or mend what is missing of it."""
    if found in ("new", "replace"):
        check_new(plan.config, plan.device)
        return begin(record, plan, listen, found == "replace")
    run = read_run(record.folder) or {}
    config = files.read_config(record.folder)
    # A finished run has put its ids away.
    mend_ids(
        record, run, plan.files, config, _tokenizers(record.folder, config),
        ignore if run["status"] == "finished" else listen,
    )  # fmt: skip
    if found == "extend":
        extend(record, run, plan.config, plan.world, listen)
    record.unseal()
    change_precision(record, plan.config, listen)
    return None


def _tokenizers(folder: Path, config: Config) -> tuple[Tokenizer, Tokenizer]:
    check_reads_text(config)
    source, target = files.read_tokenizers(folder, config)
    assert source is not None
    return source, target


def _continue(record: Record, plan: Plan, ranks: Ranks, listen: Listener, begun: Begun | None) -> TrainResult:
    """Train from the newest checkpoint, or from the start when there is none."""
    folder, device = record.folder, plan.device
    config = files.read_config(folder)
    warn_if_slow(config, device, listen)
    facts = (read_run(folder) or {})["facts"]
    tokenizers = _tokenizers(folder, config)
    if begun is not None:  # just read in this process: no second pass over the files
        dataset, dev, vectors = PairDataset.open(record.cache), begun.dev, begun.vectors
    else:
        dataset, dev = reopen(plan.files, config, tokenizers, record.cache, facts["kept"])
        vectors = all_vectors(config, tokenizers, listen)
    torch.manual_seed(config.training.seed)
    with memory_of_network(config):
        model = build_network(config, *tokenizers).to(device)
    frozen = set_vectors(model, vectors, config.training.freeze_vectors)
    freeze_parts(model, config.training.freeze)
    run = Run(
        config, model, tokenizers, dataset, dev, device, ranks, record, listen,
        frozen=frozen, extensions=extensions_of(facts), starts_from_model="start_from" in facts,
    )  # fmt: skip
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
    metrics = _finish(run, plan.config, facts, parameters) if ranks.first else None
    ranks.wait()
    return TrainResult(folder, "finished", run.state.step, run.max_steps, metrics)


def _resume(run: Run) -> bool:
    """Take over the newest checkpoint; returns whether a step of the run is done."""
    if run.ranks.first:
        settle(run.record, run.listen, run.extensions)
    run.ranks.wait()
    newest = newest_checkpoint(run.checkpoints)
    if newest is not None:
        run.resume(newest)
    elif run.starts_from_model:
        raise ModelFolderError(
            f"{run.checkpoints} must hold a checkpoint, for the run started from a model, but there is none: "
            f"{RESTORE}, or {TRAIN_ANEW}"
        )
    return run.state.step > 0


def _finish(run: Run, requested: Config, facts: Mapping[str, Any], parameters: int) -> dict[str, Any]:
    """Measure the best weights on dev, write the card, seal the folder, drop what only training needed."""
    record = run.record
    if run.state.best is None:
        raise SeqweaveError(
            f"no validation of {record.folder} gave a finite {run.config.training.metric}: lower "
            f"training.learning_rate and {TRAIN_ANEW}"
        )
    if run.state.best_sum not in ("", fingerprint(record.folder / files.WEIGHTS)["sha256"]):
        raise ModelFolderError(
            f"the weights in {record.folder} are not those of its best step {run.state.best_step:,}: "
            "run the same command again, which puts them back"
        )
    model = load(record.folder, str(run.device.type))
    metrics = evaluate_model(model, run.dev.sources, run.dev.targets)
    _say_blown_up(run, metrics.perplexity)
    card = model_card(metrics, run.config, facts, parameters, sample_rows(model, run.dev))
    record.finished(metrics, card)
    final = {"parameters": parameters, "steps": run.state.step, "seconds": round(run.state.seconds, 1)}
    record.run("finished", requested, {**facts, **final, "best_step": run.state.best_step})
    record.seal()
    _tidy(record, run.state.step)
    return metrics.to_json()


def _say_blown_up(run: Run, perplexity: float | None) -> None:
    """Say of a run that has come to its end that its model is of no use."""
    guessing = run.tokenizers[1].size
    if perplexity is None or perplexity < _BLOWN_UP * guessing:
        return
    shown = f"{perplexity:.0e}" if math.isfinite(perplexity) else "infinite"
    text = (
        f"the perplexity on the dev pairs is {shown}, where guessing has {guessing:,}: training has blown up, and the "
        f"model is of no use; lower training.learning_rate, set training.clip_norm, and {TRAIN_ANEW}"
    )
    run.listen(TrainEvent("warning", {"text": text, "count": 1}))


def _tidy(record: Record, steps: int) -> None:
    """Drop what only training needed."""
    if record.writes:
        checkpoints = record.folder / files.CHECKPOINTS
        prune_checkpoints(checkpoints, {steps})
        remove_leftovers(checkpoints)
        remove_best(checkpoints)
        remove(record.cache)
        remove_temporary(record.folder)


def _already_finished(record: Record) -> TrainResult:
    run = read_run(record.folder) or {}
    metrics = files.read_json(record.folder / files.METRICS)
    steps = int(run["facts"].get("steps", 0))
    with suppress(OSError):  # on a read-only disk what a kill has left stays
        _tidy(record, steps)
    return TrainResult(record.folder, "already_finished", steps, steps, metrics)
