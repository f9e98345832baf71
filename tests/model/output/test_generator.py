"""Readouts, the output's linear map, and weights shared with the target embedding."""

from __future__ import annotations

import math

import pytest
import torch

from architectures import CASES, SMALL, TARGET_SIZE, small_batch, small_model
from seqweave.config import ModelConfig
from seqweave.model.build import build_model
from seqweave.model.input.embeddings import Embedding
from seqweave.model.layers import SequenceDropout
from seqweave.model.output.softmax import SoftmaxOutput
from seqweave.model.recurrent.readouts import MaxoutReadout, PlainReadout, TanhReadout
from seqweave.model.state import Decoded, DecoderState, Memory


def test_maxout_by_hand() -> None:
    readout = MaxoutReadout(2, 2)
    with torch.no_grad():
        readout.linear.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 2.0]]))
        readout.linear.bias.copy_(torch.tensor([0.0, 0.5, 0.0, 0.0]))
    # (3, 1): pairs (3, 1.5) and (4, -1). (-1, 2): pairs (-1, 2.5) and (1, 5).
    given = torch.tensor([[[3.0, 1.0], [-1.0, 2.0]]])
    assert readout(given).tolist() == [[[3.0, 4.0], [2.5, 5.0]]]


def test_tanh_by_hand() -> None:
    readout = TanhReadout(2, 1)
    with torch.no_grad():
        readout.linear.weight.copy_(torch.tensor([[0.5, -1.0]]))
    assert readout(torch.tensor([2.0, 0.25])).item() == pytest.approx(math.tanh(0.75))  # 1 - 0.25


def test_plain_readout_is_the_features_where_the_width_fits() -> None:
    features = torch.randn(2, 3, 4)
    assert torch.equal(PlainReadout(4, 4)(features), features)
    assert list(PlainReadout(4, 4).parameters()) == []
    assert PlainReadout(4, 5)(features).shape == (2, 3, 5)


def test_shapes() -> None:
    output, memory = SoftmaxOutput(4, 7, SequenceDropout(0.0)), Memory()
    whole, rows = Decoded(torch.randn(2, 3, 4), torch.randn(2, 3, 5)), Decoded(torch.randn(5, 4), torch.randn(5, 5))
    assert output(whole, torch.randn(2, 3, 6), memory).shape == (2, 3, 7)
    assert output.step(rows, torch.randn(5, 6), DecoderState((), memory)).shape == (5, 7)


@pytest.mark.parametrize("name", ["lstm-tied", "gru-tied_before", "lstm-tied_first"])
def test_tied_weights_are_one_storage(name: str) -> None:
    model = small_model(CASES[name])
    assert model.output.weight is None
    assert isinstance(model.target_input, Embedding)
    shared = model.target_input.weight
    assert [key for key, _ in model.named_parameters() if key.endswith("input.weight")] == [
        "source_input.weight",
        "target_input.weight",
    ]
    source, lengths, target_in = small_batch()
    with torch.no_grad():
        shared[8] += 1.0  # id 8 is not fed below, so only the output's use of it shows
    target_in = target_in.masked_fill(target_in == 8, 4)
    after = model(source, lengths, target_in)
    with torch.no_grad():
        shared[8] -= 1.0
    before = model(source, lengths, target_in)
    assert torch.equal(after[..., :8], before[..., :8])
    assert not torch.isclose(after[..., 8], before[..., 8]).any()


def test_untied_weights_are_two() -> None:
    model = small_model(CASES["lstm-general-after"])
    assert isinstance(model.target_input, Embedding)
    assert model.output.weight is not None
    assert model.output.weight.data_ptr() != model.target_input.weight.data_ptr()


@pytest.mark.parametrize("settings", [{"readout_size": 4}, {"tie_embeddings": True}, {}])
def test_readout_width(settings: dict[str, object]) -> None:
    model = build_model(ModelConfig(**{**SMALL, **settings}), 11, TARGET_SIZE)
    source, lengths, target_in = small_batch()
    readout = model.decoder(model.target_input(target_in), model.start(model.encode(source, lengths))).readout
    assert readout.shape == (4, 6, {"readout_size": 4, "tie_embeddings": 5}.get(next(iter(settings), ""), 6))
