"""Prepared networks take the steps of the networks they are made of."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from architectures import CASES, each, may_be_optimized, small_batch, small_model
from seqweave.config import ModelConfig
from seqweave.model.optimized import OptimizedSeq2Seq, optimized
from seqweave.model.optimized import linear as linear_module

TOLERANCE = 1e-5


def close(one: Tensor | None, other: Tensor | None) -> None:
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        torch.testing.assert_close(one, other, atol=TOLERANCE * (1 + float(other.abs().max())), rtol=0)


@each(may_be_optimized, plain=False)
@pytest.mark.parametrize("tables", [True, False])
@torch.inference_mode()
def test_steps_are_those_of_the_network(config: ModelConfig, tables: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through all that a search does to a state: expand, reorder, keep, select."""
    if not tables:
        monkeypatch.setattr(linear_module, "_LARGEST_TABLE", 0)
    monkeypatch.setattr(linear_module, "SMALL", 0 if tables else 1 << 15)
    network = small_model(config)
    fast = optimized(network)
    if fast is network:
        pytest.skip("this architecture has no optimized form")
    assert isinstance(fast, OptimizedSeq2Seq)
    source, lengths, target_in = small_batch()
    encoded, prepared_encoded = network.encode(source, lengths), fast.encode(source, lengths)
    real = encoded.mask[:, :, None]
    close(prepared_encoded.outputs * real, encoded.outputs * real)
    for ours, theirs in zip(prepared_encoded.final, encoded.final, strict=True):
        close(ours, theirs)
    plain, quick = network.start(encoded), fast.start(prepared_encoded)
    rows = torch.arange(4)
    for step in range(6):
        ids = target_in[:, step][rows] if len(rows) <= 4 else target_in[:, step].repeat(3)[: len(rows)]
        expected, got = network.step(ids, plain, True), fast.step(ids, quick, True)
        close(got.logits, expected.logits)
        close(got.attention, expected.attention)
        plain, quick = expected.state, got.state
        if step == 0:
            plain, quick = plain.expand(3), quick.expand(3)
        elif step == 1:
            moves = torch.tensor([2, 0, 0, 3, 4, 5, 8, 7, 6, 10, 10, 11])
            plain, quick = plain.reorder(moves), quick.reorder(moves)
        elif step == 2:
            stay = torch.tensor([0, 1, 3])
            plain, quick = plain.keep(stay), quick.keep(stay)
        elif step == 3:
            some = torch.tensor([8, 0, 0, 4])
            plain, quick = plain.select(some), quick.select(some)
        assert plain.rows == quick.rows
        rows = torch.arange(plain.rows)


def test_most_architectures_are_optimized() -> None:
    for name, config in CASES.items():
        if may_be_optimized(config) and not config.residual:
            assert isinstance(optimized(small_model(config)), OptimizedSeq2Seq), name


def test_a_model_that_copies_is_kept() -> None:
    network = small_model(CASES["lstm-copies"])
    assert optimized(network) is network


def test_another_type_of_numbers_keeps_the_network() -> None:
    network = small_model(CASES["lstm-general-after"]).double()
    assert optimized(network) is network
