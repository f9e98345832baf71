"""Decoders that can go through fused kernels do; that the result is the repeated step's is an invariant."""

from __future__ import annotations

from typing import Any

import pytest

from architectures import CASES, batch_of, each, has_form, small_batch, small_model
from seqweave.config import ModelConfig
from seqweave.model.cells import cell_named
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
    model.decode(target_in, model.encode(*batch_of(source, lengths, config)))
    attends = config.decoder == "recurrent" and config.attention != "none"
    steps = config.input_feeding or config.attention_position == "before"
    # The loop with the hand-written derivative leaves out windows, scorers and cells without a form of their own, and
    # layers with more than a cell between them.
    other = config.residual or config.layer_norm or cell_named(config.cell).loop is None
    assert len(calls) == (attends and steps and (other or not has_form(config)))


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
