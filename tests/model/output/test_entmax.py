"""entmax-1.5: by hand, against bisection, its loss against finite differences, and what a broken model gives."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from architectures import CASES, SMALL, small_batch, small_model
from naive_entmax import naive_entmax15
from seqweave.config import ModelConfig
from seqweave.model.optimized import optimized
from seqweave.model.output.entmax import entmax15_losses, log_entmax15, summed_entmax15_loss

pytest.importorskip("entmax", reason='entmax is not installed: pip install "seqweave[entmax]"')

# z - 0.5 is 0.6 for <eos> and 0.8 for the last item, whose squares sum to 1; that of <unk> is below 0.
# <pad> and <bos> never count.
BY_HAND = torch.tensor([[7.0, 0.9, 7.0, 2.2, 2.6]], dtype=torch.float64)


def example(rows: int, size: int, spread: float, dtype: torch.dtype = torch.float64) -> Tensor:
    torch.manual_seed(size)
    return (spread * torch.randn(rows, size, dtype=torch.float64)).to(dtype)


def test_probabilities_by_hand() -> None:
    assert log_entmax15(BY_HAND).exp()[0].tolist() == pytest.approx([0, 0, 0, 0.36, 0.64])
    assert log_entmax15(BY_HAND)[0, :3].tolist() == [-math.inf] * 3


def test_losses_by_hand() -> None:
    # sum p logits = 0.36 * 2.2 + 0.64 * 2.6 = 2.456; sum p^1.5 = 0.216 + 0.512, and 0.272 / 0.75 = 0.362667.
    losses = entmax15_losses(BY_HAND.expand(3, 5), torch.tensor([1, 3, 4]))
    assert losses.tolist() == pytest.approx([2.456 + 0.362667 - one for one in (0.9, 2.2, 2.6)], abs=1e-6)


@pytest.mark.parametrize("size", [5, 9, 300])
@pytest.mark.parametrize("spread", [0.01, 1.0, 20.0])
def test_probabilities_are_those_of_the_twin(size: int, spread: float) -> None:
    """Also where more items are possible than are sorted first."""
    logits = example(20, size, spread)
    found, expected = log_entmax15(logits).exp(), naive_entmax15(logits)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(found.sum(-1), torch.ones(20, dtype=torch.float64))
    if spread < 1:
        assert int((found > 0).sum(1).min()) == size - 2  # all but <pad> and <bos>
    torch.testing.assert_close(log_entmax15(logits.float()).exp().double(), expected, atol=1e-5, rtol=0)


def test_more_dimensions_are_rows() -> None:
    logits = example(12, 300, 1.0)
    assert torch.equal(log_entmax15(logits.view(3, 4, 300)).view(12, 300), log_entmax15(logits))


def test_a_softmax_leaves_them_as_they_are() -> None:
    log_probs = log_entmax15(example(30, 9, 3.0))
    again = log_probs.log_softmax(-1)
    assert torch.equal(again.isneginf(), log_probs.isneginf())
    assert log_probs.isneginf().any()
    torch.testing.assert_close(again, log_probs)


def test_an_item_two_below_the_best_is_impossible() -> None:
    logits = torch.full((1, 6), -3.0, dtype=torch.float64)
    logits[0, 4], logits[0, 5] = 1.0, -1.0
    assert log_entmax15(logits)[0, 4:].tolist() == [0.0, -math.inf]
    assert entmax15_losses(logits, torch.tensor([4])).tolist() == pytest.approx([0.0], abs=1e-12)


def test_loss_has_the_gradient_of_finite_differences() -> None:
    targets = torch.tensor([[4, 5, 3, 0], [1, 8, 3, 0]])
    logits = example(8, 9, 2.0).view(2, 4, 9).requires_grad_()
    assert gradcheck(lambda given: summed_entmax15_loss(given, targets), (logits,))
    summed_entmax15_loss(logits, targets).backward()
    assert logits.grad is not None
    expected = naive_entmax15(logits.detach()) - torch.nn.functional.one_hot(targets, 9)
    torch.testing.assert_close(logits.grad[:, :3], expected[:, :3], atol=1e-9, rtol=0)
    assert not logits.grad[:, 3].any()  # padding


def test_loss_is_a_sum_over_real_positions() -> None:
    """So that accumulation, and more processes, change nothing."""
    targets = torch.tensor([[4, 5, 3], [8, 3, 0]])
    logits = example(6, 9, 1.0).view(2, 3, 9)
    parts = [summed_entmax15_loss(logits[row : row + 1, :n], targets[row : row + 1, :n]) for row, n in ((0, 3), (1, 2))]
    torch.testing.assert_close(summed_entmax15_loss(logits, targets), torch.stack(parts).sum())


def test_the_logarithm_has_a_gradient_beside_zeros() -> None:
    logits = BY_HAND.repeat(2, 1).requires_grad_()
    assert gradcheck(lambda given: log_entmax15(given).log_softmax(-1)[:, 3:], (logits,))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_broken_row_is_nan_and_no_other(bad: float) -> None:
    logits = example(3, 200, 1.0)
    whole = log_entmax15(logits)
    broken = logits.clone()
    broken[1, 7] = bad
    found = log_entmax15(broken)
    assert found[1].isnan().all()
    assert torch.equal(found[[0, 2]], whole[[0, 2]])
    broken.requires_grad_()
    losses = entmax15_losses(broken, torch.tensor([4, 5, 6]))
    assert losses.isnan().tolist() == [False, True, False]
    losses.sum().backward()
    assert broken.grad is not None
    assert broken.grad.isnan().any(1).tolist() == [False, True, False]  # the optimizer skips such an update


def test_halves_are_widened() -> None:
    logits = example(10, 9, 2.0, torch.bfloat16).requires_grad_()
    assert log_entmax15(logits).dtype == torch.float32
    loss = entmax15_losses(logits, torch.full((10,), 4)).sum()
    assert loss.dtype == torch.float32
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["gru-entmax", "lstm-entmax_feeding", "transformer-entmax"])
def test_logits_in_training_are_what_the_probabilities_are_made_of(name: str) -> None:
    model = small_model(CASES[name].model_copy(update={"dropout": 0.0}))
    source, lengths, target_in = small_batch()
    log_probs = model(source, lengths, target_in)
    raw = model.train()(source, lengths, target_in)
    assert raw.isfinite().all()
    assert not log_probs.isfinite().all()
    torch.testing.assert_close(log_entmax15(raw), log_probs)


def test_a_softmax_model_is_as_before() -> None:
    plain, sparse = ModelConfig(**SMALL), ModelConfig(**SMALL, output="entmax15")
    ours, theirs = small_model(plain).state_dict(), small_model(sparse).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_gradients_of_a_whole_model() -> None:
    model = small_model(CASES["lstm-entmax_feeding"].model_copy(update={"dropout": 0.0})).double().train()
    source, lengths, target_in = small_batch()
    targets = torch.tensor([[4, 5, 6, 7, 8, 3], [5, 3, 0, 0, 0, 0], [4, 4, 1, 6, 3, 0], [3, 0, 0, 0, 0, 0]])

    def total() -> Tensor:
        return summed_entmax15_loss(model(source, lengths, target_in), targets)

    total().backward()
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        sides = []
        for step in (1e-6, -2e-6, 1e-6):
            with torch.no_grad():
                parameter.add_(step * direction)
                sides.append(float(total()))
        expected = float((parameter.grad * direction).sum())
        assert (sides[0] - sides[1]) / 2e-6 == pytest.approx(expected, rel=1e-4, abs=1e-6), name


def test_networks_are_not_optimized() -> None:
    network = small_model(CASES["gru-entmax"])
    assert optimized(network) is network
