"""Gradients against finite differences, in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from architectures import CASES, batch_of, small_batch, small_model
from quick import quick_are
from seqweave.config import ModelConfig
from seqweave.model.cells import cell_named
from seqweave.model.layers import mask_of
from seqweave.model.recurrent.encoder import RecurrentLayer
from seqweave.model.seq2seq import Seq2Seq

CHOSEN = (
    "lstm-general-after",
    "gru-additive-before",
    "lstm-dot-feeding",
    "rnn-scaled_dot-between",
    "gru-none-every_step",
    "lstm-normalized-after",
    "gru-location-feeding",
    "gru-location_aware-before",
    "gru-coverage-feeding",
    "lstm-local_m-after",
    "gru-local_p-before",
    "gru-everything-between",
    "lstm-tied",
    "gru-residual",
    "lstm-layer_norm",
    "transformer-pre-sinusoidal",
    "transformer-post-learned",
    "transformer-pre-rotary",
    "transformer-tied",
    "recurrent_encoder-post-rotary",
    "recurrent_decoder-pre-learned",
    "transformer-lstm-none-first",
    "lstm-features",
    "lstm-features_by_table",
    "transformer-features_rotary",
    "lstm-copies",
    "gru-copies_before",
    "lstm-copies_feeding",
    "gru-copies_covering",
    "lstm-copies_local_p",
    "lstm-copies_features",
)
# Each kernel with a derivative written by hand, each scorer and each kind of layer once.
QUICK = (
    "lstm-general-after",
    "gru-additive-before",
    "lstm-dot-feeding",
    "rnn-scaled_dot-between",
    "gru-none-every_step",
    "gru-location-feeding",
    "gru-location_aware-before",
    "gru-local_p-before",
    "lstm-layer_norm",
    "transformer-pre-rotary",
    "recurrent_encoder-post-rotary",
    "recurrent_decoder-pre-learned",
    "lstm-features_by_table",
    "gru-copies_covering",
    "lstm-copies_feeding",
)
STEP = 1e-6


def total(model: Seq2Seq, config: ModelConfig) -> Tensor:
    """A loss that every parameter has a part in."""
    source, lengths, target_in = small_batch(config=config)
    encoded = model.encode(*batch_of(source, lengths, config))
    loss: Tensor = model.decode(target_in, encoded).logits.log_softmax(-1)[..., 4].sum()
    return loss


@pytest.mark.parametrize("name", quick_are(QUICK, CHOSEN))
def test_gradients_along_random_directions(name: str) -> None:
    model = small_model(CASES[name]).double()
    config = CASES[name]
    total(model, config).backward()
    generator = torch.Generator().manual_seed(3)
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        expected = float((parameter.grad * direction).sum())
        with torch.no_grad():
            parameter.add_(STEP * direction)
            above = float(total(model, config))
            parameter.sub_(2 * STEP * direction)
            below = float(total(model, config))
            parameter.add_(STEP * direction)
        difference = (above - below) / (2 * STEP)
        assert difference == pytest.approx(expected, rel=1e-5, abs=1e-6), parameter_name


def test_gradients_through_frozen_padding() -> None:
    torch.manual_seed(1)
    layer = RecurrentLayer(cell_named("lstm"), 2, 3).double()
    lengths = torch.tensor([4, 2, 1])
    padding = ~mask_of(lengths, 4)
    inputs = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)

    def cell_at_end(values: Tensor) -> Tensor:
        end: Tensor = layer(values, layer.zero_state(3, values), padding)[1][1]
        return end

    assert gradcheck(cell_at_end, (inputs,))
    cell_at_end(inputs).sum().backward()
    assert inputs.grad is not None
    assert not inputs.grad[padding].any()
    assert inputs.grad[~padding].all()


@pytest.mark.parametrize(
    "name",
    ["rnn-general-after", "gru-general-after", "lstm-general-after", "transformer-layers", "transformer-lstm-copy"],
)
def test_padding_adds_nothing_to_a_gradient(name: str) -> None:
    source, lengths, target_in = small_batch()
    model = small_model(CASES[name]).double()
    model(source, lengths, target_in).square().sum().backward()
    batched = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad()
    for row, length in enumerate(lengths.tolist()):
        alone = model(source[row : row + 1, :length], lengths[row : row + 1], target_in[row : row + 1])
        alone.square().sum().backward()  # gradients of the four sentences add up
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, batched[name], atol=1e-9, rtol=1e-9, msg=name)
