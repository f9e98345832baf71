"""Proofs hold for every architecture, and each of them catches the model that it is there for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from architectures import CASES
from quick import quick_are
from seqweave.data.source import make_sources
from seqweave.errors import ConfigError, DataError
from seqweave.model.optimized import optimized
from seqweave.proofs.search_errors import count_search_errors
from seqweave.proofs.sources import Sources
from seqweave.proofs.verify import Proof, Verification, compared_outputs, prove, verify_search
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions
from tiny_model import tiny_model
from toy_search import ToyEncoded, ToyModel, ToyOutput, ToyState, ToyStep

TEXTS = ["abc", "g", "fedcba", "aa", "cafe", "bead"]
IDS = [[4, 5, 6, 7], [8], [9, 4, 4], [5, 10, 6, 6, 7, 8, 4], [10, 10], [4, 9]]
LIMITS = [9, 3, 14, 6, 1, 11]
SOURCES = Sources(make_sources(IDS), LIMITS)
GREEDY = "beam 1 = greedy"
ALONE, PERMUTED, PADDED = "batched = alone", "batched = permuted", "batched = more padding"
FORCED = "searched score = forced score"
STEPPED, FAST = "decode = repeated step", "decode = repeated optimized step"


def failed(proofs: list[Proof]) -> set[str]:
    return {proof.name for proof in proofs if not proof.passed}


@pytest.mark.parametrize(
    "name",
    quick_are(
        ["lstm-dot-feeding", "gru-none-every_step", "transformer-pre-sinusoidal", "gru-copies_before"],
        [
            "lstm-general-after",
            "gru-additive-before",
            "lstm-dot-feeding",
            "rnn-concat-between",
            "gru-none-every_step",
            "transformer-pre-sinusoidal",
            "recurrent_encoder-post-rotary",
            "recurrent_decoder-pre-learned",
            "lstm-copies",
            "gru-copies_before",
        ],
    ),
)
def test_every_proof_holds(name: str) -> None:
    model = tiny_model(CASES[name])
    model.network.train()
    found = verify_search(model, [*TEXTS, " "], beams=(1, 3))
    assert model.network.training
    assert found.passed
    assert found.sources == TEXTS
    fast = optimized(model.network.eval()) is not model.network
    assert found.optimized == fast
    names = [GREEDY, ALONE, PERMUTED, PADDED, FORCED, STEPPED, *([FAST] if fast else [])]
    assert [proof.name for proof in found.proofs] == names
    assert all(proof.compared >= len(TEXTS) for proof in found.proofs)
    assert any(proof.deviation > 0 for proof in found.proofs)


@pytest.mark.parametrize("positions", quick_are(["learned"], ["learned", "sinusoidal"]))
def test_padding_stays_below_the_last_position(positions: str) -> None:
    model = tiny_model(CASES[f"transformer-pre-{positions}"])
    longest = max(map(len, TEXTS))
    # Greedy and beam; what is not learned has no last position.
    for room, compared in ((0, 0 if positions == "learned" else 2 * len(TEXTS)), (3, 2 * len(TEXTS))):
        tight = model.config.model.model_copy(update={"max_positions": longest + room})
        model.config = model.config.model_copy(update={"model": tight})
        proofs = verify_search(model, TEXTS, beams=(1,)).proofs
        assert [proof.compared for proof in proofs if proof.name == PADDED] == [compared]
        assert not failed(proofs)


def test_toy_holds_too() -> None:
    assert not failed(prove(ToyModel(3), ToyModel(3), SOURCES, beam_size=3))


def test_more_outputs_that_bring_a_better_one_are_no_failure() -> None:
    """With stop="enough" a search for more outputs goes on longer."""
    model, sources = ToyModel(10, spread=1.5, eos_bias=1.0), Sources(make_sources([[5, 1]]), [12])
    [one], [two] = sources.search_all(model, 2), sources.search_all(model, 2, 2)
    assert two[0].score > one[0].score + 1e-3
    assert not failed(prove(model, model, sources, beam_size=2))


class DriftingStep(ToyModel):
    """Steps disagree with `decode` by a little."""

    drift = 0.01

    def step(self, ids: Tensor, state: ToyState, return_attention: bool = False) -> ToyStep:
        output = super().step(ids, state, return_attention)
        ramp = torch.linspace(0, self.drift, self.size)
        return replace(output, logits=output.logits + ramp)

    def decode(self, target_in: Tensor, encoded: ToyEncoded, return_attention: bool = False) -> ToyOutput:
        return ToyModel(3).decode(target_in, encoded, return_attention)


class OtherAttention(ToyModel):
    """Steps give other attention weights than `decode`, and the same logits."""

    def step(self, ids: Tensor, state: ToyState, return_attention: bool = False) -> ToyStep:
        output = super().step(ids, state, return_attention)
        return output if output.attention is None else replace(output, attention=output.attention.flip(1))

    def decode(self, target_in: Tensor, encoded: ToyEncoded, return_attention: bool = False) -> ToyOutput:
        return ToyModel(3).decode(target_in, encoded, return_attention)


class PaddingCounts(ToyModel):
    """The width of the batch enters the logits."""

    def encode(self, source: Tensor, source_lengths: Tensor, source_copies: Tensor | None = None) -> ToyEncoded:
        return replace(super().encode(source, source_lengths), sums=source.sum(1) + source.shape[1])


class NeighboursCount(ToyModel):
    """Each row also reads the row above it."""

    def encode(self, source: Tensor, source_lengths: Tensor, source_copies: Tensor | None = None) -> ToyEncoded:
        encoded = super().encode(source, source_lengths)
        return replace(encoded, sums=encoded.sums + encoded.sums.roll(1))


class ForgetfulState(ToyState):
    """Rows which trade places keep the past of the place."""

    def reorder(self, rows: Tensor) -> ToyState:
        return self


class Forgetful(ToyModel):
    """A beam of several mixes up its hypotheses."""

    def start(self, encoded: ToyEncoded) -> ToyState:
        state = super().start(encoded)
        return ForgetfulState(state.before, state.memory, state.width)


@pytest.mark.parametrize(
    ("ill", "caught"),
    [
        (DriftingStep, {FORCED, STEPPED}),
        (OtherAttention, {STEPPED}),
        (PaddingCounts, {ALONE, PERMUTED, PADDED}),
        (NeighboursCount, {ALONE, PERMUTED, FORCED}),
        (Forgetful, {FORCED}),
    ],
)
def test_an_ill_model_is_caught(ill: type[ToyModel], caught: set[str]) -> None:
    model = ill(3)
    found = failed(prove(model, model, SOURCES, beam_size=3))
    assert caught <= found
    assert GREEDY not in found
    if ill in (DriftingStep, OtherAttention, Forgetful):
        assert found == caught


def test_prepared_weights_that_differ_are_caught() -> None:
    found = prove(ToyModel(3), DriftingStep(3), SOURCES, beam_size=3)
    assert failed(found) == {FORCED, FAST}
    by_name = {proof.name: proof for proof in found}
    assert 1e-3 < by_name[FAST].deviation <= DriftingStep.drift
    assert by_name[STEPPED].deviation == 0.0


def test_a_greedy_search_of_its_own_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst item instead of the best one."""

    def worst(model: ToyModel, *arguments: Any, **options: Any) -> Any:
        other = ToyModel(3)
        other.table = -other.table
        return greedy_search(other, *arguments, **options)

    monkeypatch.setattr("seqweave.proofs.sources.greedy_search", worst)
    assert {GREEDY, FORCED} <= failed(prove(ToyModel(3), ToyModel(3), SOURCES, beam_size=3))


