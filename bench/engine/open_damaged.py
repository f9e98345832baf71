"""Open damaged networks in the engine, in a process that may die of it: `fuzz_open.py` starts this.

It needs nothing but Python itself, so that it starts quickly under sanitizers. The number of the run that goes on
stands in the file `now` of the folder; figures are printed as JSON at the end.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from damage import damaged

SIZE, POINTER = ctypes.c_size_t, ctypes.c_void_p
NO_MEMORY, BAD_MODEL = 1, 2
LENGTHS = (2, 0, 5)


class Sources(ctypes.Structure):
    """As in seqweave.h."""

    _fields_ = (("count", SIZE), ("lengths", POINTER), ("ids", POINTER), ("copies", POINTER))


class Targets(ctypes.Structure):
    """As in seqweave.h."""

    _fields_ = (("lengths", POINTER), ("ids", POINTER))


class How(ctypes.Structure):
    """As in seqweave.h."""

    _fields_ = (("precision", ctypes.c_int), ("instructions", ctypes.c_char_p))


class Sizes(ctypes.Structure):
    """As in seqweave.h."""

    _fields_ = (
        ("source_entries", SIZE),
        ("source_tags", SIZE),
        ("target_entries", SIZE),
        ("copies", ctypes.c_int32),
        ("attends", ctypes.c_int32),
    )


def load(path: str) -> ctypes.CDLL:
    """The engine, declared."""
    library = ctypes.CDLL(path)
    library.sw_open.argtypes = [ctypes.c_char_p, SIZE, ctypes.c_char_p, SIZE, POINTER, POINTER, POINTER]
    library.sw_close.argtypes = library.sw_sizes_of.argtypes = None
    library.sw_force.argtypes = [POINTER] * 6
    return library


def run_once(library: ctypes.CDLL, model: ctypes.c_void_p, draw: random.Random) -> tuple[int, bytes]:
    """A network that opened writes given outputs for small sources, one of them empty. Status and sentence."""
    sizes, error = Sizes(), ctypes.create_string_buffer(400)
    library.sw_sizes_of(model, ctypes.byref(sizes))
    count, items = len(LENGTHS), sum(LENGTHS)
    columns = sizes.target_entries + (max(LENGTHS) if sizes.copies else 0)
    lengths = (SIZE * count)(*LENGTHS)
    ids = (ctypes.c_int32 * items)(*(draw.randrange(sizes.source_entries) for _ in range(items)))
    copies = (ctypes.c_int32 * items)(*(draw.randrange(columns) for _ in range(items)))
    written = (ctypes.c_int32 * items)(*(draw.randrange(columns) for _ in range(items)))
    sources = Sources(count, ctypes.addressof(lengths), ctypes.addressof(ids), ctypes.addressof(copies))
    targets = Targets(ctypes.addressof(lengths), ctypes.addressof(written))
    logits = (ctypes.c_float * ((items + count) * columns))()
    looks = (ctypes.c_float * ((items + count) * max(LENGTHS)))()
    status = library.sw_force(model, ctypes.byref(sources), ctypes.byref(targets), logits, looks, error)
    return status, error.value


def try_one(library: ctypes.CDLL, settings: bytes, weights: bytes, draw: random.Random) -> tuple[str, bytes]:
    """What came of one pair, and the engine's sentence where it refused."""
    model, error = ctypes.c_void_p(), ctypes.create_string_buffer(400)
    how = How(draw.randrange(2), draw.choice([None, b"scalar"]))  # fp32 or int8; this machine's loops or plain ones
    arguments = (settings, len(settings), weights, len(weights), ctypes.byref(how))
    status = library.sw_open(*arguments, ctypes.byref(model), error)
    if status:
        known = status in (NO_MEMORY, BAD_MODEL) and not model.value
        return ("refused" if known else f"status {status}"), error.value
    status, sentence = run_once(library, model, draw)
    library.sw_close(model)
    return ("ran" if not status else f"opened, and refused to run with status {status}"), sentence


def is_sentence(text: bytes) -> bool:
    """Whether people can read it."""
    return 20 < len(text) < 399 and text.decode("utf-8", "replace").isprintable()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where networks lie as NAME.json and NAME.safetensors")
    parser.add_argument("library", help="the engine")
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    library = load(arguments.library)
    paths = sorted(arguments.folder.glob("*.json"))
    networks = [(path.read_bytes(), path.with_suffix(".safetensors").read_bytes()) for path in paths]
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    now = os.open(arguments.folder / "now", os.O_CREAT | os.O_WRONLY)
    for run in range(arguments.first, arguments.first + arguments.runs):
        os.pwrite(now, f"{run:<12}".encode(), 0)
        draw = random.Random(f"{arguments.seed} {run}")
        kind, settings, weights = damaged(*draw.choice(networks), draw)
        outcome, sentence = try_one(library, settings, weights, draw)
        outcomes[f"{kind}: {outcome}"] += 1
        if (outcome != "ran" and not is_sentence(sentence)) or outcome.startswith("status"):
            faults.append(f"run {run}, {kind}: {outcome}, {sentence!r}")
    print(json.dumps({"runs": arguments.runs, "outcomes": dict(sorted(outcomes.items())), "faults": faults}))


if __name__ == "__main__":
    main()
