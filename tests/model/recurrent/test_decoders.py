"""A decoder's `forward`, fused or not, is its repeated step."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from architectures import CASES, PLACES, SMALL, small_batch, small_model
from seqweave.config import ModelConfig
from seqweave.model.decoder import looped
from seqweave.model.recurrent import decoders

assert_close = partial(torch.testing.assert_close, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("config", CASES.values(), ids=CASES.keys())
def test_forward_equals_looped(config: ModelConfig) -> None:
    model = small_model(config)
    source, lengths, target_in = small_batch()
    state = model.start(model.encode(source, lengths))
    embedded = model.target_input(target_in)
    found, expected = model.decoder(embedded, state), looped(model.decoder, embedded, state)
    assert_close(found.readout, expected.readout)
    assert_close(found.hidden, expected.hidden)
    assert (found.weights is None) == (expected.weights is None) == (config.attention == "none")
    if found.weights is not None:
        assert_close(found.weights, expected.weights)


LOOPED: dict[str, dict[str, Any]] = {
    "residual-before": {"residual": True, "decoder_layers": 2, "encoder_layers": 2, **PLACES["before"]},
    "residual-feeding": {"residual": True, "decoder_layers": 2, "encoder_layers": 2, **PLACES["feeding"]},
    "layer_norm-before": {"layer_norm": True, **PLACES["before"]},
    "layer_norm-feeding": {"layer_norm": True, **PLACES["feeding"]},
}


@pytest.mark.parametrize("name", [*CASES, *LOOPED])
def test_what_can_be_fused_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def watched(*arguments: object) -> object:
        calls.append(name)
        return looped(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(decoders, "looped", watched)
    source, lengths, target_in = small_batch()
    config = CASES[name] if name in CASES else ModelConfig(**{**SMALL, **LOOPED[name]})
    small_model(config)(source, lengths, target_in)
    # A window, and what is not one of the first scorers, leaves the loop with the hand-written derivative.
    kinds = "location" in config.attention or config.coverage or config.attention_window != "global"
    steps = config.input_feeding or config.attention_position == "before"
    attends = config.decoder == "recurrent" and config.attention != "none"
    assert calls == ([name] if name in LOOPED or (attends and kinds and steps) else [])


def test_input_feeding_starts_from_zeros() -> None:
    model = small_model(CASES["lstm-general-feeding"])
    source, lengths, target_in = small_batch()
    state = model.start(model.encode(source, lengths))
    assert state.feed is not None
    assert state.feed.shape == (4, 6)
    assert not state.feed.any()
    after = model.step(target_in[:, 0], state).state
    assert after.feed is not None
    assert after.feed.any()
