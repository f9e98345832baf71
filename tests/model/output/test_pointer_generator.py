"""The pointer-generator: computed by hand, against a naive twin, and what its loss counts."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from architectures import CASES, SOURCE_SIZE, TARGET_SIZE, small_batch, small_model
from seqweave.model.kernels import cross_entropy
from seqweave.model.output.pointer_generator import Copier, PointerGenerator, mixed
from seqweave.model.state import Memory
from seqweave.training.losses import summed_loss

NAMES = [name for name, config in CASES.items() if config.copy]


def test_by_hand() -> None:
    """Vocabulary of 5; the source stands for 4, 5 (its own), 4: p_gen 1/2 and weights 1/2, 1/3, 1/6."""
    copier = Copier(1, 1, 1, source_size=10, target_size=5)
    copies = copier.columns(torch.tensor([[4 * 10 + 6, 5 * 10 + 1, 4 * 10 + 7]]))
    assert copies.tolist() == [[[4, 5, 8], [0, 1, 0]]]
    generated = torch.tensor([[[0.1, 0.2, 0.3, 0.3, 0.1]]]).log() + math.log(0.5)
    weights = torch.tensor([[[1 / 2, 1 / 3, 1 / 6]]])
    found = mixed(generated, torch.full((1, 1, 1), math.log(0.5)), weights, copies).exp()[0, 0]
    # Item 4: half of 0.1, and half of 1/2 + 1/6; item 5: half of 1/3; columns 6 and 7 are nothing here.
    expected = [0.05, 0.1, 0.15, 0.15, 0.05 + 1 / 3, 1 / 6, 0, 0]
    assert found.tolist() == pytest.approx(expected)
    assert sum(expected) == pytest.approx(1)


def test_the_gate_by_hand() -> None:
    """See et al. 2017, eq. 8: context 1/4 * 8 + 3/4 * 4 = 5, readout 2, input 3."""
    copier = Copier(1, 1, 1, source_size=10, target_size=5)
    with torch.no_grad():
        copier.gate.weight.copy_(torch.tensor([[0.1, 0.2, -0.3]]))
        copier.gate.bias.fill_(0.05)
    memory = Memory(values=torch.tensor([[[8.0], [4.0]]]), copies=copier.columns(torch.tensor([[56, 67]])))
    weights = torch.tensor([[[0.25, 0.75]]])
    one = torch.ones(1, 1, 1)
    found = copier(torch.zeros(1, 1, 5), 2 * one, weights, 3 * one, memory).exp()[0, 0]
    p_gen = 1 / (1 + math.exp(-(0.5 + 0.4 - 0.9 + 0.05)))
    assert found.tolist() == pytest.approx([p_gen / 5] * 5 + [(1 - p_gen) / 4, (1 - p_gen) * 3 / 4], rel=1e-5)


def naive(p_gen: Tensor, vocabulary: Tensor, weights: Tensor, codes: Tensor) -> Tensor:
    """P(w) by adding up, one number at a time. Shape: (B, T), (B, T, V), (B, T, S), (B, S) -> (B, T, V + S)."""
    sentences, steps, size = vocabulary.shape
    found = torch.zeros(sentences, steps, size + codes.shape[1], dtype=vocabulary.dtype)
    for b in range(sentences):
        for t in range(steps):
            found[b, t, :size] = p_gen[b, t] * vocabulary[b, t]
            for s, code in enumerate(codes[b].tolist()):
                if code // SOURCE_SIZE:  # no padding, no feature
                    found[b, t, code // SOURCE_SIZE] += (1 - p_gen[b, t]) * weights[b, t, s]
    return found


@pytest.mark.parametrize("name", NAMES)
def test_equals_its_naive_twin(name: str) -> None:
    model = small_model(CASES[name]).double()
    source, lengths, target_in = small_batch(config=CASES[name])
    source[0, 5] = source[0, 1]  # twice in one sentence
    encoded = model.encode(source, lengths)
    output = model.decode(target_in, encoded, return_attention=True)
    weights = output.attention
    assert isinstance(model.output, PointerGenerator)
    assert weights is not None
    embedded = model.target_input(model.copier.fed(target_in))
    readout, _ = model.decoder(embedded, model.start(encoded))
    context = torch.einsum("bts,bse->bte", weights, encoded.outputs)
    p_gen = torch.sigmoid(model.output.gate(torch.cat([context, readout, embedded], -1)))[..., 0]
    # A predictive window leaves less than 1 to share out, and so do features.
    text = (source // SOURCE_SIZE != 0)[:, None]  # (B, 1, S)
    shares = weights * text / (weights * text).sum(-1, keepdim=True).clamp(min=1e-30)
    expected = naive(p_gen, model._logits(readout).softmax(-1), shares, source)
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
    torch.testing.assert_close(model(source, lengths, target_in), model(source, lengths, unknown))


def test_weights_of_a_window_are_made_to_add_up() -> None:
    copies = Copier(1, 1, 1, 10, 5).columns(torch.tensor([[56, 67]]))
    generated = torch.full((1, 1, 5), math.log(0.1))
    half = torch.full((1, 1, 1), math.log(0.5))
    whole, less = (mixed(generated, half, scale * torch.tensor([[[0.4, 0.6]]]), copies) for scale in (1.0, 0.5))
    torch.testing.assert_close(whole, less)
    assert float(less.exp().sum()) == pytest.approx(1)


def test_features_are_not_copied() -> None:
    """Two features have half of the attention; what is left is shared out as 0.2 to 0.3."""
    copies = Copier(1, 1, 1, 10, 5).columns(torch.tensor([[8, 9, 5 * 10 + 6, 2 * 10 + 7]]))
    assert copies[0, 0].tolist() == [9, 9, 5, 2]
    generated = torch.full((1, 1, 5), math.log(0.1))
    half = torch.full((1, 1, 1), math.log(0.5))
    found = mixed(generated, half, torch.tensor([[[0.4, 0.1, 0.2, 0.3]]]), copies).exp()[0, 0]
    assert found.tolist() == pytest.approx([0.1, 0.1, 0.1 + 0.3, 0.1, 0.1, 0.2, 0, 0, 0])


@pytest.mark.parametrize("share", [0.0, 1e-30, 1e-12])
def test_attention_that_leaves_the_items_next_to_nothing(share: float) -> None:
    """Every weight is on a feature: the gradient stays finite, and generating is what is left."""
    copies = Copier(1, 1, 1, 10, 5).columns(torch.tensor([[8, 56, 27]]))
    weights = torch.tensor([[[1.0, share, share / 2]]], requires_grad=True)
    generated = torch.full((1, 1, 5), math.log(0.1), requires_grad=True)
    found = mixed(generated, torch.full((1, 1, 1), math.log(0.5)), weights, copies)
    loss = summed_loss(found, torch.tensor([[5]]))
    loss.backward()
    assert loss.isfinite()
    assert weights.grad is not None
    assert weights.grad.isfinite().all()
    assert float(found.detach().exp()[0, 0, 0]) == pytest.approx(0.1)


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

    logits = model(source, lengths, target_in)
    possible = logits.detach().flatten(0, 1).gather(1, target_out.flatten()[:, None]).isfinite()[:, 0]
    target_out = target_out.flatten().masked_fill(~possible, 0).view_as(target_out)
    assert bool((target_out >= TARGET_SIZE).any())
    found, expected = (
        summed_loss(logits, target_out),
        functional.cross_entropy(logits.flatten(0, 1), target_out.flatten(), ignore_index=0, reduction="sum"),
    )
    torch.testing.assert_close(found, expected)
    both = zip(gradients(summed_loss(model(source, lengths, target_in), target_out)), gradients(expected), strict=True)
    for ours, theirs in both:
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_leaves_out_what_is_impossible(smoothing: float) -> None:
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.1, 0.1, 0.2, 0.0], [0.1] * 7]).log()[None].requires_grad_()
    found = summed_loss(logits, torch.tensor([[5, 0]]), smoothing, vocabulary_size=5)
    every = [math.log(p) for p in (0.1, 0.2, 0.3, 0.1, 0.1)]
    expected = -(1 - smoothing) * math.log(0.2) - smoothing * sum(every) / 5
    assert float(found.detach()) == pytest.approx(expected, abs=1e-6)
    found.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert not logits.grad[0, 1].any()


def test_smoothing_over_everything_is_the_ordinary_loss() -> None:
    logits, target = torch.randn(3, 4, 6), torch.tensor([[1, 2, 3, 0]] * 3)
    torch.testing.assert_close(summed_loss(logits, target, 0.2, 6), summed_loss(logits, target, 0.2))
