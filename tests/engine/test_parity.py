"""The engine gives the logits and the attention of torch, for every architecture."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from architectures import CASES, each, small_model
from engine_calls import opened_model
from engine_oracle import assert_near, check_exchanged_rows, inputs_of, torch_forced
from seqweave.config import ModelConfig


@each(plain=False)
def test_given_outputs_have_the_logits_and_attention_of_torch(config: ModelConfig, engine_library: ctypes.CDLL) -> None:
    model = small_model(config)
    inputs = inputs_of(config, [4, 1, 7, 2], [3, 0, 5, 9])
    with opened_model(engine_library, config, model) as network:
        logits, weights = network.force(inputs.call(), inputs.targets)
        alone, _ = network.force(inputs.call(), inputs.targets, attention=False)
    torchs, looks = torch_forced(model, inputs)
    assert_near(logits, np.concatenate(torchs), config)
    np.testing.assert_array_equal(alone, logits)
    if looks is not None:
        assert weights is not None
        assert_near(weights, np.concatenate(looks))


@pytest.mark.slow
@each(plain=False)
def test_rows_that_are_exchanged_go_on_as_their_own(config: ModelConfig) -> None:
    check_exchanged_rows(config, small_model(config), [3, 7, 9, 9, 5, 8, 2, 9, 6, 1, 4])


@pytest.mark.parametrize("name", ["lstm-copies", "gru-general-after", "transformer-pre-sinusoidal", "lstm-none-first"])
@pytest.mark.parametrize("lengths", [[0, 3], [0, 0], [0]])
def test_empty_sources(name: str, lengths: list[int], engine_library: ctypes.CDLL) -> None:
    config = CASES[name]
    model = small_model(config)
    inputs = inputs_of(config, lengths, [2] * len(lengths))
    with opened_model(engine_library, config, model) as network:
        logits, _ = network.force(inputs.call(), inputs.targets)
    torchs, _ = torch_forced(model, inputs)
    assert_near(logits, np.concatenate(torchs)[:, : logits.shape[1]], config)
