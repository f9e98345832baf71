"""The pointer-generator: computed by hand, against a naive twin, and what its loss counts."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from architectures import CASES, TARGET_SIZE, batch_of, small_batch, small_model
from seqweave.model.kernels import cross_entropy
from seqweave.model.layers import SequenceDropout
from seqweave.model.output.pointer_generator import GateInput, PointerGenerator, mixed, summed_copy_loss
from seqweave.model.output.softmax import summed_loss
from seqweave.model.state import Decoded, Memory

NAMES = [name for name, config in CASES.items() if config.copy]


def pointer(reads: Literal["state", "readout"] = "state") -> PointerGenerator:
    """Widths of 1, 5 target entries."""
    return PointerGenerator(1, 5, SequenceDropout(0.0), GateInput(reads, 1, 1, 1))


def copies_of(*stands_for: int) -> Tensor:
    """Of one sentence without padding."""
    return pointer().copies(torch.tensor([stands_for]), torch.ones(1, len(stands_for), dtype=torch.bool))


def test_by_hand() -> None:
    """Vocabulary of 5; the source stands for 4, 5 (its own), 4: p_gen 1/2 and weights 1/2, 1/3, 1/6."""
    copies = copies_of(4, 5, 4)
    assert copies.tolist() == [[[4, 5, 8], [0, 1, 0]]]
    generated = torch.tensor([[[0.1, 0.2, 0.3, 0.3, 0.1]]]).log() + math.log(0.5)
    weights = torch.tensor([[[1 / 2, 1 / 3, 1 / 6]]])
    found = mixed(generated, torch.full((1, 1, 1), math.log(0.5)), weights, copies).exp()[0, 0]
    # Item 4: half of 0.1, and half of 1/2 + 1/6; item 5: half of 1/3; columns 6 and 7 are nothing here.
    expected = [0.05, 0.1, 0.15, 0.15, 0.05 + 1 / 3, 1 / 6, 0, 0]
    assert found.tolist() == pytest.approx(expected)
    assert sum(expected) == pytest.approx(1)


@pytest.mark.parametrize("reads", ["state", "readout"])
def test_the_gate_by_hand(reads: Literal["state", "readout"]) -> None:
    """See et al. 2017, eq. 8: context 1/4 * 8 + 3/4 * 4 = 5, state 2 (in format 0 the readout, 7), input 3."""
    output = pointer(reads).eval()
    with torch.no_grad():
        output.gate.weight.copy_(torch.tensor([[0.1, 0.2, -0.3]]))
        output.gate.bias.fill_(0.05)
        output.table().zero_()
    memory = Memory(values=torch.tensor([[[8.0], [4.0]]]), copies=copies_of(5, 6))
    one = torch.ones(1, 1, 1)
    decoded = Decoded(7 * one, 2 * one, torch.tensor([[[0.25, 0.75]]]))
    found = output(decoded, 3 * one, memory).exp()[0, 0]
    p_gen = 1 / (1 + math.exp(-(0.5 + {"state": 0.4, "readout": 1.4}[reads] - 0.9 + 0.05)))
    assert found.tolist() == pytest.approx([p_gen / 5] * 5 + [(1 - p_gen) / 4, (1 - p_gen) * 3 / 4], rel=1e-5)
    assert float(output.p_gen(decoded, 3 * one, memory).detach()) == pytest.approx(p_gen)


def naive(p_gen: Tensor, vocabulary: Tensor, weights: Tensor, stands_for: Tensor) -> Tensor:
    """P(w) by adding up, one number at a time. Shape: (B, T), (B, T, V), (B, T, S), (B, S) -> (B, T, V + S)."""
    sentences, steps, size = vocabulary.shape
    found = torch.zeros(sentences, steps, size + stands_for.shape[1], dtype=vocabulary.dtype)
    for b in range(sentences):
        for t in range(steps):
            found[b, t, :size] = p_gen[b, t] * vocabulary[b, t]
            for s, id_ in enumerate(stands_for[b].tolist()):
                if id_:  # no padding, no feature
                    found[b, t, id_] += (1 - p_gen[b, t]) * weights[b, t, s]
    return found


@pytest.mark.parametrize("reads", ["state", "readout"])
@pytest.mark.parametrize("name", NAMES)
def test_equals_its_naive_twin(name: str, reads: str) -> None:
    model = small_model(CASES[name].model_copy(update={"copy_gate": reads})).double()
    source, lengths, target_in = small_batch(config=CASES[name])
    source[0, 5] = source[0, 1]  # twice in one sentence
    batch = batch_of(source, lengths, CASES[name])
    assert batch.copies is not None
    encoded = model.encode(*batch)
    output = model.decode(target_in, encoded, return_attention=True)
    weights = output.attention
    assert isinstance(model.output, PointerGenerator)
    assert weights is not None
    embedded = model.target_input(model.output.fed(target_in))
    decoded = model.decoder(embedded, model.start(encoded))
    read = decoded.hidden if reads == "state" else decoded.readout
    context = torch.einsum("bts,bse->bte", weights, encoded.outputs)
    p_gen = torch.sigmoid(model.output.gate(torch.cat([context, read, embedded], -1)))[..., 0]
    # A predictive window leaves less than 1 to share out, and so do features.
    text = (batch.copies != 0)[:, None]  # (B, 1, S)
    shares = weights * text / (weights * text).sum(-1, keepdim=True).clamp(min=1e-30)
    expected = naive(p_gen, model.output.logits(decoded.readout).softmax(-1), shares, batch.copies)
    torch.testing.assert_close(output.logits.exp(), expected)
    some = text.any(-1).expand(4, 6)  # where there is nothing to copy, the rest is missing
    assert some.sum() >= 18
    torch.testing.assert_close(output.logits.exp().sum(-1)[some], torch.ones_like(p_gen[some]))
    assert output.logits.shape == (4, 6, TARGET_SIZE + 7)


def test_an_id_of_the_sentence_is_read_as_unknown() -> None:
    config = CASES["lstm-copies"]
    model = small_model(config)
    source, lengths, target_in = small_batch(config=config)
    assert bool((target_in >= TARGET_SIZE).any())
    unknown = target_in.masked_fill(target_in >= TARGET_SIZE, 1)
    encoded = model.encode(*batch_of(source, lengths, config))
    torch.testing.assert_close(model.decode(target_in, encoded).logits, model.decode(unknown, encoded).logits)


def test_weights_of_a_window_are_made_to_add_up() -> None:
    copies = copies_of(5, 6)
    generated = torch.full((1, 1, 5), math.log(0.1))
    half = torch.full((1, 1, 1), math.log(0.5))
    whole, less = (mixed(generated, half, scale * torch.tensor([[[0.4, 0.6]]]), copies) for scale in (1.0, 0.5))
    torch.testing.assert_close(whole, less)
    assert float(less.exp().sum()) == pytest.approx(1)


def test_features_are_not_copied() -> None:
    """Two features have half of the attention; what is left is shared out as 0.2 to 0.3."""
    copies = copies_of(0, 0, 5, 2)
    assert copies[0, 0].tolist() == [9, 9, 5, 2]
    generated = torch.full((1, 1, 5), math.log(0.1))
    half = torch.full((1, 1, 1), math.log(0.5))
    found = mixed(generated, half, torch.tensor([[[0.4, 0.1, 0.2, 0.3]]]), copies).exp()[0, 0]
    assert found.tolist() == pytest.approx([0.1, 0.1, 0.1 + 0.3, 0.1, 0.1, 0.2, 0, 0, 0])


@pytest.mark.parametrize("share", [0.0, 1e-30, 1e-12])
def test_attention_that_leaves_the_items_next_to_nothing(share: float) -> None:
    """Every weight is on a feature: in training the gradient stays finite, and generating is what is left."""
    weights = torch.tensor([[[1.0, share, share / 2]]], requires_grad=True)
    generated = torch.full((1, 1, 5), math.log(0.1), requires_grad=True)
    copying = torch.full((1, 1, 1), math.log(0.5), requires_grad=True)
    found = mixed(generated, copying, weights, copies_of(0, 5, 2), finite=True)
    loss = summed_loss(found, torch.tensor([[5]]))
    loss.backward()
    assert loss.isfinite()
    for part in (weights, generated, copying):
        assert part.grad is not None
        assert part.grad.isfinite().all()
    assert float(found.detach().exp()[0, 0, 0]) == pytest.approx(0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_gets_no_probability_is_impossible_outside_of_training(dtype: torch.dtype) -> None:
    """Item 5 is of the source alone and not looked at; item 2 is too, but it can be generated."""
    weights = torch.tensor([[[0.0, 0.0, 1.0]]], dtype=dtype, requires_grad=True)
    generated = torch.full((1, 1, 5), math.log(0.1), dtype=dtype, requires_grad=True)
    found = mixed(generated, torch.full((1, 1, 1), math.log(0.5), dtype=dtype), weights, copies_of(5, 2, 3))
    assert found[0, 0].isneginf().tolist() == [False] * 5 + [True] * 3
    assert torch.equal(found[0, 0, :3], generated[0, 0, :3])
    assert float(found[0, 0, 3].detach().exp()) == pytest.approx(0.6)
    # What can be had has a gradient that is a number, though logarithms of 0 stand beside it.
    found.log_softmax(-1)[0, 0, 2].backward()
    assert weights.grad is not None
    assert weights.grad.isfinite().all()
    assert generated.grad is not None
    assert generated.grad.isfinite().all()


@pytest.mark.parametrize("name", ["lstm-copies_local_m", "gru-copies_local_m"])
def test_an_item_outside_of_the_window_is_impossible_but_can_be_learned(name: str) -> None:
    config = CASES[name].model_copy(update={"dropout": 0.0})
    model = small_model(config)
    source, lengths, target_in = small_batch(config=config)
    batch = batch_of(source, lengths, config)
    assert batch.copies is not None
    batch.copies[0, 6] = TARGET_SIZE + 5  # far from the first positions, which look at the first items
    target_out = torch.full_like(target_in, TARGET_SIZE + 5)
    logits = model.decode(target_in, model.encode(*batch)).logits
    assert logits[0, 0, TARGET_SIZE + 5].isneginf()
    state = model.start(model.encode(*batch))
    assert model.step(target_in[:, 0], state).logits[0, TARGET_SIZE + 5].isneginf()
    trained = model.train()(source[:1], lengths[:1], target_in[:1], batch.copies[:1])
    for smoothing in (0.0, 0.1):
        model.zero_grad()
        loss = model.output.loss(trained, target_out[:1], smoothing)
        loss.backward(retain_graph=True)
        assert loss.isfinite()
        assert all(part.grad is None or part.grad.isfinite().all() for part in model.parameters())
    possible = trained[0, 0, :TARGET_SIZE]
    torch.testing.assert_close(possible, logits[0, 0, :TARGET_SIZE])


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("name", ["lstm-copies", "gru-copies_local_p", "lstm-copies_features"])
def test_the_loss_in_parts_is_that_of_the_whole(name: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cross-entropy takes some rows at a time; columns of nothing must not trouble it."""
    source, lengths, target_in = small_batch(config=CASES[name])
    target_out = target_in.roll(-1, 1).masked_fill(torch.arange(6) == 5, 3)
    model = small_model(CASES[name])
    monkeypatch.setattr(cross_entropy, "_CHUNK", rows * (TARGET_SIZE + 7))

    def gradients(loss: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(loss, list(model.parameters()), allow_unused=True, materialize_grads=True))

    copies = batch_of(source, lengths, CASES[name]).copies
    logits = model(source, lengths, target_in, copies)
    possible = logits.detach().flatten(0, 1).gather(1, target_out.flatten()[:, None]).isfinite()[:, 0]
    target_out = target_out.flatten().masked_fill(~possible, 0).view_as(target_out)
    assert bool((target_out >= TARGET_SIZE).any())
    found, expected = (
        summed_loss(logits, target_out),
        functional.cross_entropy(logits.flatten(0, 1), target_out.flatten(), ignore_index=0, reduction="sum"),
    )
    torch.testing.assert_close(found, expected)
    both = zip(
        gradients(summed_loss(model(source, lengths, target_in, copies), target_out)), gradients(expected), strict=True
    )
    for ours, theirs in both:
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_leaves_out_what_is_impossible(smoothing: float) -> None:
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.1, 0.1, 0.2, 0.0], [0.1] * 7]).log()[None].requires_grad_()
    found = summed_copy_loss(logits, torch.tensor([[5, 0]]), smoothing, vocabulary_size=5)
    every = [math.log(p) for p in (0.1, 0.2, 0.3, 0.1, 0.1)]
    expected = -(1 - smoothing) * math.log(0.2) - smoothing * sum(every) / 5
    assert float(found.detach()) == pytest.approx(expected, abs=1e-6)
    found.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert not logits.grad[0, 1].any()


def test_smoothing_over_everything_is_the_ordinary_loss() -> None:
    logits, target = torch.randn(3, 4, 6), torch.tensor([[1, 2, 3, 0]] * 3)
    torch.testing.assert_close(summed_copy_loss(logits, target, 0.2, 6), summed_loss(logits, target, 0.2))
