"""Windows and what attention remembers, against numbers worked out by hand and a naive twin."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from architectures import CASES, SMALL, SOURCE_SIZE, batch_of, quick_cases, small_batch, small_model
from processors import need_bf16
from seqweave.config import ModelConfig
from seqweave.model.attention.base import NOTHING, attend, each
from seqweave.model.attention.dot import DotScorer
from seqweave.model.attention.windows import MonotonicWindow, PredictiveWindow, build_window
from seqweave.model.build import build_model

assert_close = partial(torch.testing.assert_close, atol=1e-6, rtol=1e-6)


def mask_of(*lengths: int) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def test_local_m_by_hand() -> None:
    # Steps 1, 2 and 6 of a source of four: around 1, around 2, and around the last.
    window = MonotonicWindow(1)
    inside, factor = window(torch.zeros(1, 3, 2), mask_of(4), {"position": torch.tensor([[0, 1, 5]])})
    assert factor is None
    assert inside.int().tolist() == [[[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1]]]


def test_local_m_knows_each_sentences_end() -> None:
    window = MonotonicWindow(1)
    inside, _ = window(torch.zeros(3, 1, 2), mask_of(5, 2, 0), {"position": torch.tensor([[3], [3], [3]])})
    assert inside.int().tolist() == [[[0, 0, 1, 1, 1]], [[1, 1, 0, 0, 0]], [[0, 0, 0, 0, 0]]]


def predictive(reach: int) -> PredictiveWindow:
    """Width 2; W the identity, v = (1, 1)."""
    window = PredictiveWindow(2, reach)
    with torch.no_grad():
        window.project.weight.copy_(torch.eye(2))
        window.direction.weight.copy_(torch.ones(1, 2))
    return window


def test_local_p_by_hand() -> None:
    # A query of zeros gives S / 2: 3 of 6 positions. D = 2, so sigma = 1 and the factors are exp(-d^2 / 2).
    window = predictive(2)
    inside, factor = window(torch.zeros(1, 1, 2), mask_of(6), NOTHING)
    assert inside.int().tolist() == [[[1, 1, 1, 1, 1, 0]]]
    expected = [math.exp(-distance * distance / 2) for distance in (2, 1, 0, 1, 2)]
    assert factor is not None
    assert_close(factor[0, 0, :5], torch.tensor(expected))
    # Scores all equal: a fifth of each factor; the sixth position is outside.
    values = torch.eye(6)[None]  # (1, 6, 6)
    context, weights = attend(DotScorer(), torch.zeros(1, 1, 2), torch.zeros(1, 6, 2), values, mask_of(6), window)
    assert_close(weights[0, 0], torch.tensor([*(part / 5 for part in expected), 0.0]))
    assert_close(context, weights)
    # tanh(1) + tanh(-0.5) through the sigmoid, times the source's own length.
    share = 1 / (1 + math.exp(-(math.tanh(1) - math.tanh(0.5))))
    centre = window.centre(torch.tensor([[[1.0, -0.5]]]).expand(2, 1, 2), mask_of(6, 3))
    assert_close(centre, torch.tensor([[6 * share], [3 * share]]))


@pytest.mark.parametrize("reach", [1, 2, 5])
def test_local_p_is_that_of_the_naive_twin_and_never_empty(reach: int) -> None:
    torch.manual_seed(1)
    window = PredictiveWindow(4, reach)
    query, mask = 20 * torch.randn(3, 40, 4), mask_of(9, 4, 1)
    with torch.no_grad():
        window.direction.weight.mul_(5)  # to the ends of the source as well
        inside, factor = window(query, mask, NOTHING)
        centre = window.centre(query, mask)
    assert factor is not None
    assert inside.any(2).all()
    for g, length in enumerate((9, 4, 1)):
        for q in range(40):
            p = float(centre[g, q])
            assert 0 <= p <= length
            for s in range(1, 10):
                assert bool(inside[g, q, s - 1]) == (s <= length and abs(s - round(p)) <= reach)
                gauss = math.exp(-((s - p) ** 2) / (2 * (reach / 2) ** 2))
                assert float(factor[g, q, s - 1]) == pytest.approx(gauss, abs=1e-5)


def test_every_name_builds_its_window() -> None:
    assert build_window("global", 4, 2) is None
    assert isinstance(build_window("local_m", 4, 2), MonotonicWindow)
    assert isinstance(build_window("local_p", 4, 2), PredictiveWindow)
    with pytest.raises(ValueError, match="no window is called local; there are global, local_m, local_p"):
        build_window("local", 4, 2)  # type: ignore[arg-type]


def test_local_m_counts_the_same_ahead_and_step_by_step() -> None:
    window = MonotonicWindow(1)
    state = window.initial_state(mask_of(4, 2), torch.float32)
    ahead = window.states_ahead(state, 3)["position"]
    assert ahead.tolist() == [[0, 1, 2]] * 2
    for position in range(3):
        assert state["position"].tolist() == ahead[:, position].tolist()
        state = window.next_state(state, torch.zeros(2, 4))


@pytest.mark.parametrize("kind", ["location_aware", "coverage"])
def test_scorer_and_window_remember_side_by_side(kind: str) -> None:
    """Also where both remember something, all positions together are those step by step."""
    model = small_model(CASES[f"gru-{kind}-after"].model_copy(update={"attention_window": "local_m", "window_size": 1}))
    source, lengths, target_in = small_batch()
    encoded = model.encode(source, lengths)
    expected, state = model.decode(target_in, encoded, return_attention=True), model.start(encoded)
    assert set(state.attention_state) == {
        f"scorer.{'weights' if kind == 'location_aware' else kind}",
        "window.position",
    }
    assert expected.attention is not None
    for position, ids in enumerate(target_in.unbind(1)):
        assert state.attention_state["window.position"].tolist() == [position] * 4
        output = model.step(ids, state, return_attention=True)
        state = output.state
        assert output.attention is not None
        assert_close(output.attention, expected.attention[:, position])
        assert_close(output.logits, expected.logits[:, position])


def weights_of(config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Attention (B, T, S) with teacher forcing, and the mask (B, S)."""
    model = small_model(config)
    source, lengths, target_in = small_batch()
    encoded = model.encode(source, lengths)
    attention = model.decode(target_in, encoded, return_attention=True).attention
    assert attention is not None
    return attention.detach(), encoded.mask


