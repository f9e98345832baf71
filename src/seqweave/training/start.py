"""How a run begins: its folder is made up to the first step, in its place or beside the run that it replaces."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from seqweave import folder as files
from seqweave.config import Config
from seqweave.data.vectors import Vectors
from seqweave.errors import LimitError, ModelFolderError
from seqweave.loading import build_network
from seqweave.model.seq2seq import Seq2Seq
from seqweave.search.filters import filters_of
from seqweave.search.options import SearchOptions
from seqweave.training.checkpoint import Checkpoint, write_checkpoint
from seqweave.training.data_files import DataFiles
from seqweave.training.events import Listener, TrainEvent
from seqweave.training.freezing import freeze_parts
from seqweave.training.leavings import beside, clear, remove, replace_run
from seqweave.training.memory import memory_of_network
from seqweave.training.origin import Origin
from seqweave.training.placing import place_weights
from seqweave.training.prepare import DevPairs, Prepared, prepare
from seqweave.training.record import Record
from seqweave.training.state import TrainState


@dataclass(frozen=True)
class Begun:
    """What was read when a run was begun, so that it need not be read twice."""

    dev: DevPairs
    vectors: dict[str, Vectors]


@dataclass(frozen=True)
class Plan:
    """What a run is made of: the settings asked for, its files, its device, how many processes train, and from what."""

    config: Config
    files: DataFiles
    device: torch.device
    world: int
    origin: Origin | None = None


def begin(record: Record, plan: Plan, listen: Listener, replaces: bool) -> Begun:
    """Make the folder of a run; when that fails or is interrupted, nothing of it stays.

    Args:
        record: of the folder.
        plan: what it is made of.
        listen: told what happens.
        replaces: whether a run lies there, which stays until the new one can take its place.

    Raises:
        ConfigError: when settings do not fit each other or the data.
        DataError: when the data cannot be used.
        ModelFolderError: when the old run cannot be moved out of the way.
        LimitError: when the disk refuses.
    """
    folder = record.folder
    if not replaces:
        return _fill(record, plan, listen)
    if Path.cwd().is_relative_to(folder.resolve()):
        raise ModelFolderError(f"{folder} is to be replaced, but it is the folder you are in: leave it first")
    making = Record(beside(folder, "preparing"))
    begun = _fill(making, plan, listen)
    try:
        replace_run(folder, making.folder)
    except OSError as error:
        remove(making.folder)
        raise LimitError(
            f"{folder} cannot be replaced ({error.strerror or error}): train into another folder"
        ) from None
    record.made = making.made
    return begun


def _fill(record: Record, plan: Plan, listen: Listener) -> Begun:
    """Make all files of a new run; the folder counts as one when run.json says `training`."""
    folder = record.folder
    existed = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        clear(folder)  # what a kill left
        record.run("preparing", plan.config, {})
        prepared = prepare(plan.files, plan.config, record.cache, plan.device, listen, plan.world, plan.origin)
        record.prepared(prepared.config, prepared.source_tokenizer, prepared.target_tokenizer)
        record.sources(prepared.sources)
        # A first build finds settings that do not fit, before the folder counts as a run.
        with memory_of_network(plan.config):
            network = _first_network(prepared, plan.origin)
        if plan.origin is not None:
            _save_first(record, network, prepared.config, listen)
        filters_of(SearchOptions.of(prepared.config.search), prepared.target_tokenizer)
        record.run("training", plan.config, prepared.facts)
        return Begun(prepared.dev, prepared.vectors)
    except BaseException:
        if folder.is_dir():
            clear(folder)
            if not existed:  # else it may be where the user is
                with suppress(OSError):
                    folder.rmdir()
        raise


def _first_network(prepared: Prepared, origin: Origin | None) -> Seq2Seq:
    """The network before the first step; a part to freeze that it lacks is refused."""
    config, found = prepared.config, prepared.vocabularies
    torch.manual_seed(config.training.seed)
    network = build_network(config, prepared.source_tokenizer, prepared.target_tokenizer)
    if origin is not None and found is not None:
        rows = (found.source_rows, found.tag_rows, found.target_rows)
        place_weights(network, config.model, origin.weights.tensors(), *rows)
    freeze_parts(network, config.training.freeze)
    return network


def _save_first(record: Record, network: Seq2Seq, config: Config, listen: Listener) -> None:
    """A checkpoint of step 0, so that the run needs the model that it starts from no more."""
    weights = {name: parameter.detach() for name, parameter in network.named_parameters()}
    average = weights if config.training.ema_decay else {}
    write_checkpoint(
        record.folder / files.CHECKPOINTS,
        Checkpoint(TrainState(), weights, {}, average, record.log_sums()),
        lambda name: listen(TrainEvent("saving", {"step": 0, "file": name})),
    )
