"""Products in whole numbers of 8 bits: their slow twin, and what they leave of a network."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from architectures import CASES, each, may_be_optimized, small_batch, small_model
from seqweave.config import ModelConfig, build_config
from seqweave.errors import SeqweaveError
from seqweave.model.cells import cell_named
from seqweave.model.optimized import OptimizedSeq2Seq, optimized, precision_of
from seqweave.model.optimized import linear as linear_module
from seqweave.model.optimized.int8 import HALVED, UNIT, WHOLE, Int8Linear, Span, int8_works
from tiny_model import tiny_model

pytestmark = pytest.mark.skipif(not int8_works(), reason="this processor has no fast products of 8-bit numbers")

SPANS: list[Span | None] = [HALVED, UNIT, WHOLE, None]


def twin(weight: Tensor, inputs: Tensor, span: Span | None) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """`x W^T` with both rounded to 255 levels, number by number in doubles."""
    result = np.zeros((len(inputs), len(weight)))
    for r, row in enumerate(inputs.double().tolist()):
        low, high = span or (-max(map(abs, row)), max(map(abs, row)))
        step = (high - low) / 254
        middle = (low + high) / 2
        rounded = [middle + step * round((x - middle) / step) for x in row]
        for m, weights in enumerate(weight.double().tolist()):
            scale = max(map(abs, weights)) / 127
            result[r, m] = sum(x * scale * round(w / scale) for x, w in zip(rounded, weights, strict=True))
    return result


def draw(rows: int, size: int, span: Span | None) -> Tensor:
    """Inputs that fill their span."""
    low, high = span or (-3.0, 5.0)
    return torch.rand(rows, size) * (high - low) + low


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("rows", [1, 3, 8, 9, 40])
def test_product_is_that_of_the_slow_twin(span: Span | None, rows: int) -> None:
    torch.manual_seed(rows)
    weight, bias, other = torch.randn(19, 23), torch.randn(19), torch.randn(rows, 19)
    inputs = draw(rows, 23, span)
    expected = torch.from_numpy(twin(weight, inputs, span)).float()
    product = Int8Linear(weight, bias, span)
    torch.testing.assert_close(product(inputs), expected + bias, atol=2e-5, rtol=0)
    torch.testing.assert_close(product.add(inputs, other), expected + other, atol=2e-5, rtol=0)


def test_a_product_by_hand() -> None:
    """1 and -0.5 are 127 and -64 of 1/127 (-63.5 goes to even); 0.5 and 0.25 are 127 and 64 of 1/254."""
    product = Int8Linear(torch.tensor([[1.0, -0.5]]), None, HALVED)
    expected = (127 * 127 - 64 * 64) / (127 * 254)
    for rows in (1, 20):
        got = product(torch.tensor([[0.5, 0.25]]).repeat(rows, 1))
        torch.testing.assert_close(got, torch.full((rows, 1), expected))


@pytest.mark.parametrize("span", SPANS)
def test_a_row_depends_on_nothing_but_itself(span: Span | None) -> None:
    torch.manual_seed(1)
    product = Int8Linear(torch.randn(50, 64), torch.randn(50), span)
    inputs = draw(32, 64, span)
    together = product(inputs)
    for row in range(32):
        torch.testing.assert_close(product(inputs[row : row + 1]), together[row : row + 1], atol=1e-5, rtol=0)


def test_rows_of_zeros_give_the_bias() -> None:
    bias = torch.randn(5)
    product = Int8Linear(torch.zeros(5, 4), bias, None)
    for rows in (1, 20):
        assert torch.equal(product(torch.zeros(rows, 4)), bias.repeat(rows, 1))


@each(may_be_optimized, plain=False)
@torch.inference_mode()
def test_logits_move_by_hundredths(config: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every product in 8 bits, for architectures with an optimized form."""
    monkeypatch.setattr(linear_module, "SMALL", 0)
    network = small_model(config)
    whole = optimized(network, int8=True)
    if not isinstance(whole, OptimizedSeq2Seq):
        assert precision_of(whole) == "fp32"
        pytest.skip("this architecture has no optimized form")
    form = cell_named(config.cell).optimized
    copied = config.encoder == "transformer" and config.bridge == "copy"
    if copied or form is None or not form.bounded:  # states beyond 1
        assert precision_of(whole) == "fp32"
        return
    assert precision_of(whole) == "int8"
    source, lengths, target_in = small_batch()
    exact, rounded = network.start(network.encode(source, lengths)), whole.start(whole.encode(source, lengths))
    moved = False
    for step in range(target_in.shape[1]):
        expected, got = network.step(target_in[:, step], exact), whole.step(target_in[:, step], rounded)
        exact, rounded = expected.state, got.state
        spread = float(expected.logits.std())
        torch.testing.assert_close(got.logits, expected.logits, atol=0.1 * spread, rtol=0)
        moved = moved or not torch.equal(got.logits, expected.logits)
    assert moved, "nothing was rounded"


@each(may_be_optimized, plain=False)
@torch.inference_mode()
def test_a_sentence_does_not_depend_on_how_many_stand_beside_it(
    config: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear_module, "SMALL", 0)
    network = optimized(small_model(config), int8=True)
    if not isinstance(network, OptimizedSeq2Seq):
        pytest.skip("this architecture has no optimized form")
    source, lengths, target_in = (part.repeat(2, *[1] * (part.dim() - 1)) for part in small_batch())

    def stepped(rows: slice) -> Tensor:
        state = network.start(network.encode(source[rows], lengths[rows]))
        logits = []
        for ids in target_in[rows].unbind(1):
            output = network.step(ids, state)
            state = output.state
            logits.append(output.logits)
        return torch.stack(logits, 1)  # (B, T, V)

    alone = torch.cat([stepped(slice(row, row + 1)) for row in range(4)])
    same = torch.isclose(stepped(slice(0, 8))[:4], alone, atol=1e-5, rtol=1e-5).all(-1)  # (B, T)
    # All but where the last bit of an input, which hangs on the batch, turns a level into its neighbour.
    assert float(same.float().mean()) > 0.6


@pytest.mark.parametrize("name", ["source_input.weight", "decoder.stack.layers.0.weight_hh"])
def test_what_is_no_number_stays_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_module, "SMALL", 0)
    model = tiny_model(CASES["lstm-general-after"])
    with torch.no_grad():
        dict(model.network.named_parameters())[name][-1] = math.nan
    assert precision_of(optimized(model.network, int8=True)) == "fp32"
    model.config = build_config({"search.precision": "int8"}, model.config)
    with pytest.raises(SeqweaveError, match="NaN"):
        model.predict(["abcdefg"])


def test_another_precision_is_optimized_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_module, "SMALL", 0)
    model = tiny_model(CASES["lstm-general-after"])
    assert model.precision == "fp32"
    model.config = build_config({"search.precision": "int8"}, model.config)
    assert model.precision == "int8"


@torch.inference_mode()
def test_without_fast_products_it_stays_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqweave.model.optimized.network.int8_works", lambda: False)
    network = optimized(small_model(CASES["lstm-general-after"]), int8=True)
    assert precision_of(network) == "fp32"
