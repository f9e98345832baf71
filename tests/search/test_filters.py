"""A function of the user's as a step filter: in every search, with constraints, and what it must return."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from id_batches import pad_ids
from seqweave.config import ModelConfig
from seqweave.errors import ConfigError
from seqweave.search import beam
from seqweave.search.beam import Beam, beam_search
from seqweave.search.filtering import filtered
from seqweave.search.filters import MinLength, constraints
from seqweave.search.found import Found, StepFilter
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions
from seqweave.search.sampling import sample_search
from seqweave.text.vocabulary import EOS
from tiny_model import tiny_model
from toy_search import ToyModel

SOURCES = [[4, 5, 6, 7], [8], [9, 4, 4], [5, 10, 6, 6, 7, 8, 4], [10, 10], [4, 9]]
LIMITS = [9, 3, 14, 6, 4, 11]
TEXTS = ["abc", "", "gagagaga", "fed"]


def falling(log_probs: Tensor, outputs: list[list[int]]) -> None:
    """An item is never larger than the one before."""
    for row, output in zip(log_probs, outputs, strict=True):
        if output and output[-1] != EOS:
            row[output[-1] + 1 :] = float("-inf")


def as_a_new_tensor(log_probs: Tensor, outputs: list[list[int]]) -> Tensor:
    changed = log_probs.clone()
    falling(changed, outputs)
    return changed


def search(kind: str, model: ToyModel, filters: list[StepFilter], limits: list[int] = LIMITS) -> list[Found]:
    source = pad_ids(SOURCES)
    ends, options = torch.tensor(limits), SearchOptions(beam_size=4, temperature=2.0)
    if kind == "greedy":
        return greedy_search(model, source, ends, options, filters)
    if kind == "sampling":
        return sample_search(model, source, ends, options, filters)
    return [one for one, *_ in beam_search(model, source, ends, options, filters)]


@pytest.mark.parametrize("kind", ["greedy", "beam", "sampling"])
def test_a_function_decides_what_may_follow(kind: str) -> None:
    model = ToyModel(3, 12, eos_bias=-3.0)
    free, found = search(kind, model, []), search(kind, model, [falling])
    assert any(one.ids != sorted(one.ids, reverse=True) for one in free)
    assert all(one.ids == sorted(one.ids, reverse=True) for one in found)
    assert search(kind, model, [as_a_new_tensor]) == found


@pytest.mark.parametrize("kind", ["greedy", "beam", "sampling"])
def test_the_outputs_follow_the_hypotheses(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that was put out before counts, whatever a hypothesis was the neighbour of; in both beams."""

    def only_once(log_probs: Tensor, outputs: list[list[int]]) -> None:
        for row, output in zip(log_probs, outputs, strict=True):
            row[[item for item in output if item != EOS]] = float("-inf")

    for seed in range(5):
        model = ToyModel(seed, 12, eos_bias=-3.0)
        found = search(kind, model, [only_once])
        assert all(len(set(one.ids)) == len(one.ids) for one in found)
        with monkeypatch.context() as patch:
            patch.setattr(beam, "start_beam", Beam.start)
            assert [one.ids for one in search(kind, model, [only_once])] == [one.ids for one in found]


@given(
    seed=st.integers(0, 10_000),
    bias=st.floats(-3, 1),
    beta=st.sampled_from([0.0, 0.7]),
    own=st.booleans(),
    minimum=st.integers(0, 4),
    size=st.integers(0, 2),
)
def test_the_greedy_loop_is_a_beam_of_one(
    seed: int, bias: float, beta: float, own: bool, minimum: int, size: int
) -> None:
    filters = constraints(minimum, size, functions=[falling] if own else []).steps
    source = pad_ids(SOURCES)
    options = SearchOptions(beam_size=1, coverage_penalty=beta, return_attention=True)
    every = [
        search(ToyModel(seed, 9, eos_bias=bias), source, torch.tensor(LIMITS), options, filters)
        for search in (greedy_search, beam_search)
    ]
    for one, (other,) in zip(*every, strict=True):
        assert isinstance(one, Found)
        assert (one.ids, one.finished) == (other.ids, other.finished)
        assert (one.score, one.token_log_probs) == (other.score, other.token_log_probs)
        assert one.attention is not None
        assert (one.attention == other.attention).all()


def test_it_comes_after_the_constraints_and_an_output_may_end() -> None:
    seen = []

    def look(log_probs: Tensor, outputs: list[list[int]]) -> None:
        seen.append(log_probs.isneginf().sum(1).tolist())
        log_probs[:] = float("-inf")

    log_probs = torch.arange(-8.0, 0.0).repeat(2, 1)
    kept = filtered(log_probs, [[], [4]], constraints(min_length=2, forbidden=[5], functions=[look]).steps)
    assert seen == [[2, 2]]
    assert kept.isfinite().nonzero().tolist() == [[0, EOS], [1, EOS]]
    assert kept[0, EOS] == -5.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda log_probs, outputs: log_probs[:, :2], r"of shape \(6, 12\), but <lambda> returned a tensor \(6, 2\)"),
        (lambda log_probs, outputs: 3, "but <lambda> returned int: correct the function"),
    ],
)
def test_what_is_no_filter_is_refused(wrong: StepFilter, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        search("greedy", ToyModel(3, 12), [wrong])
    with pytest.raises(ConfigError, match="filters must be a list of functions, but it is"):
        SearchOptions(filters=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_predict_takes_functions(beam_size: int) -> None:
    model = tiny_model(ModelConfig())
    [item] = model.target_tokenizer.encode("g")

    def without_g(log_probs: Tensor, outputs: list[list[int]]) -> None:
        log_probs[:, item] = float("-inf")

    free = model.predict(TEXTS, beam_size=beam_size)
    found = model.predict(TEXTS, beam_size=beam_size, filters=[without_g])
    assert any("g" in one.text for one in free)
    assert not any("g" in one.text for one in found)
    options = replace(model.options, filters=[without_g], beam_size=beam_size)
    assert model.predict(TEXTS, options=options) == found
    forbidden = replace(model.options, forbid=("g",), beam_size=beam_size)
    assert model.predict(TEXTS, options=forbidden) == found
    assert model.predict(TEXTS, options=options, filters=[]) == free


def test_filters_are_values() -> None:
    assert MinLength(2) == MinLength(2) != MinLength(3)
    assert constraints() == constraints(0, 0, (), ())
    assert constraints(prefix=(5, 6), max_length=1).most_positions == 3
