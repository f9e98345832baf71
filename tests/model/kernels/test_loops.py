"""The loop with its derivative written by hand, against finite differences and against repeated steps."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from architectures import ATTENTIONS, PLACES, SMALL, small_batch, small_model
from pairwise import pairwise
from processors import need_bf16
from quick import slow
from seqweave.config import ModelConfig
from seqweave.model.attention.scorers import ScorerSettings, build_scorer
from seqweave.model.cells import CELLS as ALL_CELLS
from seqweave.model.decoder import looped
from seqweave.model.layers import SequenceDropout
from seqweave.model.recurrent.decoders import AfterDecoder, BeforeDecoder
from seqweave.model.recurrent.fused import loop_applies
from seqweave.model.seq2seq import Seq2Seq
from seqweave.model.state import DecoderState, Encoded

CELLS = [name for name, cell in ALL_CELLS.items() if cell.loop is not None]
STEPPING = {place: PLACES[place] for place in ("before", "feeding")}
FORMED = [kind for kind in ATTENTIONS if build_scorer(kind, ScorerSettings(6, 6, 6)).form() is not None]


def case(cell: str, attention: str, place: str, layers: int) -> ModelConfig:
    settings = {"cell": cell, "attention": attention, "decoder_layers": layers, **STEPPING[place]}
    return ModelConfig(**{**SMALL, "dropout": 0.0, **settings})


CASES = {
    f"{cell}-{attention}-{place}-{layers}": case(cell, attention, place, layers)
    for cell, attention, place, layers in itertools.product(CELLS, FORMED, STEPPING, (1, 2))
}
CASES["lstm-additive-before-3"] = case("lstm", "additive", "before", 3)
CASES["gru-dot-feeding-3"] = case("gru", "dot", "feeding", 3)
for stepped in STEPPING:
    normalized = case("lstm", "additive", stepped, 1).model_copy(update={"attention_normalized": True})
    CASES[f"lstm-normalized-{stepped}"] = normalized
# A readout that is fed has a width of its own, that of the context (6) or not.
for attention, size in itertools.product(("additive", "dot"), (4, 9)):
    narrow = case("lstm", attention, "feeding", 1).model_copy(update={"readout_size": size})
    CASES[f"lstm-{attention}-feeding-readout-{size}"] = narrow
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}
QUICK = {
    ("{cell}-{attention}-{place}-{layers}".format(**row), row["dtype"])
    for row in pairwise(
        {"cell": CELLS, "attention": FORMED, "place": [*STEPPING], "layers": (1, 2), "dtype": [*TOLERANCES]}
    )
}


def is_quick(name: str, dtype: torch.dtype) -> bool:
    """Whether a case belongs to the pairwise subset, or is no part of the product."""
    return (name, dtype) in QUICK or name.count("-") != 3 or name.endswith("-3")


cases = pytest.mark.parametrize(
    ("config", "dtype"),
    [
        pytest.param(config, dtype, id=f"{name}-{dtype}", marks=() if is_quick(name, dtype) else pytest.mark.slow)
        for (name, config), dtype in itertools.product(CASES.items(), TOLERANCES)
    ],
)


def stepping(model: Seq2Seq) -> BeforeDecoder | AfterDecoder:
    assert isinstance(model.decoder, BeforeDecoder | AfterDecoder)
    return model.decoder


def inputs_of(model: Seq2Seq, dtype: torch.dtype) -> dict[str, Tensor]:
    """What enters a decoder, as leaves; one of the sentences is empty."""
    generator = torch.Generator().manual_seed(4)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()

    state = model.start(model.encode(*small_batch()[:2]))
    inputs = {"embedded": random(4, 6, SMALL["embedding_size"]), "outputs": random(4, 7, 6)}
    if state.feed is not None:
        inputs["feed"] = random(*state.feed.shape)
    return inputs | {f"state {index}": random(*part.shape) for index, part in enumerate(state.recurrent)}


def state_of(model: Seq2Seq, inputs: dict[str, Tensor]) -> DecoderState:
    mask = torch.arange(7) < torch.tensor([7, 3, 0, 1])[:, None]
    recurrent = tuple(part for name, part in inputs.items() if name.startswith("state"))
    state = model.decoder.start(Encoded(inputs["outputs"], recurrent, mask), recurrent)
    return replace(state, feed=inputs.get("feed"))


def results(model: Seq2Seq, inputs: dict[str, Tensor], fast: bool, bf16: bool = False) -> dict[str, Tensor]:
    """Readouts, attention, states, and the gradients of a function of all, of every input and every weight."""
    for leaf in (*inputs.values(), *model.parameters()):
        leaf.grad = None
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        state = state_of(model, inputs)
        assert loop_applies(stepping(model).stack, stepping(model).scorer, inputs["embedded"], state)
        run = model.decoder if fast else lambda *arguments: looped(model.decoder, *arguments)
        decoded = run(inputs["embedded"], state)
    assert decoded.weights is not None
    dtype = inputs["embedded"].dtype
    readout, weights, hidden = (part.to(dtype) for part in (decoded.readout, decoded.weights, decoded.hidden))
    generator = torch.Generator().manual_seed(5)
    for values in (readout, weights, hidden):
        direction = torch.randn(values.shape, generator=generator, dtype=torch.float64).to(values.dtype)
        (values * direction).sum().backward(retain_graph=True)
    found = {"readout": readout.detach(), "weights": weights.detach(), "hidden": hidden.detach()}
    for name, leaf in (*inputs.items(), *stepping(model).named_parameters()):
        assert leaf.grad is not None, name
        found[f"gradient of {name}"] = leaf.grad
    return found


@cases
def test_equals_looped(config: ModelConfig, dtype: torch.dtype) -> None:
    model = small_model(config).to(dtype)
    inputs = inputs_of(model, dtype)
    expected = results(model, inputs, fast=False)
    for name, values in results(model, inputs, fast=True).items():
        scale = max(1.0, float(expected[name].abs().max()))
        torch.testing.assert_close(values, expected[name], atol=TOLERANCES[dtype] * scale, rtol=0, msg=name)
    assert not expected["weights"][2].any()


@pytest.mark.parametrize("place", STEPPING)
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_scorers_without_a_form_are_looped(attention: str, place: str) -> None:
    """Never with the numbers of another scorer."""
    model = small_model(case("gru", attention, place, 1))
    inputs = inputs_of(model, torch.float32)
    state = replace(
        state_of(model, inputs), attention_state=model.start(model.encode(*small_batch()[:2])).attention_state
    )
    applies = loop_applies(stepping(model).stack, stepping(model).scorer, inputs["embedded"], state)
    assert applies == (attention in FORMED)
    expected = looped(model.decoder, inputs["embedded"], state)
    found = model.decoder(inputs["embedded"], state)
    torch.testing.assert_close(found.readout, expected.readout)
    torch.testing.assert_close(found.hidden, expected.hidden)
    torch.testing.assert_close(found.weights, expected.weights)


def test_these_scorers_have_a_form() -> None:
    assert {"additive", "dot", "scaled_dot", "general", "concat"} <= set(FORMED)


@pytest.mark.slow
@pytest.mark.parametrize("place", STEPPING)
def test_bf16_is_as_near_to_fp64_as_looped(place: str) -> None:
    need_bf16(None)
    # Root mean square errors, relative to the size of what is compared, of readouts, weights and all gradients
    # over cells, scorers and layers. The models are small and their weights large, and the choice of a maxout
    # may turn over, so single errors scatter: medians.
    errors: dict[bool, list[float]] = {False: [], True: []}
    for config in (config for name, config in CASES.items() if place in name):
        model = small_model(config)
        inputs = inputs_of(model, torch.float32)
        leaves = {name: leaf.detach().double().requires_grad_() for name, leaf in inputs.items()}
        exact = results(small_model(config).double(), leaves, fast=True)
        for fast in errors:
            for name, values in results(model, inputs, fast, bf16=True).items():
                error = (values.double() - exact[name]).square().mean().sqrt()
                errors[fast].append(float(error / exact[name].square().mean().sqrt().clamp(min=1e-3)))
    medians = {fast: sorted(found)[len(found) // 2] for fast, found in errors.items()}
    assert medians[True] < 0.02
    assert medians[True] < 1.1 * medians[False]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "attention", "place"),
    [
        (cell, attention, place) if (attention == "additive") == (place == "before") else slow(cell, attention, place)
        for cell, attention, place in itertools.product(CELLS, ("additive", "scaled_dot"), STEPPING)
    ],
)
def test_gradients_against_finite_differences(cell: str, attention: str, place: str) -> None:
    model = small_model(case(cell, attention, place, 2)).double()
    inputs = inputs_of(model, torch.float64)
    names = list(inputs)
    weights = list(stepping(model).parameters())

    def features(*leaves: Tensor) -> Any:
        given = dict(zip(names, leaves, strict=False))
        decoded = model.decoder(given["embedded"], state_of(model, given))
        return decoded.readout, decoded.weights, decoded.hidden

    assert gradcheck(features, (*inputs.values(), *weights), fast_mode=True)


@pytest.mark.parametrize("place", STEPPING)
@pytest.mark.parametrize("variational", [False, True])
def test_dropout_between_layers_is_that_of_the_factors(
    place: str, variational: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With the factors fixed, a step that multiplies with them is the twin.
    config = case("lstm", "general", place, 2)
    model = small_model(ModelConfig(**{**config.model_dump(), "dropout": 0.4, "variational": variational})).double()
    inputs = inputs_of(model, torch.float64)
    stepping(model).stack.train()
    torch.manual_seed(3)
    with torch.no_grad():
        fast = model.decoder(inputs["embedded"], state_of(model, inputs)).readout
    torch.manual_seed(3)
    factors = stepping(model).stack.dropout.factors(4, 6, 6, like=inputs["embedded"])
    assert factors is not None
    assert factors.shape[1] == (1 if variational else 6)
    positions = iter(factors.expand(4, 6, 6).unbind(1))
    monkeypatch.setattr(SequenceDropout, "forward", lambda _, values: values * next(positions)[:, None])
    with torch.no_grad():
        slow = looped(model.decoder, inputs["embedded"], state_of(model, inputs)).readout
    torch.testing.assert_close(fast, slow)
    stepping(model).stack.eval()
    plain = model.decoder(inputs["embedded"], state_of(model, inputs)).readout
    assert not torch.allclose(fast, plain)


def test_backward_twice_gives_the_gradient_twice() -> None:
    model = small_model(case("lstm", "additive", "before", 2))
    inputs = inputs_of(model, torch.float32)
    readout = model.decoder(inputs["embedded"], state_of(model, inputs)).readout
    readout.sum().backward(retain_graph=True)
    once = inputs["outputs"].grad
    assert once is not None
    once = once.clone()
    readout.sum().backward()
    torch.testing.assert_close(inputs["outputs"].grad, 2 * once)