@pytest.mark.parametrize("place", ["before", "after", "feeding", "between"])
def test_local_m_looks_around_the_step(place: str) -> None:
    weights, mask = weights_of(CASES[f"gru-local_m-{place}"])  # D = 1
    for row, length in enumerate(mask.sum(1).tolist()):
        for step in range(6):
            centre = min(step + 1, length)
            seen = [s for s in range(7) if weights[row, step, s] > 0]
            assert seen == [s for s in range(length) if abs(s + 1 - centre) <= 1]


def test_location_never_sees_what_it_has_no_row_for() -> None:
    weights, _ = weights_of(CASES["gru-location-after"])  # knows 5 positions
    assert (weights[0, :, :5] > 0).all()
    assert not weights[0, :, 5:].any()


def test_a_window_beyond_what_location_knows_sees_nothing() -> None:
    settings: dict[str, Any] = {"attention": "location", "location_positions": 2, "attention_window": "local_m"}
    weights, _ = weights_of(ModelConfig(**{**SMALL, **settings, "window_size": 1}))
    assert weights.isfinite().all()
    assert weights[0, :3].any(1).all()
    assert not weights[0, 3:].any()  # around 4 and later


def test_what_is_remembered_is_what_was() -> None:
    model = small_model(CASES["gru-everything-after"])
    source, lengths, target_in = small_batch()
    encoded = model.encode(source, lengths)
    state = model.start(encoded)
    assert set(state.attention_state) == {"scorer.weights", "scorer.coverage"}  # nothing of the window
    rows = []
    for ids in target_in.unbind(1):
        output = model.step(ids, state, return_attention=True)
        state = output.state
        assert output.attention is not None
        rows.append(output.attention)
        assert_close(state.attention_state["scorer.weights"], rows[-1])
        assert_close(state.attention_state["scorer.coverage"], torch.stack(rows).sum(0))


@pytest.mark.parametrize("kind", ["location_aware", "coverage"])
@pytest.mark.parametrize("place", ["before", "after", "feeding", "between"])
def test_what_is_remembered_counts(kind: str, place: str) -> None:
    """Other earlier weights, other outputs."""
    model = small_model(CASES[f"lstm-{kind}-{place}"])
    source, lengths, target_in = small_batch()
    state = model.step(target_in[:, 0], model.start(model.encode(source, lengths))).state
    assert state.attention_state
    other = replace(state, attention_state=each(state.attention_state, lambda part: part.flip(1)))
    one, two = (model.step(target_in[:, 1], given).logits for given in (state, other))
    assert (one - two).abs().max() > 1e-3


@pytest.mark.slow
def test_plain_attention_remembers_nothing() -> None:
    source, lengths, _ = small_batch()
    for name, config in quick_cases().items():
        memory = config.coverage or config.attention == "location_aware" or config.attention_window == "local_m"
        model = small_model(config)
        assert (model.start(model.encode(*batch_of(source, lengths, config))).attention_state != NOTHING) == memory, (
            name
        )


def test_a_default_model_has_the_parameters_it_had() -> None:
    names = [name for name, _ in build_model(ModelConfig(), SOURCE_SIZE, 9).named_parameters()]
    assert [name for name in names if "scorer" in name or "window" in name] == ["decoder.scorer.project.weight"]
    additive = build_model(ModelConfig(attention="additive"), SOURCE_SIZE, 9)
    assert [name for name, _ in additive.named_parameters() if "scorer" in name] == [
        "decoder.scorer.query.weight",
        "decoder.scorer.key.weight",
        "decoder.scorer.key.bias",
        "decoder.scorer.direction.weight",
    ]


@pytest.mark.parametrize("kind", ["normalized", "location", "location_aware", "coverage", "local_m", "local_p"])
def test_bf16_is_finite_and_near(kind: str) -> None:
    need_bf16()
    model = small_model(CASES[f"lstm-{kind}-after"])
    source, lengths, target_in = small_batch()
    expected = model(source, lengths, target_in)
    with torch.autocast("cpu", torch.bfloat16):
        narrow = model(source, lengths, target_in)
    assert narrow.float().isfinite().all()
    assert (narrow.float() - expected).abs().mean() < 0.1
