"""The engine gives the logits and the attention of torch, for every architecture."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from architectures import CASES, each, small_model
from engine_calls import opened_model, stepping_library
from engine_oracle import Inputs, assert_near, inputs_of, torch_forced
from seqweave.config import ModelConfig


@each()
def test_given_outputs_have_the_logits_and_attention_of_torch(
    config: ModelConfig, engine_library: ctypes.CDLL
) -> None:
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


@each()
def test_rows_that_are_exchanged_go_on_as_their_own(config: ModelConfig) -> None:
    model = small_model(config)
    inputs = inputs_of(config, [4, 0, 7], [0, 0, 0])
    random = np.random.default_rng(5)
    sizes, columns = [3, 7, 9, 9, 5, 8, 2, 9, 6, 1, 4], 9 + (7 if config.copy else 0)
    parents = [[0, 1, 2]]
    parents += [random.integers(0, was, now).tolist() for was, now in zip(sizes[:-1], sizes[1:], strict=True)]
    fed = [[2] * 3, *[random.integers(3, columns, size).tolist() for size in sizes[1:]]]
    with opened_model(stepping_library(), config, model) as network:
        logits, weights = network.steps(inputs.call(), parents, fed)
    whose, written = [0, 1, 2], [[] for _ in range(3)]  # the source of each row, and all that it was fed after the begin
    for step, (chosen, ids) in enumerate(zip(parents, fed, strict=True)):
        whose, written = [whose[row] for row in chosen], [written[row] for row in chosen]
        if step:
            written = [[*row, item] for row, item in zip(written, ids, strict=True)]
        copies = None if inputs.copies is None else [inputs.copies[source] for source in whose]
        rows = Inputs([inputs.sources[source] for source in whose], copies, written)
        torchs, looks = torch_forced(model, rows)
        width = max(len(source) for source in rows.sources)  # torch sees no longer source than those of its rows
        expected = np.stack([row[-1] for row in torchs])
        assert_near(logits[step][:, : expected.shape[1]], expected, config)
        if looks is not None:
            assert_near(weights[step][:, :width], np.stack([row[-1] for row in looks])[:, :width])


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
