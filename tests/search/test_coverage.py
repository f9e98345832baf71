"""The coverage penalty: its equation by hand, and the invariants of search with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from architectures import CASES, small_model
from exhaustive import exhaustive_search
from id_batches import ids_batch, pad_ids
from quick import slow
from seqweave.config import ModelConfig, build_config
from seqweave.data.source import make_sources
from seqweave.errors import ConfigError
from seqweave.inspection.tracing import trace as traced
from seqweave.model.ensemble import Ensemble
from seqweave.model.optimized import optimized
from seqweave.proofs.exact import exact_search
from seqweave.proofs.search_errors import count_search_errors
from seqweave.proofs.sources import Sources
from seqweave.proofs.verify import prove, verify_search
from seqweave.search.beam import beam_search
from seqweave.search.contract import Searchable
from seqweave.search.found import Found
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions
from seqweave.search.penalties import LEAST, Coverage, coverage_term, length_normalised
from seqweave.search.sampling import sample_search
from seqweave.search.score import force_score
from seqweave.text.vocabulary import EOS
from tiny_model import tiny_model
from toy_search import ToyModel

SOURCES = [[4, 5, 6, 7], [8], [9, 4, 4], [5, 10, 6, 6, 7, 8, 4]]
NETWORKS = ["lstm-general-after", "gru-additive-before", "rnn-concat-between", "transformer-pre-sinusoidal"]


def test_the_equation_by_hand() -> None:
    attention = np.array([[0.5, 0.5, 0.0], [0.25, 0.75, 0.0]])  # sums 0.75, 1.25, 0
    assert coverage_term(attention, 0.2) == pytest.approx(0.2 * (math.log(0.75) + 0 + math.log(LEAST)))
    assert coverage_term(attention, 0.0) == 0


def test_it_follows_the_hypotheses() -> None:
    """Two sentences, the second of one item; two rows each after the first step; then the first sentence leaves."""
    coverage = Coverage(torch.tensor([2, 1]), 2, 1.0)
    first = coverage.add(torch.tensor([[0.5, 0.5], [1.0, 0.0]]))
    assert first is not None
    assert first.tolist() == [[pytest.approx(2 * math.log(0.5))], [0.0]]
    coverage.follow(torch.tensor([0, 0, 2, 2]), 2)
    second = coverage.add(torch.tensor([[0.5, 0.5], [0.1, 0.9], [1.0, 0.0], [1.0, 0.0]]))
    assert second is not None
    assert second.tolist() == [[0.0, pytest.approx(math.log(0.6))], [0.0, 0.0]]
    coverage.follow(torch.tensor([1, 0, 3, 2]), 2)
    coverage.keep(torch.tensor([0]), 2)
    third = coverage.add(torch.zeros(2, 2))
    assert third is not None
    assert third.tolist() == [[pytest.approx(math.log(0.6)), 0.0]]


def _model(name: str) -> Searchable:
    if name == "toy":
        return ToyModel(3)
    network = small_model(CASES[name])
    with torch.no_grad():
        network.output.bias[EOS] += 3.0
    return network


def _search(model: Searchable, sources: Sequence[list[int]], size: int, **options: Any) -> list[list[Found]]:
    source = pad_ids(sources)
    limits = torch.full((len(sources),), 8)
    options = {"coverage_penalty": 0.7, **options}
    if size == 0:
        return [[one] for one in greedy_search(model, source, limits, SearchOptions(**options))]
    return beam_search(model, source, limits, SearchOptions(beam_size=size, n_best=size, **options))


@pytest.mark.parametrize("name", ["toy", *NETWORKS])
@pytest.mark.parametrize("size", [0, 1, 4])
def test_searched_score_is_the_forced_score(name: str, size: int) -> None:
    model = _model(name)
    compared = 0
    for source, group in zip(SOURCES, _search(model, SOURCES, size), strict=True):
        assert [one.score for one in group] == sorted((one.score for one in group), reverse=True) or not all(
            one.finished for one in group
        )
        for one in group:
            assert one.attention is None
            if one.finished:
                batch = ids_batch([source], [one.ids])
                (forced,) = force_score(model, batch, SearchOptions(coverage_penalty=0.7))
                (plain,) = force_score(model, batch, SearchOptions(return_attention=True))
                assert one.score == pytest.approx(forced.score, abs=1e-5)
                assert plain.attention is not None
                assert one.score == pytest.approx(plain.score + coverage_term(plain.attention, 0.7), abs=1e-5)
                compared += 1
    assert compared > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_every_proof_holds_with_it(name: str) -> None:
    network = _model(name)
    assert isinstance(network, torch.nn.Module)
    sources = Sources(make_sources(SOURCES), [8] * 4, SearchOptions(coverage_penalty=0.5), padding=3)
    for proof in prove(network, optimized(network), sources, beam_size=3):  # type: ignore[call-overload]
        assert proof.compared > 0
        assert proof.passed, proof


def test_a_beam_as_wide_as_the_language_finds_the_best() -> None:
    """Against every output there is, scored one by one."""
    changed = 0
    for seed in range(12):
        model = ToyModel(seed, 6)
        source = pad_ids([[4, 5, 5]])
        everything = exhaustive_search(model, source, 3, length_penalty=1.0)
        scored = [
            force_score(model, ids_batch([[4, 5, 5]], [one.ids]), SearchOptions(coverage_penalty=0.8))[0]
            for one in everything
            if one.finished
        ]
        best = max(scored, key=lambda one: one.score)
        options = SearchOptions(beam_size=64, coverage_penalty=0.8, stop="proven")
        (group,) = beam_search(model, source, torch.tensor([3]), options)
        assert group[0].ids == best.ids
        assert group[0].score == pytest.approx(best.score, abs=1e-6)
        changed += best.ids != max((one for one in everything if one.finished), key=lambda one: one.score).ids
    assert changed  # it does something


@pytest.mark.parametrize("name", ["toy", "gru-additive-before", "transformer-pre-sinusoidal"])
@pytest.mark.parametrize("penalty", [0.3, slow(3.0)])
def test_exact_search_finds_the_best(name: str, penalty: float) -> None:
    """Against every output there is, scored one by one; batches of many prefixes, which leave and stay."""
    changed = 0
    model = _model(name)
    for ids in SOURCES:
        source = pad_ids([ids]).widened(2)
        everything = exhaustive_search(model, source, 4, length_penalty=1.0)
        targets = ids_batch([ids] * len(everything), [one.ids for one in everything])
        scored = force_score(model, targets, SearchOptions(coverage_penalty=penalty))
        best = max(scored, key=lambda one: one.score)
        found = exact_search(model, source, 4, SearchOptions(coverage_penalty=penalty))
        assert found is not None
        assert found.ids == best.ids
        assert found.score == pytest.approx(best.score, abs=1e-5)
        changed += best.ids != everything[0].ids
    assert changed or penalty < 1  # it does something
    errors = count_search_errors(
        model, Sources(make_sources(SOURCES), [4] * 4, SearchOptions(coverage_penalty=penalty)), (1, 2, 300), 1e-4
    )
    assert errors.exact == 4
    assert errors.beams[-1].missed == 0


def test_sampling_and_batches_have_it_in_their_scores() -> None:
    model = _model("gru-additive-before")
    source = pad_ids(SOURCES)
    limits = torch.full((4,), 8)
    options = SearchOptions(coverage_penalty=0.7, return_attention=True)
    drawn = sample_search(model, source, limits, options)
    for one, ids in zip(drawn, SOURCES, strict=True):
        assert one.attention is not None
        expected = length_normalised(one.log_prob, len(one.token_log_probs), 1.0)
        assert one.score == pytest.approx(expected + coverage_term(one.attention[:, : len(ids)], 0.7))


def test_a_model_and_its_trace_agree() -> None:
    model = tiny_model(ModelConfig(embedding_size=6, encoder_hidden_size=4, decoder_hidden_size=8))
    plain = model.predict(["abcdef"], beam_size=3)[0]
    with torch.no_grad():
        model.single.output.bias[EOS] += 2.5
    model.config = build_config({"search.coverage_penalty": 0.4, "search.beam_size": 3}, model.config)
    found = model.predict(["abcdef"], return_attention=True)[0]
    assert found.attention is not None
    bare = length_normalised(found.log_prob, len(found.token_log_probs), 1.0)
    assert found.score == pytest.approx(bare + coverage_term(found.attention, 0.4), abs=1e-5)
    assert found.score < bare
    assert plain.score != found.score
    trace = traced(model, "abcdef", found.text if found.finished else None, beam_size=3)
    assert trace.output.text == found.text
    assert trace.output.score == pytest.approx(found.score, abs=1e-5)
    if trace.forced is not None:
        assert trace.forced.score == pytest.approx(found.score, abs=1e-5)
    verified = verify_search(model, ["abc", "gfe"], beams=(1, 2))
    assert verified.passed
    assert verified.errors.exact == 2


def test_without_attention_it_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"search.coverage_penalty=0.5 needs attention, but model.attention=none"):
        build_config({"search.coverage_penalty": 0.5, "model.attention": "none", "model.context": "every_step"})
    assert build_config(
        {"search.coverage_penalty": 0.5, "model.encoder": "transformer", "model.decoder": "transformer"}
    )
    for size in (0, 2):
        with pytest.raises(ConfigError, match="needs a model with attention"):
            _search(_model("gru-none-first"), SOURCES, size)
    with pytest.raises(ConfigError, match="coverage_penalty must be 0 or more, but it is -1"):
        _search(_model("toy"), SOURCES, 2, coverage_penalty=-1)


def test_an_ensemble_takes_the_attention_of_those_that_have_it() -> None:
    members = [small_model(CASES[name]) for name in ("gru-none-first", "gru-additive-before")]
    ensemble = Ensemble(members).eval()
    for proof in prove(
        ensemble, ensemble, Sources(make_sources(SOURCES), [8] * 4, SearchOptions(coverage_penalty=0.5)), beam_size=3
    ):
        assert proof.passed, proof
