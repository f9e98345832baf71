"""Reading a model folder: the settings, the tokenizers, and all of it as one model of one moment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from seqweave.errors import ConfigError, ModelFolderError
from seqweave.files import write_atomic
from seqweave.folder.manifest import check_files, check_manifest, replace_file
from seqweave.folder.names import CONFIG, FEATURES, METRICS, RUN, SOURCE_TOKENIZER, TARGET_TOKENIZER, WEIGHTS
from seqweave.folder.opening import MOST_JSON, json_of, object_of, read_file, read_within, text_of
from seqweave.folder.shapes import Vocabularies, tensor_shapes
from seqweave.folder.weights import Weights, weights_of
from seqweave.wording import RESTORE_OR_TRAIN

if TYPE_CHECKING:
    from seqweave.config import Config
    from seqweave.text.tokenizers import Tokenizer

_MOST_ITEM = 16 << 10  # bytes in a vocabulary for each row of the largest tensor
_MOST_VOCABULARY = 1 << 31  # where no weights say how large it can be
_LONGEST_REFUSAL = 2000  # characters


@dataclass(frozen=True)
class ModelFiles:
    """What makes a model, read from a folder at one moment and found to fit together.

    Attributes:
        names: the files of the manifest.
        config: the settings.
        source, target: the tokenizers; a model that reads frames has none for its sources.
        weights: opened, and compared with the settings.
    """

    names: Sequence[str]
    config: Config
    source: Tokenizer | None
    target: Tokenizer
    weights: Weights


def read_model(folder: Path) -> ModelFiles:
    """Read a model folder, once, and check all of it; neither torch nor memory for a network is needed.

    Every file is the one whose sum was checked, and all are of one model, also while training replaces them.

    Raises:
        ModelFolderError: when it is no model folder, or a file is missing, changed, damaged, or does not fit the
            others.
    """
    weights: list[Weights] = []
    contents: dict[str, bytes] = {}

    def take(name: str, file: BinaryIO) -> None:
        if name == WEIGHTS:
            weights[:] = [weights_of(file, folder / WEIGHTS)]
        elif name in (CONFIG, SOURCE_TOKENIZER, TARGET_TOKENIZER, FEATURES):
            most = MOST_JSON if name == CONFIG else _most_of(weights)
            contents[name] = read_within(file, folder / name, most)
        elif name in (RUN, METRICS):
            object_of(read_within(file, folder / name, MOST_JSON), folder / name)

    names = check_files(folder, take)
    config = _config_of(contents[CONFIG], folder / CONFIG)
    check_source_files(folder, names, config)
    source, target = _tokenizers_of(contents, folder, config)
    features = 0 if source is None else source.feature_count
    entries = Vocabularies(0 if source is None else source.size, target.size, features)
    shapes = tensor_shapes(config.model, entries)
    weights[0].check({name: (shape, "float32") for name, shape in shapes.items()})
    return ModelFiles(names, config, source, target, weights[0])


def _most_of(weights: list[Weights]) -> int:
    """Bytes that a vocabulary may have: each entry has a row in some tensor, which has bytes in the file."""
    found = weights[0].entries.values() if weights else ()
    rows = max((size for entry in found if math.prod(entry.shape) for size in entry.shape), default=0)
    return MOST_JSON + rows * _MOST_ITEM


def replace_config(folder: Path, config: Config) -> None:
    """Write another config into a model folder, and its fingerprint into the manifest; other files stay as they are.

    Raises:
        ModelFolderError: when the folder is not as it was written.
        OSError: when the disk refuses; then the config is put back.
    """
    from seqweave.config import config_to_json

    names = check_manifest(folder)
    before = (folder / CONFIG).read_bytes()
    try:
        replace_file(folder, CONFIG, config_to_json(config).encode(), names)
    except BaseException:
        write_atomic(folder / CONFIG, before)
        raise


def read_config(folder: Path) -> Config:
    """The config of a model folder.

    Raises:
        ModelFolderError: when it is missing or damaged.
    """
    return _config_of(read_file(folder / CONFIG), folder / CONFIG)


def _config_of(content: bytes, path: Path) -> Config:
    from seqweave.config import check_config, config_from_json

    json_of(content, path)
    try:
        config = config_from_json(text_of(content, path), str(path))
    except ConfigError as error:
        raise ModelFolderError(f"{_cut(str(error))}; {RESTORE_OR_TRAIN}") from None
    try:
        check_config(config)
    except ConfigError as error:
        raise ModelFolderError(f"{path} contradicts itself: {_cut(str(error))}; {RESTORE_OR_TRAIN}") from None
    return config


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= _LONGEST_REFUSAL else f"{sentence[:_LONGEST_REFUSAL]}..."


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
    names = [TARGET_TOKENIZER]
    if not config.model.frame_size:
        names += [SOURCE_TOKENIZER, *([FEATURES] if config.data.feature_columns else [])]
    return _tokenizers_of({name: read_file(folder / name, _MOST_VOCABULARY) for name in names}, folder, config)


def _tokenizers_of(contents: Mapping[str, bytes], folder: Path, config: Config) -> tuple[Tokenizer | None, Tokenizer]:
    from seqweave.text.features import FeaturedTokenizer, Features
    from seqweave.text.tokenizers import Tokenizer

    def read(name: str) -> tuple[str, str]:
        return text_of(contents[name], folder / name), str(folder / name)

    data = config.data
    for side, units in (("source", data.source.units), ("target", data.target.units)):
        if units is None and not (side == "source" and config.model.frame_size):
            raise ModelFolderError(
                f"{folder / CONFIG} must have data.{side}.units, but they are unset: {RESTORE_OR_TRAIN}"
            )
    target = Tokenizer.from_json(*read(TARGET_TOKENIZER), data.source if data.joint_vocabulary else data.target)
    if config.model.frame_size:
        return None, target
    source = Tokenizer.from_json(*read(SOURCE_TOKENIZER), data.source)
    if data.feature_columns:
        features = Features.from_json(*read(FEATURES))
        if features.columns != data.feature_columns or features.separator != data.feature_separator:
            raise ModelFolderError(
                f"{folder / FEATURES} must be of the columns {', '.join(data.feature_columns)} and the "
                f"separator of {CONFIG}, but it is of {', '.join(features.columns)}: {RESTORE_OR_TRAIN}"
            )
        source = FeaturedTokenizer(source, features)
    return source, target
