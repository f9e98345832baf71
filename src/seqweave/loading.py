"""From model folders to a `Model`: through the engine where it can, so that loading needs no torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from seqweave.backends.base import BackendName, Stored
from seqweave.config import Config, build_config
from seqweave.engine import engine_missing
from seqweave.errors import ConfigError
from seqweave.folder import ModelFiles, read_model
from seqweave.paths import folders_of
from seqweave.predictor import Model
from seqweave.search.ensembles import check_vocabularies, combined_config
from seqweave.text.tokenizers import Tokenizer
from seqweave.wording import missing_library

if TYPE_CHECKING:
    from seqweave.backends.with_engine import EngineBackend
    from seqweave.backends.with_torch import Network
    from seqweave.model.seq2seq import Seq2Seq

_GPU_NODES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # without one of these, Linux has no GPU that torch knows


def load(
    folder: Path | str | Sequence[Path | str],
    device: str = "auto",
    *,
    precision: str | None = None,
    backend: str = "auto",
) -> Model:
    """Load a model folder, after checking every file against its manifest; or several as one, an ensemble.

    An ensemble averages the probabilities of its members at every step (`seqweave.model.ensemble`), and decodes
    with the settings of the first. A folder that is still trained gives the best weights so far.

    Args:
        folder: what `seqweave train -o` wrote, or a list of such folders.
        device: auto, cpu, cuda or mps.
        precision: of decoding, in place of the folder's `search.precision`: fp32 or int8.
        backend: engine, torch, or auto: the engine on a processor, and torch on a GPU.

    Raises:
        ModelFolderError: when it is not a model folder, or a file is missing, changed, damaged, or does not fit the
            others.
        ConfigError: when the device is not there, the precision or the backend is another, the list is empty, or
            vocabularies of an ensemble differ.
    """
    folders = folders_of(folder)
    return build_of(folders, [read_model(one) for one in folders], device, precision=precision, backend=backend)


def build_of(
    folders: Sequence[Path],
    found: Sequence[ModelFiles],
    device: str = "auto",
    *,
    precision: str | None = None,
    backend: str = "auto",
) -> Model:
    """The model of what was read from some folders; of several it is an ensemble. See `load`."""
    if backend not in get_args(BackendName):
        listed = ", ".join(get_args(BackendName))
        raise ConfigError(f"backend must be one of {listed}, but it is {backend!r}: choose one of them")
    first = found[0]
    config = first.config
    if len(found) > 1:
        check_vocabularies(folders, [(one.source, one.target) for one in found])
        config = combined_config([one.config for one in found])
    if precision is not None:
        config = build_config({"search.precision": precision}, config)
    engine = engine_of(found) if backend != "torch" and on_processor(device) else None
    model = Model(Stored(lambda: network_of(found), device, engine), first.source, first.target, config)
    model.backend = cast(BackendName, backend)
    if engine is None:
        _ = model.device  # a device that is not there is said now
    return model


def engine_of(found: Sequence[ModelFiles]) -> EngineBackend | None:
    """The networks of folders in the engine, or None where it is not built or they read frames."""
    if engine_missing() is not None or any(one.source is None for one in found):
        return None
    from seqweave.backends.with_engine import EngineBackend, Opening

    return EngineBackend([Opening(one.config.model.model_dump_json(), one.weights.as_file) for one in found])


def network_of(found: Sequence[ModelFiles]) -> Network:
    """The network of a folder, or of several an ensemble, in torch."""
    try:
        import torch
    except ModuleNotFoundError as error:
        sentence = missing_library(error, "a model without the engine, or looking into one,")
        raise (ModuleNotFoundError(sentence, name=error.name) if sentence else error) from None
    from seqweave.model.ensemble import Ensemble

    networks = []
    for one in found:
        # Fresh weights are drawn and thrown away: nobody should notice. Who asks may be in inference mode just now.
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False):
            network = build_network(one.config, one.source, one.target)
            one.weights.into(network)
        networks.append(network.eval())
    return networks[0] if len(networks) == 1 else Ensemble(networks).eval()


def build_network(config: Config, source: Tokenizer | None, target: Tokenizer) -> Seq2Seq:
    """The network of a config and its tokenizers, with fresh weights; see `seqweave.model.build`."""
    from seqweave.model.build import build_model

    if source is None:
        return build_model(config.model, 0, target.size)
    return build_model(config.model, source.size, target.size, source.feature_count)


def on_processor(device: str) -> bool:
    """Whether a device of this name is the processor; torch is asked only where there may be a GPU."""
    if device == "cpu":
        return True
    if device == "auto" and sys.platform == "linux" and not any(Path(node).exists() for node in _GPU_NODES):
        return True
    from seqweave.device import choose_device

    return choose_device(device).type == "cpu"
