"""Decoders that can go through fused kernels do; that the result is the repeated step's is an invariant."""

from __future__ import annotations

from typing import Any

import pytest

from architectures import CASES, each, small_batch, small_model
from seqweave.config import ModelConfig
from seqweave.model.decoder import looped
from seqweave.model.recurrent import decoders


@each()
def test_what_can_be_fused_is(config: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def watched(decoder: Any, *arguments: Any) -> Any:
        calls.append(decoder)
        return looped(decoder, *arguments)

    monkeypatch.setattr(decoders, "looped", watched)
    source, lengths, target_in = small_batch(config=config)
    model = small_model(config)
    model(source, lengths, target_in)
    # The loop with the hand-written derivative leaves out windows, what is not one of the first scorers, and layers
    # with more than a cell between them.
    scorer = getattr(model.decoder, "scorer", None)
    other = config.attention_window != "global" or config.residual or config.layer_norm
    other = other or (scorer is not None and scorer.form() is None)
    steps = config.input_feeding or config.attention_position == "before"
    attends = config.decoder == "recurrent" and config.attention != "none"
    assert len(calls) == (attends and other and steps)


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
