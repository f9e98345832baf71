"""The compiled engine and what its calls take: native/seqweave.h in ctypes."""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, Structure, c_char, c_char_p, c_double, c_int32, c_size_t, c_uint8, c_void_p
from functools import cache
from pathlib import Path

VERSION = 1
"""Of the interface that is written down here; a library of another one is not used."""
OK, NO_MEMORY, BAD_MODEL, BAD_ARGUMENT, TOO_LONG, NOT_FINITE = range(6)
FP32, INT8 = 0, 1
BUILD = "python native/build.py"


class CError(Structure):
    """What went wrong, in one sentence."""

    _fields_ = (("text", c_char * 400),)


class CHow(Structure):
    """How a model is opened."""

    _fields_ = (("precision", c_int32), ("instructions", c_char_p))


class CSources(Structure):
    """Some sources, one after the other."""

    _fields_ = (("count", c_size_t), ("lengths", c_void_p), ("ids", c_void_p), ("copies", c_void_p))


class CTargets(Structure):
    """Given outputs, one after the other."""

    _fields_ = (("lengths", c_void_p), ("ids", c_void_p))


class COptions(Structure):
    """How outputs are found."""

    _fields_ = (
        ("beam_size", c_size_t),
        ("n_best", c_size_t),
        ("length_penalty", c_double),
        ("coverage_penalty", c_double),
        ("stop", c_int32),
        ("min_length", c_size_t),
        ("max_length", c_size_t),
        ("no_repeat_ngram", c_size_t),
        ("forbidden", c_void_p),
        ("forbidden_count", c_size_t),
        ("prefix", c_void_p),
        ("prefix_length", c_size_t),
        ("sample", c_int32),
        ("temperature", c_double),
        ("top_p", c_double),
        ("top_k", c_size_t),
        ("chances", c_void_p),
        ("return_attention", c_int32),
        ("free_running", c_int32),
    )


class CResults(Structure):
    """Outputs in the engine's memory."""

    _fields_ = (
        ("sources", c_size_t),
        ("outputs", c_size_t),
        ("width", c_size_t),
        ("begins", POINTER(c_size_t)),
        ("first", POINTER(c_size_t)),
        ("ids", POINTER(c_int32)),
        ("token_log_probs", POINTER(ctypes.c_float)),
        ("scores", POINTER(c_double)),
        ("log_probs", POINTER(c_double)),
        ("finished", POINTER(c_uint8)),
        ("attention", POINTER(ctypes.c_float)),
        ("memory", c_void_p),
    )


def library_path() -> Path:
    """Where the library lies when there is one."""
    name = {"win32": "seqweave.dll", "darwin": "libseqweave.dylib"}.get(sys.platform, "libseqweave.so")
    return Path(__file__).resolve().parent / name


@cache
def engine_missing() -> str | None:
    """Why the engine cannot be used here, in a few words; None when it can."""
    path = library_path()
    if not path.is_file():
        return f"it was not built when seqweave was installed; with a C compiler, {BUILD} builds it"
    try:
        found = ctypes.CDLL(str(path))
        version = int(found.sw_version())
    except (OSError, AttributeError) as error:
        return f"{path.name} cannot be loaded ({error})"
    if version != VERSION:
        return f"{path.name} is of another version of seqweave; {BUILD} builds it again"
    return None


@cache
def library() -> ctypes.CDLL:
    """The library; call it where `engine_missing` gives None."""
    found = ctypes.CDLL(str(library_path()))
    models, error = POINTER(c_void_p), POINTER(CError)
    found.sw_instructions.restype = c_char_p
    found.sw_open.argtypes = [c_char_p, c_size_t, c_void_p, c_size_t, POINTER(CHow), POINTER(c_void_p), error]
    found.sw_close.argtypes = [c_void_p]
    found.sw_close.restype = None
    results = POINTER(POINTER(CResults))
    found.sw_search.argtypes = [
        models, c_size_t, POINTER(CSources), c_void_p, POINTER(COptions), results, error,
    ]  # fmt: skip
    found.sw_score_targets.argtypes = [
        models, c_size_t, POINTER(CSources), POINTER(CTargets), POINTER(COptions), results, error,
    ]  # fmt: skip
    found.sw_results_close.argtypes = [POINTER(CResults)]
    found.sw_results_close.restype = None
    return found
