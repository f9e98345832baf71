"""Invariants of search, over toy tables and over small networks of every kind of decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from architectures import CASES, small_model
from exhaustive import exhaustive_search
from id_batches import ids_batch, pad_ids
from seqweave.search.beam import beam_search
from seqweave.search.contract import Searchable
from seqweave.search.found import Found
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions, Stop
from seqweave.search.score import force_score
from seqweave.text.vocabulary import BOS, EOS, PAD
from toy_search import ToyModel

NETWORKS = [
    "lstm-general-after",
    "gru-additive-before",
    "lstm-dot-feeding",
    "rnn-concat-between",
    "gru-none-every_step",
]
SOURCES = [[4, 5, 6, 7], [8], [9, 4, 4], [5, 10, 6, 6, 7, 8, 4], [10, 10], [4, 9]]
STOPS: list[Stop] = ["enough", "proven"]


def _model(name: str) -> Searchable:
    if name == "toy":
        return ToyModel(3)
    network = small_model(CASES[name])
    with torch.no_grad():
        network.output.bias[EOS] += 3.0  # so that some hypotheses end
    return network


def _search(model: Searchable, sources: Sequence[list[int]], limits: Sequence[int], size: int, **options: Any) -> Any:
    source = pad_ids(sources)
    options = {"return_attention": True, **options}
    if size == 0:
        return [[one] for one in greedy_search(model, source, torch.tensor(limits), SearchOptions(**options))]
    options = {"beam_size": size, "n_best": size, **options}
    return beam_search(model, source, torch.tensor(limits), SearchOptions(**options))


def _check_same(one: Found, other: Found) -> None:
    assert one.ids == other.ids
    assert one.finished == other.finished
    assert one.score == pytest.approx(other.score, abs=1e-5)
    np.testing.assert_allclose(one.token_log_probs, other.token_log_probs, atol=1e-5)
    if one.attention is not None and other.attention is not None:
        width = min(one.attention.shape[1], other.attention.shape[1])
        np.testing.assert_allclose(one.attention[:, :width], other.attention[:, :width], atol=1e-5)
        assert not one.attention[:, width:].any()


@pytest.mark.parametrize("name", ["toy", *NETWORKS])
@pytest.mark.parametrize("size", [0, 1, 4])
def test_searched_score_is_the_forced_score(name: str, size: int) -> None:
    model = _model(name)
    results = _search(model, SOURCES, [12] * len(SOURCES), size)
    compared = 0
    for source, hypotheses in zip(SOURCES, results, strict=True):
        for one in hypotheses:
            if not one.finished:
                continue
            (forced,) = force_score(model, ids_batch([source], [one.ids]), SearchOptions(return_attention=True))
            _check_same(one, forced)
            assert (one.attention is None) == (forced.attention is None) == (name == "gru-none-every_step")
            compared += 1
    assert compared > 0


@pytest.mark.parametrize("name", ["toy", *NETWORKS])
@pytest.mark.parametrize("size", [0, 3])
@pytest.mark.parametrize("stop", STOPS)
def test_alone_batched_and_permuted_are_the_same(name: str, size: int, stop: Stop) -> None:
    model = _model(name)
    options = {"stop": stop} if size else {}
    limits = [9, 3, 14, 6, 1, 11]
    together = _search(model, SOURCES, limits, size, **options)
    order = [3, 0, 5, 4, 1, 2]
    permuted = _search(model, [SOURCES[i] for i in order], [limits[i] for i in order], size, **options)
    for place, index in enumerate(order):
        (alone,) = _search(model, [SOURCES[index]], [limits[index]], size, **options)
        assert len(alone) == len(together[index]) == len(permuted[place])
        for one, other, third in zip(alone, together[index], permuted[place], strict=True):
            _check_same(one, other)
            _check_same(one, third)


def test_padding_changes_nothing() -> None:
    model = _model("lstm-general-after")
    source = pad_ids(SOURCES)
    wider = source.widened(9)
    limits = torch.full((len(SOURCES),), 10)
    plain = beam_search(model, source, limits, SearchOptions(beam_size=3))
    padded = beam_search(model, wider, limits, SearchOptions(beam_size=3))
    for (one,), (other,) in zip(plain, padded, strict=True):
        _check_same(one, other)


@given(seed=st.integers(0, 10_000), size=st.integers(5, 8), bias=st.floats(-3, 3), limit=st.integers(1, 12))
def test_beam_of_one_is_greedy(seed: int, size: int, bias: float, limit: int) -> None:
    model = ToyModel(seed, size, eos_bias=bias)
    limits = [limit, 1 + limit // 2, limit, 3, limit, 2]
    for (one,), (other,) in zip(_search(model, SOURCES, limits, 0), _search(model, SOURCES, limits, 1), strict=True):
        assert one.ids == other.ids
        assert one.token_log_probs == other.token_log_probs
        assert (one.score, one.log_prob, one.finished) == (other.score, other.log_prob, other.finished)
        np.testing.assert_array_equal(one.attention, other.attention)


@pytest.mark.parametrize("name", NETWORKS)
def test_beam_of_one_is_greedy_with_networks(name: str) -> None:
    model = _model(name)
    limits = [12] * len(SOURCES)
    for (one,), (other,) in zip(_search(model, SOURCES, limits, 0), _search(model, SOURCES, limits, 1), strict=True):
        assert (one.ids, one.token_log_probs, one.score) == (other.ids, other.token_log_probs, other.score)


def test_ties_go_to_the_lowest_id() -> None:
    model = ToyModel(0, 8, spread=0.0, eos_bias=-60.0)
    model.table[..., 6] = 1.0
    model.table[..., 5] = 1.0
    for size in (0, 1):
        ((found,),) = _search(model, [[4]], [3], size)
        assert found.ids == [5, 5, 5]
    ((best, *_),) = _search(model, [[4]], [3], 5)
    assert best.ids == [5, 5, 5]


@given(
    seed=st.integers(0, 10_000),
    alpha=st.sampled_from([0.0, 0.6, 1.0, 2.0]),
    stop=st.sampled_from(STOPS),
    limit=st.integers(1, 4),
)
def test_a_beam_as_wide_as_the_language_is_exhaustive(seed: int, alpha: float, stop: Stop, limit: int) -> None:
    model = ToyModel(seed, 6)  # 3 items and <eos>: 27 * 4 continuations at the last step
    source = pad_ids([[4, 5]])
    expected = exhaustive_search(model, source, limit, length_penalty=alpha)
    assert len(expected) == sum(3**length for length in range(limit))
    ((*found,),) = _search(model, [[4, 5]], [limit], 108, length_penalty=alpha, stop=stop, n_best=len(expected))
    assert [one.ids for one in found] == [one.ids for one in expected]
    for one, other in zip(found, expected, strict=True):
        _check_same(one, other)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), alpha=st.sampled_from([0.0, 1.0, 2.0]), n_best=st.integers(1, 5))
def test_proven_stops_only_when_nothing_better_is_left(seed: int, alpha: float, n_best: int) -> None:
    """A beam wide enough to lose nothing, which stops before it has everything, still has the best."""
    model = ToyModel(seed, 6, spread=4.0)
    expected = exhaustive_search(model, pad_ids([[6]]), 4, length_penalty=alpha)
    ((*found,),) = _search(model, [[6]], [4], 108, length_penalty=alpha, stop="proven", n_best=n_best)
    assert [one.ids for one in found] == [one.ids for one in expected[:n_best]]


def test_proven_stops_early_where_it_can() -> None:
    model = ToyModel(0, 6, eos_bias=12.0)  # <eos> at once, nearly surely
    _search(model, SOURCES, [50] * len(SOURCES), 4, stop="proven", n_best=1)
    assert len(model.rows_seen) == 1
    model.rows_seen.clear()
    _search(model, SOURCES, [50] * len(SOURCES), 4, stop="enough", n_best=1)
    assert 1 < len(model.rows_seen) < 50


@pytest.mark.parametrize("stop", STOPS)
def test_a_sharp_model_is_not_ended_by_unlikely_ends(stop: Stop) -> None:
    """One item is nearly sure for ten steps, then <eos>; early ends soon fill the beam, but are far worse."""
    model = ToyModel(0, 6, spread=0.0)
    model.table[..., 3] += 4.0  # of the rest <eos> is the likeliest
    for before in range(6):
        model.table[:, before, :, 4] += 8.0
    ((found,),) = _search(model, [[6]], [11], 3, n_best=1, stop=stop)
    assert len(found.ids) >= 10


@pytest.mark.parametrize("stop", STOPS)
def test_n_best_are_sorted_and_distinct(stop: Stop) -> None:
    for seed in range(20):
        for hypotheses in _search(ToyModel(seed, 12), SOURCES, [2, 5, 9, 9, 1, 7], 6, stop=stop):
            assert 1 <= len(hypotheses) <= 6
            ranks = [(not one.finished, -one.score) for one in hypotheses]
            assert ranks == sorted(ranks)
            assert len({(tuple(one.ids), one.finished) for one in hypotheses}) == len(hypotheses)


@pytest.mark.parametrize("size", [0, 1, 5])
def test_a_maximum_length_is_kept_and_said(size: int) -> None:
    model = ToyModel(1, 12, eos_bias=-60.0)
    limits = [4, 1, 9, 2, 3, 5]
    for limit, hypotheses in zip(limits, _search(model, SOURCES, limits, size), strict=True):
        for one in hypotheses:
            assert not one.finished
            assert len(one.ids) == len(one.token_log_probs) == limit
            assert one.attention.shape[0] == limit
            assert one.log_prob == pytest.approx(sum(one.token_log_probs))


def test_pad_and_bos_are_never_chosen() -> None:
    model = ToyModel(2, 7)
    model.table[..., [PAD, BOS]] += 20.0
    for size in (0, 4):
        for hypotheses in _search(model, SOURCES, [8] * 6, size):
            for one in hypotheses:
                assert not {PAD, BOS} & set(one.ids)
                assert one.log_prob < -10.0, "the probability of <pad> must not be given to others"


def test_a_beam_wider_than_the_vocabulary() -> None:
    for hypotheses in _search(ToyModel(4, 5), SOURCES, [6] * 6, 30):
        assert len(hypotheses) == 30 or all(one.finished for one in hypotheses)
        assert all(np.isfinite(one.score) for one in hypotheses)


def test_fewer_results_where_the_language_has_fewer() -> None:
    ((*found,),) = _search(ToyModel(4, 5), [[4]], [1], 10)
    assert [(one.ids, one.finished) for one in found if one.finished] == [([], True)]
    assert sorted(one.ids for one in found if not one.finished) == [[1], [4]]


@pytest.mark.parametrize("size", [0, 3])
def test_finished_sentences_leave_the_batch(size: int) -> None:
    model = ToyModel(0, 12, eos_bias=-60.0)  # nothing ends before its limit
    _search(model, SOURCES, [1, 9, 2, 1, 9, 2], size)
    width = max(size, 1)
    assert model.rows_seen == [6, 4 * width] + [2 * width] * 7


def test_an_empty_batch() -> None:
    source, limits = pad_ids([]), torch.zeros(0, dtype=torch.long)
    assert greedy_search(ToyModel(), source, limits, SearchOptions()) == []
    assert beam_search(ToyModel(), source, limits, SearchOptions(beam_size=2)) == []
