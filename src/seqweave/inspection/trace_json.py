"""A trace as JSON and back; docs/trace-format.md describes it.

The numbers of all arrays stand in one list, `arrays`, little-endian and base64; where an array belongs
there is `{"array": its place}`. Arrays with the same content are written once. `q8` (gates) is one
byte a value: unsigned in 255ths where all values are in 0 to 1, else signed in 127ths. What zlib makes
smaller is deflated, in planes: the first bytes of all values, then the second ones, and so on, so that
exponents stand beside exponents.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import types
import zlib
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from seqweave.errors import DataError
from seqweave.inspection.trace import Array, Pack, Trace

FORMAT = "seqweave-trace"
VERSION = 2
READ = (1, 2)  # 1 had no deflated arrays
_DEFLATED_COSTS = 16  # bytes: that an array is deflated must be written, too
_TYPES: dict[str, str] = {"f16": "<f2", "f32": "<f4", "i32": "<i4", "u8": "u1", "i8": "i1"}


def trace_to_json(
    trace: Trace, *, full: bool = False, corpus: Any = None, timelapse: Any = None, indent: int | None = None
) -> str:
    """Write a trace.

    Args:
        trace: what to write.
        full: also what can be computed from the rest or is seldom needed (cell states, contexts, readouts).
        corpus, timelapse: more data for the page, plain values; `null` when absent.
        indent: blanks a level, None for one line.
    """
    arrays = _Arrays()
    value = {
        "format": FORMAT,
        "version": VERSION,
        **_plain(trace, arrays, full),
        "corpus": corpus,
        "timelapse": timelapse,
        "arrays": arrays.written,
    }
    return json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)


def trace_from_json(text: str) -> Trace:
    """Read a trace; arrays come back as float32 or int32, as exact as they were written.

    Raises:
        DataError: when `text` is not a trace, or one of another version.
    """
    try:
        value = json.loads(text)
        if value["format"] != FORMAT:
            raise KeyError("format")
        if value["version"] not in READ:
            raise DataError(
                f"a trace must be of version {READ[0]} to {READ[-1]} to be read here, but it is {value['version']}: "
                "use the seqweave that wrote it"
            )
        arrays = [_unpacked(one) for one in value["arrays"]]
        trace: Trace = _read(Trace, value, arrays)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, RecursionError, zlib.error) as error:
        raise DataError(
            f"a trace must be JSON as trace_to_json writes it, but this is not ({type(error).__name__}: {error}); "
            "make it again"
        ) from None
    return trace


class _Arrays:
    """The list `arrays` as it grows; the same bytes are written once."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []
        self._places: dict[tuple[str, tuple[int, ...], bytes], int] = {}

    def add(self, values: Array, pack: str) -> dict[str, int]:
        """Write an array as `pack` says, unless it is there already; where it stands."""
        kind, scale = pack, 1.0
        if pack == "q8":
            unsigned = values.size == 0 or float(values.min()) >= 0
            kind, scale = ("u8", 1 / 255) if unsigned else ("i8", 1 / 127)
            values = np.rint(np.asarray(values, dtype=np.float64) / scale)
        if kind == "f16":  # what does not fit becomes the largest that does, not infinity
            largest = float(np.finfo(np.float16).max)
            values = np.clip(values, -largest, largest)
        content = np.ascontiguousarray(values, dtype=_TYPES[kind]).tobytes()
        key = (kind, values.shape, content)
        if key not in self._places:
            self._places[key] = len(self.written)
            self.written.append({"type": kind, "scale": scale, "shape": list(values.shape), **_data(content, kind)})
        return {"array": self._places[key]}


def _data(content: bytes, kind: str) -> dict[str, Any]:
    """The bytes of an array, deflated where that is smaller."""
    width = np.dtype(_TYPES[kind]).itemsize
    deflated = zlib.compress(np.frombuffer(content, np.uint8).reshape(-1, width).T.tobytes(), 6)
    if len(deflated) + _DEFLATED_COSTS >= len(content):
        return {"data": base64.b64encode(content).decode("ascii")}
    return {"deflated": True, "data": base64.b64encode(deflated).decode("ascii")}


def _bytes(packed: Mapping[str, Any], width: int) -> bytes:
    """The bytes of an array, `width` a value; never more than its shape allows, whatever a file says."""
    content = base64.b64decode(packed["data"], validate=True)
    if not packed.get("deflated"):
        return content
    size = math.prod(packed["shape"]) * width
    planes = zlib.decompressobj().decompress(content, max(size, 0) + 1)
    if len(planes) != size:
        raise ValueError(f"an array of shape {packed['shape']} has other than {size} bytes")
    return np.frombuffer(planes, np.uint8).reshape(width, -1).T.tobytes()


def _plain(value: Any, arrays: _Arrays, full: bool, pack: Pack | None = None) -> Any:
    """A value of JSON; arrays are added to `arrays`."""
    if isinstance(value, np.ndarray):
        assert pack is not None
        return None if pack.full and not full else arrays.add(value, pack.kind)
    if dataclasses.is_dataclass(value):
        hints = get_type_hints(type(value), include_extras=True)
        return {name: _plain(getattr(value, name), arrays, full, _pack_of(hint)) for name, hint in hints.items()}
    if isinstance(value, Mapping):
        return {str(key): _plain(one, arrays, full, pack) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, arrays, full, pack) for one in value]
    return value


def _pack_of(hint: Any) -> Pack | None:
    """The `Pack` of an array, also within `| None`, `list[...]` and `dict[str, ...]`."""
    if isinstance(hint, Pack):
        return hint
    parts = getattr(hint, "__metadata__", None) or get_args(hint)
    return next((pack for pack in map(_pack_of, parts) if pack is not None), None)


def _unpacked(value: Mapping[str, Any]) -> Array:
    kind = np.dtype(_TYPES[value["type"]])
    numbers: Array = np.frombuffer(_bytes(value, kind.itemsize), dtype=kind).reshape(value["shape"])
    whole = numbers.dtype.kind != "f" and value["scale"] == 1
    return numbers.astype(np.int32) if whole else (numbers * value["scale"]).astype(np.float32)


def _read(kind: Any, value: Any, arrays: list[Array]) -> Any:
    """A value of JSON as the type `kind`."""
    if value is None:
        return None
    if get_origin(kind) in (Union, types.UnionType):
        return _read(next(one for one in get_args(kind) if one is not type(None)), value, arrays)
    if isinstance(value, dict) and set(value) == {"array"}:
        return arrays[value["array"]]
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        needed = [
            part.name
            for part in dataclasses.fields(kind)
            if part.name in value or part.default is dataclasses.MISSING  # a later field is not in older files
        ]
        return kind(**{name: _read(hints[name], value[name], arrays) for name in needed})
    if get_origin(kind) is list:
        return [_read(get_args(kind)[0], one, arrays) for one in value]
    if get_origin(kind) is dict:
        return {key: _read(get_args(kind)[1], one, arrays) for key, one in value.items()}
    return value
