"""Folders that somebody made up: one file says something else, and the manifest's sums fit it."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from seqweave.folder import CONFIG, EVENTS, MANIFEST, METRICS, RUN, SAMPLES, SOURCE_TOKENIZER, WEIGHTS, write_manifest

Make = Callable[[Path], str]
ESCAPES = "\x1b]0;owned\x07\x1b[31m\u202e"
ODD: tuple[Any, ...] = (None, True, -1, 0, 10**9, 10**30, 1.5, 1e308, "", ESCAPES, "x" * 100_000, [], {}, [[[1]]])
DEEP = "[" * 100_000


def made_up() -> Iterator[Make]:
    """Ways to make up a folder from a whole one, each giving what it did; no end of them."""
    yield from chain(_texts(), _tokenizers(), _weights(), _settings())
    draw = random.Random(3)
    while True:
        yield _random(draw.choice((CONFIG, SOURCE_TOKENIZER, METRICS, RUN)), draw.randrange(1 << 30))


def _sealed(folder: Path, name: str) -> None:
    """Make the sums fit."""
    names = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    write_manifest(folder, [*names, *([] if name in names else [name])])


def _texts() -> Iterator[Make]:
    """Files that are no JSON, too deep, too long, or of other kinds."""
    for name in (CONFIG, SOURCE_TOKENIZER, METRICS, RUN, SAMPLES, EVENTS):
        for content in (DEEP, "[" * 5000 + "]" * 5000, "[" * 500 + "]" * 500, "3", "null", '"x"', "[1]", "{}"):
            yield _with_text(name, content)


def _with_text(name: str, content: str) -> Make:
    def make(folder: Path) -> str:
        (folder / name).write_text(content, encoding="utf-8")
        _sealed(folder, name)
        return f"{name} with {content[:20]}"

    return make


def _with_json(name: str, path: tuple[str, ...], value: Any) -> Make:
    """A JSON file in which one thing is another."""

    def make(folder: Path) -> str:
        tree = json.loads((folder / name).read_text(encoding="utf-8"))
        node = tree
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value
        (folder / name).write_text(json.dumps(tree), encoding="utf-8")
        _sealed(folder, name)
        return f"{name} with {'.'.join(path)} {str(value)[:40]!r}"

    return make


def _tokenizers() -> Iterator[Make]:
    """Pipelines of other parts, and other vocabularies."""
    double = {"type": "Replace", "pattern": {"Regex": "[\\s\\S]"}, "content": "aa"}
    panics = {"type": "Precompiled", "precompiled_charsmap": ""}
    padding = {"strategy": {"Fixed": 20}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 9_999_999}
    for normalizers in ([double] * 30, [panics], [{"type": "Prepend", "prepend": "a" * 100_000}], []):
        yield _with_json(SOURCE_TOKENIZER, ("normalizer",), {"type": "Sequence", "normalizers": normalizers})
    yield _with_json(SOURCE_TOKENIZER, ("padding",), {**padding, "pad_type_id": 0, "pad_token": "[PAD]"})
    yield _with_json(SOURCE_TOKENIZER, ("truncation",), {"max_length": 1, "strategy": "LongestFirst", "stride": 0})
    yield _with_json(SOURCE_TOKENIZER, ("decoder",), {"type": "WordPiece", "prefix": "##", "cleanup": True})
    yield _with_json(SOURCE_TOKENIZER, ("post_processor",), {"type": "ByteLevel", "trim_offsets": True})
    yield _with_json(SOURCE_TOKENIZER, ("model", "type"), "BPE")
    yield _with_json(SOURCE_TOKENIZER, ("model", "vocab", ESCAPES), 12)
    yield _with_json(SOURCE_TOKENIZER, ("model", "vocab"), {f"{number}": number for number in range(300_000)})
    yield _with_json(SOURCE_TOKENIZER, ("model", "vocab", "x" * 1_000_000), 12)
    yield _with_json(SOURCE_TOKENIZER, ("model", "vocab", "a"), 10**30)


def _weights() -> Iterator[Make]:
    """Headers of weights that say other things."""
    for shape, size in (
        ([1 << 40], 4),
        ([0, 1 << 40], 0),
        ([-1], 4),
        ([1] * 1000, 4),
        (["1"], 4),
        ([1.0], 4),
        ([10**30], 4),
    ):
        yield _with_header({"output.bias": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}, size)
    for kind in ("F64", "I8", "X", ESCAPES, None, 3):
        yield _with_header({"output.bias": {"dtype": kind, "shape": [1], "data_offsets": [0, 4]}}, 4)
    yield _with_header({ESCAPES: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, 4)
    yield _with_header([], 0)
    yield _with_header({"a": 1}, 0)
    yield _with_header(
        {str(number): {"dtype": "F32", "shape": [], "data_offsets": [0, 4]} for number in range(9000)}, 4
    )


def _with_header(header: Any, size: int) -> Make:
    def make(folder: Path) -> str:
        text = json.dumps(header).encode()
        (folder / WEIGHTS).write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))
        _sealed(folder, WEIGHTS)
        return f"weights with {text[:60]!r}"

    return make


def _settings() -> Iterator[Make]:
    """Sizes that no weights have, and settings of other kinds."""
    for key in ("encoder_hidden_size", "decoder_hidden_size", "embedding_size", "encoder_layers", "attention_size"):
        for value in (8000, 65_536, 64, math.inf, *ODD[:5]):
            yield _with_json(CONFIG, ("model", key), value)
    for value in ODD:
        yield _with_json(CONFIG, ("data", "column_names"), [value])
        yield _with_json(CONFIG, ("data", "source"), value)
        yield _with_json(CONFIG, ("data", ESCAPES), value)
    yield _with_json(CONFIG, ("data", "source_column"), ESCAPES)
    yield _with_json(CONFIG, ("format",), 10**30)


def _random(name: str, seed: int) -> Make:
    """One thing in a JSON file, drawn at random, is another."""

    def make(folder: Path) -> str:
        draw = random.Random(seed)
        tree = json.loads((folder / name).read_text(encoding="utf-8"))
        path: list[str] = []
        node = tree
        while isinstance(node, dict) and node and (not path or draw.random() < 0.8):
            path.append(draw.choice(sorted(node)))
            node = node[path[-1]]
        return _with_json(name, tuple(path), draw.choice(ODD))(folder)

    return make
