"""What callers give to `seqweave.predictor`, checked: anything else is refused in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqweave.errors import ConfigError


def list_of_texts(texts: Any) -> list[str]:
    """What a caller gave, as a list of texts.

    Raises:
        ConfigError: when it is something else.
    """
    if isinstance(texts, str):
        raise ConfigError("texts must be a list of texts, but it is one text: put it into a list, [text]")
    if not isinstance(texts, Iterable):
        raise ConfigError(f"texts must be a list of texts, but it is {kind_of(texts)}: give a list")
    found = list(texts)
    for number, text in enumerate(found, 1):
        if not isinstance(text, str):
            raise ConfigError(f"texts must be a list of texts, but number {number} is {kind_of(text)}: give it as text")
    return found


def list_of_frames(sources: Any, frame_size: int) -> list[NDArray[np.float32]]:
    """What a caller gave to a model that reads frames, as a list of arrays (S, F).

    Raises:
        ConfigError: when it is something else, or a number is NaN or infinite.
    """
    rule = f"this model reads frames: a list with an array (S, {frame_size}) of floats for each source"
    if isinstance(sources, str | np.ndarray) or not isinstance(sources, Iterable):
        raise ConfigError(f"{rule}, but it got {kind_of(sources)}: give such a list")
    found = []
    for number, source in enumerate(sources, 1):
        if not isinstance(source, np.ndarray) or not np.issubdtype(source.dtype, np.floating):
            given = f"an array of {source.dtype}" if isinstance(source, np.ndarray) else kind_of(source)
            raise ConfigError(f"{rule}, but number {number} is {given}: give an array of floats")
        if source.ndim != 2 or source.shape[1] != frame_size:
            raise ConfigError(f"{rule}, but number {number} has the shape {source.shape}: give (S, {frame_size})")
        if not np.isfinite(source).all():
            raise ConfigError(f"{rule}, but number {number} has NaN or infinity in it: mend it")
        found.append(source.astype(np.float32, copy=False))
    return found


def list_of_pairs(pairs: Any, frames: bool = False) -> list[tuple[Any, str]]:
    """What a caller gave, as a list of pairs; with `frames` the sources are left to `list_of_frames`.

    Raises:
        ConfigError: when it is something else.
    """
    rule = "pairs must be a list of (source, target) texts"
    if isinstance(pairs, str) or not isinstance(pairs, Iterable):
        raise ConfigError(f"{rule}, but it is {kind_of(pairs)}: give a list, [(source, target)]")
    found = []
    for number, pair in enumerate(pairs, 1):
        # A text of two letters could be unpacked, too.
        if not isinstance(pair, tuple | list):
            raise ConfigError(f"{rule}, but number {number} is {kind_of(pair)}: give it as (source, target)")
        if len(pair) != 2:
            raise ConfigError(f"{rule}, but number {number} has {len(pair)} parts: give it as (source, target)")
        source, target = pair
        if not isinstance(target, str) or not (frames or isinstance(source, str)):
            wrong = target if frames or isinstance(source, str) else source
            raise ConfigError(f"{rule}, but number {number} holds {kind_of(wrong)}: give both as text")
        found.append((source, target))
    return found


def rows_of_features(features: Any, columns: Sequence[str], count: int) -> list[list[str]]:
    """What a caller gave as source tags (`features`), as a list of cells for each of `count` texts.

    Raises:
        ConfigError: when the model has no columns of tags, or they do not fit columns or texts.
    """
    if not columns:
        raise ConfigError(
            "features are for a model that was trained with data.feature_columns, but this one was not: leave them out"
        )
    cells = "one text" if len(columns) == 1 else f"a list of {len(columns)} texts"
    rule = f"features must be a list with {cells} (column {', '.join(columns)}) for each text"
    if isinstance(features, str) or not isinstance(features, Iterable):
        raise ConfigError(f"{rule}, but they are {kind_of(features)}: give a list")
    rows = [[row] if isinstance(row, str) and len(columns) == 1 else row for row in features]
    for number, row in enumerate(rows, 1):
        fits = isinstance(row, list | tuple) and len(row) == len(columns)
        if not fits or not all(isinstance(cell, str) and "\t" not in cell for cell in row):
            raise ConfigError(f"{rule}, without tabs, but number {number} is {row!r}: correct it")
    if len(rows) != count:
        raise ConfigError(f"{rule}, but there are {len(rows)} of them for {count} texts: give as many")
    return [list(row) for row in rows]


def kind_of(value: Any) -> str:
    """What a value is, in an error."""
    return (
        "None" if value is None else "one text" if isinstance(value, str) else f"a value of type {type(value).__name__}"
    )
