"""The model folder: the names of its files, written whole or not at all, and read with checks.

    config.json        the settings, and the number of the folder's format (`seqweave.config.formats`)
    model.safetensors  source.tokenizer.json  target.tokenizer.json
    features.json      only with data.feature_columns
    README.md  run.json  metrics.json  samples.jsonl  events.jsonl  source_hashes.bin
    MANIFEST.json      SHA-256 and size of each file that makes the model
    checkpoints/       what a run needs to be resumed

Nothing in a folder names code. torch and the config schema are imported only where they are needed,
because a folder is also read on machines without them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqweave.errors import ConfigError, ModelFolderError
from seqweave.files import fingerprint, write_atomic
from seqweave.wording import RESTORE_OR_TRAIN

if TYPE_CHECKING:
    from torch import Tensor, nn

    from seqweave.config import Config
    from seqweave.text.tokenizers import Tokenizer

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
SOURCE_TOKENIZER = "source.tokenizer.json"
TARGET_TOKENIZER = "target.tokenizer.json"
FEATURES = "features.json"
MODEL_CARD = "README.md"
RUN = "run.json"
METRICS = "metrics.json"
SAMPLES = "samples.jsonl"
EVENTS = "events.jsonl"
SOURCE_HASHES = "source_hashes.bin"
MANIFEST = "MANIFEST.json"
CHECKPOINTS = "checkpoints"

REQUIRED = (CONFIG, WEIGHTS, TARGET_TOKENIZER)
"""The files without which there is no model; a manifest must list them. One that reads text has `OF_TEXT`, too."""
OF_TEXT = (SOURCE_TOKENIZER, FEATURES)
"""Files that some models have: how they read sources."""


def save_weights(weights: nn.Module | Mapping[str, Tensor], path: Path) -> None:
    """Write a module's parameters and buffers, or named tensors, as safetensors, atomically.

    Raises:
        OSError: when the disk refuses.
    """
    import safetensors.torch
    from torch import nn

    named = weights.state_dict() if isinstance(weights, nn.Module) else weights
    # Clones, because safetensors refuses tensors which share memory.
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in named.items()}
    write_atomic(path, safetensors.torch.save(tensors))


def load_weights(module: nn.Module, path: Path) -> None:
    """Read weights into a module; names and shapes must be the same on both sides.

    Raises:
        ModelFolderError: when the file is missing or damaged, or a tensor is missing, unexpected, or of another
            shape or type.
    """
    import safetensors.torch
    from safetensors import SafetensorError

    from seqweave.config.formats import tensor_name

    try:
        tensors = {tensor_name(name): tensor for name, tensor in safetensors.torch.load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise ModelFolderError(f"cannot read the weights {path} ({error}): {RESTORE_OR_TRAIN}") from None
    wanted = module.state_dict()
    problems = [f"{name} is missing" for name in wanted if name not in tensors]
    problems += [f"{name} is unexpected" for name in tensors if name not in wanted]
    problems += [
        f"{name} must have shape {tuple(tensor.shape)}, but it has {tuple(tensors[name].shape)}"
        for name, tensor in wanted.items()
        if name in tensors and tensor.shape != tensors[name].shape
    ]
    # Copying would round without a word.
    problems += [
        f"{name} must be {_type(tensor)}, but it is {_type(tensors[name])}"
        for name, tensor in wanted.items()
        if name in tensors and tensor.dtype != tensors[name].dtype
    ]
    if problems:
        raise ModelFolderError(
            f"the weights {path} do not fit the network of {CONFIG} and the tokenizers: {_some(problems)}; "
            f"{RESTORE_OR_TRAIN}"
        )
    module.load_state_dict(tensors, strict=True)


def write_manifest(folder: Path, names: Sequence[str]) -> None:
    """Write SHA-256 and size of the named files (paths inside the folder, with `/`).

    Write it last: a folder without a manifest is not yet a model. Files which still grow, such as
    `events.jsonl` during training, do not belong into it.

    Raises:
        OSError: when a file cannot be read or the manifest cannot be written.
    """
    files = {name: fingerprint(folder / name) for name in sorted(names)}
    write_atomic(folder / MANIFEST, (json.dumps({"format": 1, "files": files}, indent=2) + "\n").encode())


def check_manifest(folder: Path) -> list[str]:
    """Compare every file of the manifest with what it was; gives their names.

    Raises:
        ModelFolderError: when this is no model folder, training has not got that far, or a file is
            missing, changed, unreadable, or outside of the folder; all such files are named.
    """
    files = _manifest_files(folder)
    problems = [problem for name in sorted(files) if (problem := _file_problem(folder, name, files[name]))]
    if problems:
        raise ModelFolderError(
            f"the model folder {folder} must be as it was written, but {_some(problems)}: {RESTORE_OR_TRAIN}"
        )
    return sorted(files)


def replace_config(folder: Path, config: Config) -> None:
    """Write another config into a model folder, and its fingerprint into the manifest; other files stay as they are.

    Raises:
        ModelFolderError: when the folder is not as it was written.
        OSError: when the disk refuses; then the config is put back.
    """
    from seqweave.config import config_to_json

    names = check_manifest(folder)
    before = (folder / CONFIG).read_bytes()
    write_atomic(folder / CONFIG, config_to_json(config).encode())
    try:
        write_manifest(folder, names)
    except BaseException:
        write_atomic(folder / CONFIG, before)
        raise


def read_config(folder: Path) -> Config:
    """The config of a model folder.

    Raises:
        ModelFolderError: when it is missing or damaged.
    """
    from seqweave.config import check_config, config_from_json

    path = folder / CONFIG
    text = _read_text(path)
    try:
        config = config_from_json(text, str(path))
    except ConfigError as error:
        raise ModelFolderError(f"{error}; {RESTORE_OR_TRAIN}") from None
    except (ValueError, RecursionError) as error:  # a number of too many digits; too many brackets
        raise ModelFolderError(f"{path} must be JSON, but it is not ({error}): {RESTORE_OR_TRAIN}") from None
    try:
        check_config(config)
    except ConfigError as error:
        raise ModelFolderError(f"{path} contradicts itself: {error}; {RESTORE_OR_TRAIN}") from None
    return config


def check_source_files(folder: Path, names: Sequence[str], config: Config) -> None:
    """Check that the manifest lists what a model reads its sources with, which not every model has.

    Raises:
        ModelFolderError: when `names`, the files of the manifest, lack one of them.
    """
    wanted = {} if config.model.frame_size else {SOURCE_TOKENIZER: ""}
    if config.data.feature_columns:
        wanted[FEATURES] = f", since {CONFIG} has data.feature_columns"
    for name, why in wanted.items():
        if name not in names:
            raise ModelFolderError(
                f"the manifest of {folder} must list {name}{why}, but it does not: {RESTORE_OR_TRAIN}"
            )


def read_tokenizers(folder: Path, config: Config) -> tuple[Tokenizer | None, Tokenizer]:
    """The tokenizers of both sides; the source's knows the source tags where the config has columns of them.

    A model that reads frames has none for its sources.

    Raises:
        ModelFolderError: when a file of them is missing or damaged, or the tags are of other columns.
    """
    from seqweave.text.features import FeaturedTokenizer, Features
    from seqweave.text.tokenizers import Tokenizer

    target = Tokenizer.from_file(folder / TARGET_TOKENIZER)
    if config.model.frame_size:
        return None, target
    source = Tokenizer.from_file(folder / SOURCE_TOKENIZER)
    if config.data.feature_columns:
        features = Features.from_file(folder / FEATURES)
        if features.columns != config.data.feature_columns or features.separator != config.data.feature_separator:
            raise ModelFolderError(
                f"{folder / FEATURES} must be of the columns {', '.join(config.data.feature_columns)} and the "
                f"separator of {CONFIG}, but it is of {', '.join(features.columns)}: {RESTORE_OR_TRAIN}"
            )
        source = FeaturedTokenizer(source, features)
    return source, target


def model_files(folder: Path) -> tuple[str, ...]:
    """The files that make the model in a folder: those of every model, and how it reads texts where it does."""
    return (*REQUIRED, *(name for name in OF_TEXT if (folder / name).is_file()))


def read_json(path: Path) -> Any:
    """A JSON file of a model folder.

    Raises:
        ModelFolderError: when it is missing, unreadable or not JSON.
    """
    try:
        return json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise ModelFolderError(f"{path} must be JSON, but it is not ({error}): {RESTORE_OR_TRAIN}") from None


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelFolderError(f"cannot read {path} ({error.strerror}): {RESTORE_OR_TRAIN}") from None
    except UnicodeDecodeError:
        raise ModelFolderError(f"{path} must be UTF-8, but it is not: {RESTORE_OR_TRAIN}") from None


def _manifest_files(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """The `files` of a manifest of the right form."""
    path = folder / MANIFEST
    if not folder.exists():
        raise ModelFolderError(f"there is no model folder {folder}: check the path, or make one with `seqweave train`")
    if not folder.is_dir():
        raise ModelFolderError(f"a model must be a folder, but {folder} is a file: give the folder it lies in")
    if not path.is_file():
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
    content = read_json(path)
    files = content.get("files") if isinstance(content, dict) else None
    entries = files.values() if isinstance(files, dict) else [None]
    if not isinstance(files, dict) or not all(isinstance(entry, dict) for entry in entries):
        raise ModelFolderError(f"{path} must list files with their sums, but it does not: {RESTORE_OR_TRAIN}")
    if content.get("format") != 1:
        raise ModelFolderError(
            f"{path} must be of format 1, but it is of format {content.get('format')!r}: use the seqweave that wrote it"
        )
    missing = [name for name in REQUIRED if name not in files]
    if missing:
        raise ModelFolderError(f"{path} must list {', '.join(missing)}, but it does not: {RESTORE_OR_TRAIN}")
    return files


def _file_problem(folder: Path, name: str, expected: Mapping[str, Any]) -> str | None:
    """What is wrong with one file of the manifest, or None."""
    path = folder / name
    try:
        inside, there = path.resolve().is_relative_to(folder.resolve()), path.exists()
    except (ValueError, RuntimeError, OSError):  # a NUL or half a surrogate pair; a loop of links; a name too long
        return f"{_shown(name)} is no name of a file that can be read"
    if not inside:
        return f"{_shown(name)} lies outside of it"
    if not there:
        return f"{name} is missing"
    if not path.is_file():
        return f"{name} is not a file"
    try:
        # The size first: it tells most damage without reading gigabytes.
        changed = path.stat().st_size != expected.get("bytes") or fingerprint(path) != expected
    except OSError as error:
        return f"{name} cannot be read ({error.strerror})"
    return f"{name} was changed" if changed else None


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _shown(name: str, most: int = 80) -> str:
    """A name from a damaged manifest, fit for a message."""
    text = name.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0").replace("\n", "\\n")
    return text if len(text) <= most else f"{text[:most]}..."


def _some(problems: Sequence[str], most: int = 8) -> str:
    """Problems in one phrase, cut when there are too many to read."""
    more = len(problems) - most
    return ", ".join(problems[:most]) + (f", and {more} more" if more > 0 else "")
