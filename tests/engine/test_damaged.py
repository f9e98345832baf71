"""Damaged settings and weights are refused in a sentence, and never end the process."""

from __future__ import annotations

import ctypes
import importlib
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from architectures import CASES, small_model
from engine_calls import BAD_MODEL, RefusedError, opened, settings_of, weights_of
from native_library import ROOT

BENCH = ROOT / "bench" / "engine"


@pytest.fixture(scope="module")
def fuzz() -> Iterator[ModuleType]:
    """`bench/engine/fuzz_open.py`."""
    sys.path.insert(0, str(BENCH))
    yield importlib.import_module("fuzz_open")
    sys.path.remove(str(BENCH))


@pytest.fixture(scope="module")
def network() -> tuple[bytes, bytes]:
    config = CASES["lstm-general-after"]
    return settings_of(config), weights_of(small_model(config))


@pytest.mark.slow
@pytest.mark.parametrize("runs", [20_000])
def test_damaged_networks_are_refused_or_open(runs: int, fuzz: ModuleType, tmp_path: Path) -> None:
    preloaded = fuzz.sanitizer_library()
    if preloaded is None:
        pytest.skip("there is no gcc with sanitizers here")
    fuzz.write_networks(tmp_path)
    cache = ROOT / ".pytest_cache" / "native" / "sanitized"
    outcome = fuzz.open_all(tmp_path, fuzz.build_sanitized(cache), preloaded, runs)
    assert outcome.figures is not None, f"run {outcome.last}: {outcome.said}"
    assert outcome.figures["faults"] == []
    ended = {name.rpartition(": ")[2].partition(",")[0] for name in outcome.figures["outcomes"]}
    assert {"refused", "ran"} <= ended


def refusal(library: ctypes.CDLL, settings: bytes, weights: bytes) -> str:
    with pytest.raises(RefusedError) as refused, opened(library, settings, weights):
        pass
    assert refused.value.status == BAD_MODEL
    return str(refused.value)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("weights cut", "the weights are damaged: "),
        ("header's length", "the weights are damaged: "),
        ("deep header", "the header of the weights must be a JSON object, but it is none from character "),
    ],
)
def test_what_is_said_of_damaged_weights(
    damage: str, sentence: str, fuzz: ModuleType, network: tuple[bytes, bytes], engine_library: ctypes.CDLL
) -> None:
    of_weights: dict[str, Any] = importlib.import_module("damage").OF_WEIGHTS
    settings, weights = network
    said = [
        refusal(engine_library, settings, of_weights[damage](weights, random.Random(seed)))
        for seed in range(40)
        if of_weights[damage](weights, random.Random(seed)) != weights
    ]
    assert any(one.startswith(sentence) for one in said)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("cell", "transistor", "model.cell has a value that the engine does not know"),
        ("heads", 0, "model.heads must be a whole number from 1 to 1048576"),
        ("heads", 2.5, "model.heads must be a whole number from 1 to 1048576"),
        ("embedding_size", None, "model.embedding_size must be a whole number from 1 to 1048576"),
        ("encoder_layers", 2, "the weights do not fit the settings: encoder.forwards.1.weight_ih is missing"),
        ("frame_size", 3, "the engine reads items, but model.frame_size says frames"),
    ],
)
def test_what_is_said_of_wrong_settings(
    name: str, value: object, sentence: str, network: tuple[bytes, bytes], engine_library: ctypes.CDLL
) -> None:
    settings = json.loads(network[0]) | {name: value}
    assert refusal(engine_library, json.dumps(settings).encode(), network[1]) == sentence
    del settings[name]
    if name != "frame_size":
        assert refusal(engine_library, json.dumps(settings).encode(), network[1]).startswith("the settings have no")


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{", b'{"model": 3}', b"{}"])
def test_settings_that_are_none(text: bytes, network: tuple[bytes, bytes], engine_library: ctypes.CDLL) -> None:
    assert "the settings" in refusal(engine_library, text, network[1])