def test_a_network_whose_steps_are_ill_fails_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model(CASES["transformer-pre-sinusoidal"])
    healthy = model.network.step

    def ill(*arguments: Any) -> Any:
        output = healthy(*arguments)
        return replace(output, logits=output.logits * 1.01)

    monkeypatch.setattr(model.network, "step", ill)
    found = verify_search(model, TEXTS, beams=(1,))
    assert not found.passed
    assert failed(found.proofs) == {FORCED, STEPPED}
    row = found.to_json()["proofs"][-1]
    assert row["name"] == STEPPED
    assert row["passed"] is False
    assert row["worst_source"] in TEXTS


def test_ties_are_no_failure() -> None:
    """Two items of nearly one probability, between which rounding decides."""
    fair = ToyModel(3)
    fair.table[..., 5] = fair.table[..., 4] = fair.table.max() + 2
    fair.table[..., 3] = fair.table.max() - 0.5
    other = ToyModel(3)
    other.table = fair.table.clone()
    other.table[..., 5] += 1e-5
    found = {proof.name: proof for proof in prove(fair, other, SOURCES, beam_size=3)}
    assert found[FORCED].passed
    # `other` takes 5 where `fair` takes 4.
    ones, others = SOURCES.search_all(fair, 0), SOURCES.search_all(other, 0)
    apart = list(compared_outputs(fair, SOURCES, 0, range(len(IDS)), ones, others))
    assert any(one.tie for one in apart)
    assert max(one.value for one in apart) < 1e-4  # `fair` itself prefers neither


