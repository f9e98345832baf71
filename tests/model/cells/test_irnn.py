"""The cell of Le, Jaitly & Hinton 2015 by hand."""

from __future__ import annotations

import torch

from seqweave.model.cells import cell_named
from seqweave.model.recurrent.encoder import RecurrentLayer


def test_two_positions_by_hand() -> None:
    layer = RecurrentLayer(cell_named("irnn"), 1, 2)
    with torch.no_grad():
        layer.weight_ih.copy_(torch.tensor([[1.0], [-2.0]]))
    # The identity keeps the old state: (0, 0) + (3, -6), cut at 0; then (3, 0) + (-1, 2).
    outputs, (after,) = layer(torch.tensor([[[3.0], [-1.0]]]), layer.zero_state(1, layer.weight_ih))
    assert outputs.tolist() == [[[3.0, 0.0], [2.0, 2.0]]]
    assert after.tolist() == [[2.0, 2.0]]


def test_it_starts_at_the_identity() -> None:
    torch.manual_seed(0)
    layer = RecurrentLayer(cell_named("irnn"), 200, 100)
    assert torch.equal(layer.weight_hh, torch.eye(100))
    assert not layer.bias_ih.any()
    assert not layer.bias_hh.any()
    assert 0.9e-3 < float(layer.weight_ih.detach().std()) < 1.1e-3
