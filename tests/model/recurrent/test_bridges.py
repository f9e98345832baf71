"""Bridges: which encoder state starts which decoder layer, and how."""

from __future__ import annotations

import pytest
import torch

from seqweave.model.recurrent.bridges import CopyBridge, DenseBridge, ZeroBridge, matching_layer
from seqweave.model.state import Encoded


def encoded(layers: int, parts: int, width: int = 4) -> Encoded:
    """Final states that say where they come from: layer + part / 10 everywhere."""
    final = tuple(torch.full((2, width), layer + part / 10) for layer in range(layers) for part in range(parts))
    return Encoded(torch.randn(2, 3, width), final, torch.ones(2, 3, dtype=torch.bool))


@pytest.mark.parametrize(
    ("encoder_layers", "decoder_layers", "expected"),
    [(1, 1, [0]), (2, 2, [0, 1]), (3, 1, [2]), (3, 2, [1, 2]), (1, 3, [0, 0, 0]), (2, 4, [0, 0, 0, 1])],
)
def test_layers_match_from_the_top(encoder_layers: int, decoder_layers: int, expected: list[int]) -> None:
    matches = [matching_layer(layer, encoder_layers, decoder_layers) for layer in range(decoder_layers)]
    assert matches == expected


def test_copy_hands_states_over_part_by_part() -> None:
    states = CopyBridge(3, 2, 2)(encoded(3, 2))
    assert [round(float(state[0, 0]), 1) for state in states] == [1.0, 1.1, 2.0, 2.1]
    states = CopyBridge(1, 2, 2)(encoded(1, 2))
    assert [round(float(state[0, 0]), 1) for state in states] == [0.0, 0.1, 0.0, 0.1]


def test_dense_is_the_tanh_of_a_map_of_its_own_state() -> None:
    torch.manual_seed(0)
    bridge = DenseBridge(4, 5, 2, 2, 1)
    given = encoded(2, 1)
    for linear, state, final in zip(bridge.maps, bridge(given), given.final, strict=True):
        assert isinstance(linear, torch.nn.Linear)
        assert state.shape == (2, 5)
        torch.testing.assert_close(state, torch.tanh(final @ linear.weight.T + linear.bias))


def test_zero_is_zero() -> None:
    states = ZeroBridge(4, 5)(encoded(2, 2))
    assert len(states) == 4
    assert all(state.shape == (2, 5) and not state.any() for state in states)