def test_infinite_deviations_fail_and_are_null() -> None:
    proof = Proof("x", 1, math.inf, 1e-4, 0, 0)
    errors = count_search_errors(ToyModel(3), SOURCES, [1], 1e-4)
    found = Verification(["a"], False, 5, [proof], errors)
    assert not found.passed
    assert found.to_json()["proofs"][0]["deviation"] is None
    assert not replace(proof, deviation=math.nan).passed


def test_search_errors_are_counted() -> None:
    """Against what the searches themselves and a full enumeration say."""
    sources = Sources(make_sources(IDS), [5] * len(IDS), SearchOptions(length_penalty=0.0, stop="proven"))
    beams = [1, 2, 3, 400]
    model = ToyModel(4, spread=1.5)
    found = count_search_errors(model, sources, beams, 1e-4)
    scores = [
        [group[0].score if group[0].finished else -math.inf for group in sources.search_all(model, beam)]
        for beam in beams
    ]
    assert found.exact == len(IDS)
    for count, now, before in zip(found.beams, scores, [scores[0], *scores], strict=False):
        assert count.better == sum(a > b + 1e-4 for a, b in zip(now, before, strict=True))
        assert count.worse == sum(a < b - 1e-4 for a, b in zip(now, before, strict=True))
        assert count.missed == sum(a < b - 1e-4 for a, b in zip(now, scores[-1], strict=True))
        assert count.cut == now.count(-math.inf)
    assert found.beams[0].missed > 0  # a beam as wide as the language misses nothing
    assert found.beams[-1].missed == 0
    assert sum(count.better for count in found.beams) > 0


def test_a_wider_beam_can_be_worse() -> None:
    counts = [count_search_errors(ToyModel(seed, spread=3.0), SOURCES, [1, 2, 3], 1e-4).beams for seed in range(30)]
    assert any(count.worse for each in counts for count in each)


def test_a_space_too_large_is_counted_as_such() -> None:
    found = count_search_errors(ToyModel(3, spread=0.1), SOURCES, [1, 2], 1e-4, most_prefixes=2)
    assert found.exact < len(IDS)
    assert found.most_prefixes == 2


@pytest.mark.parametrize("beams", [(), (0, 1), (2, 1), (1, 1)])
def test_wrong_beams_are_refused(beams: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="beams must be ascending beam sizes"):
        verify_search(tiny_model(CASES["gru-none-first"]), TEXTS, beams=beams)


@pytest.mark.parametrize("tolerance", [-1.0, math.nan, math.inf])
def test_a_wrong_tolerance_is_refused(tolerance: float) -> None:
    with pytest.raises(ConfigError, match="tolerance must be a number of 0 or more"):
        verify_search(tiny_model(CASES["gru-none-first"]), TEXTS, tolerance=tolerance)


def test_no_sources_are_refused() -> None:
    with pytest.raises(DataError, match="must be a source to verify on, but all 2 are empty"):
        verify_search(tiny_model(CASES["gru-none-first"]), ["", " "])
