"""Networks in the engine, and searches through them: arrays of ids in, lists of ids out."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqweave.engine import library as c
from seqweave.errors import LimitError, ModelFolderError, SeqweaveError

Ids = NDArray[np.int64]


class Output(NamedTuple):
    """What the engine found; the fields are those of `seqweave.search.found.Found`, in its order."""

    ids: list[int]
    score: float
    log_prob: float
    token_log_probs: list[float]
    finished: bool
    attention: NDArray[np.float32] | None


@dataclass(frozen=True)
class Sources:
    """Sources as the engine takes them: ids of each, and where the model copies what positions stand for.

    Attributes:
        ids: each (S,).
        copies: each (S,), or None.
    """

    ids: Sequence[Ids]
    copies: Sequence[Ids] | None = None


class EngineNetwork:
    """A network whose weights the engine has packed. Any number of threads may search with one at once.

    Args:
        settings: the settings `model.*` of the network, or a whole config, as JSON.
        weights: the bytes of a safetensors file; they are copied.
        precision: of the weights in products.
        instructions: the instruction set, as `avx2`; None: the best one here.

    Raises:
        ModelFolderError: when the weights do not fit the settings.
    """

    def __init__(
        self,
        settings: str,
        weights: bytes | memoryview,
        precision: Literal["fp32", "int8"] = "fp32",
        instructions: str | None = None,
    ):
        self.precision = precision
        text, model, error = settings.encode(), ctypes.c_void_p(), c.CError()
        how = c.CHow(c.INT8 if precision == "int8" else c.FP32, instructions.encode() if instructions else None)
        content = np.frombuffer(weights, dtype=np.uint8)
        status = c.library().sw_open(
            text, len(text), content.ctypes.data, content.size, ctypes.byref(how), ctypes.byref(model), error
        )
        if status:
            raise _raised(status, error)
        self.handle = model
        self._closing = weakref.finalize(self, c.library().sw_close, model)


def search(
    networks: Sequence[EngineNetwork], sources: Sources, limits: Sequence[int], options: c.COptions
) -> list[list[Output]]:
    """Find or draw the outputs of each source, the best first; none for a source without items.

    Args:
        networks: several act as one, with the mean of their probabilities.
        sources: what to read.
        limits: most positions of each source's outputs, the end counted.
        options: see native/seqweave.h.

    Raises:
        LimitError: when an input is longer than the network has learned.
        SeqweaveError: when the network gives NaN, or there is not enough memory.
    """
    most = np.asarray(limits, dtype=np.uintp)
    results, error = ctypes.POINTER(c.CResults)(), c.CError()
    packed = _Packed(sources)
    status = c.library().sw_search(
        _handles(networks), len(networks), ctypes.byref(packed.struct), most.ctypes.data, ctypes.byref(options),
        ctypes.byref(results), error,
    )  # fmt: skip
    return _read(status, results, error)


def force(
    networks: Sequence[EngineNetwork], sources: Sources, targets: Sequence[Sequence[int]], options: c.COptions
) -> list[Output]:
    """Score a given output of each source, without its end; raises as `search`."""
    lengths = np.array([len(target) for target in targets], dtype=np.uintp)
    ids = np.concatenate([np.asarray(target, dtype=np.int32) for target in targets] or [np.zeros(0, dtype=np.int32)])
    results, error = ctypes.POINTER(c.CResults)(), c.CError()
    packed = _Packed(sources)
    wanted = c.CTargets(lengths.ctypes.data, ids.ctypes.data)
    status = c.library().sw_score_targets(
        _handles(networks), len(networks), ctypes.byref(packed.struct), ctypes.byref(wanted), ctypes.byref(options),
        ctypes.byref(results), error,
    )  # fmt: skip
    return [outputs[0] for outputs in _read(status, results, error)]


class _Packed:
    """Sources one after the other, and the struct that points at them."""

    def __init__(self, sources: Sources):
        self._lengths = np.array([len(one) for one in sources.ids], dtype=np.uintp)
        self._ids = _joined(sources.ids)
        self._copies = None if sources.copies is None else _joined(sources.copies)
        copies = None if self._copies is None else self._copies.ctypes.data
        self.struct = c.CSources(len(self._lengths), self._lengths.ctypes.data, self._ids.ctypes.data, copies)


def _joined(rows: Sequence[Ids]) -> NDArray[np.int32]:
    return np.concatenate(rows).astype(np.int32) if rows else np.zeros(0, dtype=np.int32)


def _handles(networks: Sequence[EngineNetwork]) -> Any:
    return (ctypes.c_void_p * len(networks))(*(network.handle for network in networks))


def _read(status: int, results: Any, error: c.CError) -> list[list[Output]]:
    """The outputs of each source, copied out of the engine's memory."""
    if status:
        raise _raised(status, error)
    try:
        return _outputs(results.contents)
    finally:
        c.library().sw_results_close(results)


def _outputs(found: c.CResults) -> list[list[Output]]:
    count = found.outputs
    begins, first = found.begins[: found.sources + 1], found.first[: count + 1]
    steps = first[count]
    ids, log_probs = found.ids[:steps], found.token_log_probs[:steps]
    scores, sums, finished = found.scores[:count], found.log_probs[:count], found.finished[:count]
    attention = None
    if found.attention and steps:
        attention = np.ctypeslib.as_array(found.attention, (steps, found.width)).copy()
    outputs = []
    for place in range(count):
        start, end, ended = first[place], first[place + 1], bool(finished[place])
        weights = None if attention is None else attention[start:end]
        outputs.append(
            Output(ids[start : end - ended], scores[place], sums[place], log_probs[start:end], ended, weights)
        )
    return [outputs[begin:end] for begin, end in pairwise(begins)]


def _raised(status: int, error: c.CError) -> SeqweaveError:
    """The error of a failed call."""
    text = error.text.decode("utf-8", "replace")
    kinds = {c.BAD_MODEL: ModelFolderError, c.TOO_LONG: LimitError}
    return kinds.get(status, SeqweaveError)(text)
