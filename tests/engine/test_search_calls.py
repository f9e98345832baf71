"""The engine's searches beside single searches: several models as one, given outputs, what is refused, threads."""

from __future__ import annotations

import ctypes
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from architectures import CASES, SOURCE_SIZE, TARGET_SIZE, small_model
from engine_cases import LIMITS, changed, compare, sources_for
from engine_search import Engine, Refused, Rules
from id_batches import pad_ids
from seqweave.data.batch import make_batch
from seqweave.data.source import Source
from seqweave.errors import SeqweaveError
from seqweave.model.build import build_model
from seqweave.model.ensemble import Ensemble
from seqweave.search.found import Found, not_finite
from seqweave.search.options import SearchOptions
from seqweave.search.penalties import no_attention
from seqweave.search.score import force_score

TWO = {"lstm-general-after": 1, "gru-additive-before": 2}
COPYING = {"lstm-copies_feeding": 1, "gru-copies_before": 2}
PARTLY = {"gru-none-first": 1, "lstm-general-after": 2, "rnn-dot-after": 3}


@pytest.fixture(scope="module")
def engine(engine_library: ctypes.CDLL) -> Engine:
    """One model for the tests of calls."""
    config = CASES["lstm-general-after"]
    return Engine(engine_library, (changed(small_model(config), ends=0.5), config))


@pytest.mark.parametrize("names", [TWO, COPYING, PARTLY], ids=["two", "copying", "partly"])
def test_several_models_act_as_one(engine_library: ctypes.CDLL, names: dict[str, int]) -> None:
    """The mean of probabilities; attention is the mean of those that have any."""
    networks = [changed(small_model(CASES[name], seed), ends=-0.5) for name, seed in names.items()]
    engine = Engine(engine_library, *zip(networks, (CASES[name] for name in names), strict=True))
    source, together = sources_for(CASES[next(iter(names))]), Ensemble(networks)
    for options in (
        SearchOptions(beam_size=1, return_attention=True),
        SearchOptions(beam_size=4, n_best=3, coverage_penalty=0.5, return_attention=True),
        SearchOptions(sample=True, n_best=2, temperature=0.7),
    ):
        compare(engine, together, source, options, Rules(), LIMITS)
    engine.close()


@pytest.mark.parametrize(
    "names", [{"lstm-general-after": 1}, {"lstm-copies_feeding": 1}, {"gru-entmax": 1}, TWO], ids=str
)
@pytest.mark.parametrize("coverage", [0.0, 0.7])
def test_given_outputs_are_scored(engine_library: ctypes.CDLL, names: dict[str, int], coverage: float) -> None:
    configs = [CASES[name] for name in names]
    networks = [small_model(CASES[name], seed) for name, seed in names.items()]
    engine = Engine(engine_library, *zip(networks, configs, strict=True))
    source = sources_for(configs[0])
    targets = [[4, 5, 1], [], [8], [5, 5, 5, 4, 6, 7], [7, TARGET_SIZE if configs[0].copy else 4]]
    options = SearchOptions(length_penalty=0.8, coverage_penalty=coverage, return_attention=True)
    parts = [part.numpy() for part in (source.values, source.copies) if part is not None]
    sources = [Source(*(part[row, :size] for part in parts)) for row, size in enumerate(source.lengths.tolist())]
    theirs = force_score(Ensemble(networks), make_batch(sources, targets), options)
    for ours, other in zip(engine.score(source, targets, options), theirs, strict=True):
        assert (ours.ids, ours.finished) == (other.ids, other.finished)
        np.testing.assert_allclose(ours.token_log_probs, other.token_log_probs, atol=2e-5, rtol=1e-4)
        np.testing.assert_allclose([ours.score, ours.log_prob], [other.score, other.log_prob], atol=1e-4, rtol=1e-4)
        assert ours.attention is not None
        assert other.attention is not None
        np.testing.assert_allclose(ours.attention, other.attention[: len(ours.attention)], atol=2e-5)
    engine.close()


def _is_sound(found: list[Found], options: SearchOptions) -> None:
    order = [(one.finished, one.score) for one in found]
    assert order == sorted(order, reverse=True)
    assert len({(tuple(one.ids), one.finished) for one in found}) == len(found)
    for one in found:
        length = len(one.token_log_probs)
        assert length == len(one.ids) + one.finished
        assert one.log_prob == pytest.approx(math.fsum(one.token_log_probs), rel=1e-12)
        expected = one.log_prob / ((5 + length) / 6) ** options.length_penalty
        assert one.score == pytest.approx(expected, rel=1e-12)


@given(
    sources=st.lists(st.lists(st.integers(4, SOURCE_SIZE - 1), max_size=9), max_size=5),
    beam_size=st.integers(1, 7),
    best=st.integers(1, 7),
    alpha=st.sampled_from([0.0, 0.6, 1.0, 2.0]),
    stop=st.sampled_from(["enough", "proven"]),
    limit=st.integers(1, 14),
)
@settings(max_examples=60)
def test_outputs_are_sound(
    engine: Engine, sources: list[list[int]], beam_size: int, best: int, alpha: float, stop: Any, limit: int
) -> None:
    """In order, all different, scores add up, and forced scores are those that were found."""
    options = SearchOptions(beam_size=beam_size, n_best=min(best, beam_size), length_penalty=alpha, stop=stop)
    found = engine.search(pad_ids(sources), [limit] * len(sources), options)
    assert len(found) == len(sources)
    for source, group in zip(sources, found, strict=True):
        assert bool(source) == bool(group)  # nothing for an empty source
        assert len(group) <= options.n_best
        _is_sound(group, options)
        finished = [one for one in group if one.finished]
        forced = engine.score(pad_ids([source] * len(finished)), [one.ids for one in finished], options)
        for one, other in zip(finished, forced, strict=True):
            assert one.log_prob == pytest.approx(other.log_prob, abs=1e-5)
            assert one.score == pytest.approx(other.score, abs=1e-5)


def test_company_changes_nothing(engine: Engine) -> None:
    source = sources_for(CASES["lstm-general-after"])
    for options in (SearchOptions(beam_size=4, n_best=4), SearchOptions(sample=True, n_best=3)):
        together = engine.search(source, LIMITS, options)
        for row, (length, limit) in enumerate(zip(source.lengths.tolist(), LIMITS, strict=True)):
            (alone,) = engine.search(pad_ids([source.values[row, :length].tolist()]), [limit], options)
            assert [one.ids for one in alone] == [one.ids for one in together[row]]
            assert [one.score for one in alone] == pytest.approx([one.score for one in together[row]], abs=1e-5)


def test_eight_threads_use_one_model(engine: Engine) -> None:
    """And find what one alone finds, to the last bit."""
    asked = [
        (sources_for(CASES["lstm-general-after"], seed), SearchOptions(beam_size=1 + seed % 5, return_attention=True))
        for seed in range(40)
    ]
    expected = [engine.search(source, LIMITS, options) for source, options in asked]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: engine.search(each[0], LIMITS, each[1]), asked * 4))
    differences = 0
    for ours, theirs in zip(found, expected * 4, strict=True):
        for (one,), (other,) in zip(ours, theirs, strict=True):
            differences += (one.ids, one.score, one.token_log_probs) != (other.ids, other.score, other.token_log_probs)
            assert (one.attention is None) == (other.attention is None)
            if one.attention is not None and other.attention is not None:
                differences += not np.array_equal(one.attention, other.attention)
    assert differences == 0


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(engine_library: ctypes.CDLL, value: float, beam_size: int) -> None:
    config = CASES["lstm-general-after"]
    network = small_model(config)
    with torch.no_grad():
        network.output.bias[5] = value
    engine = Engine(engine_library, (network, config))
    with pytest.raises(Refused) as refused:
        engine.search(sources_for(config), LIMITS, SearchOptions(beam_size=beam_size))
    assert (refused.value.status, refused.value.text) == (5, str(not_finite()))
    with pytest.raises(Refused, match="finite numbers"):
        engine.score(pad_ids([[4, 5]]), [[5]], SearchOptions())
    engine.close()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"beam_size": 0}, "beam_size must be 1 or more, but it is 0"),
        ({"beam_size": 1001}, "beam_size must be at most 1000, but it is 1001"),
        ({"n_best": 0}, r"n_best must lie between 1 and beam_size \(5\), but it is 0"),
        ({"n_best": 6}, r"n_best must lie between 1 and beam_size \(5\), but it is 6"),
        ({"sample": 1, "n_best": 1001}, "n_best must be at most 1000"),
        ({"length_penalty": -0.1}, "length_penalty must be 0 or more, but it is -0.1"),
        ({"coverage_penalty": math.nan}, "coverage_penalty must be 0 or more"),
        ({"stop": 2}, "stop must be 0 .* but it is 2"),
        ({"min_length": 10_001}, "min_length must be a whole number from 0 to 10000, but it is 10001"),
        ({"no_repeat_ngram": 2**60}, "no_repeat_ngram must be a whole number"),
        ({"sample": 1, "temperature": -1.0}, "temperature must be 0 or more, but it is -1"),
        ({"sample": 1, "temperature": math.inf}, "temperature must be 0 or more, but it is inf"),
        ({"sample": 1, "top_p": 0.0}, "top_p must be above 0 and at most 1, but it is 0"),
        ({"sample": 1, "chances": None}, "a draw needs chances"),
        ({"prefix": None, "prefix_length": 1}, "prefix must be given"),
    ],
)
def test_refusals(engine: Engine, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        engine.search(pad_ids([[4, 5]]), [3], SearchOptions(), changed=wrong)
    assert refused.value.status == 3


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (Rules(forbidden=(4, 3)), "forbidden must be items of the output, 1 or from 4 to 8, but one is 3"),
        (Rules(forbidden=(-1,)), "forbidden must be items .* but one is -1"),
        (Rules(prefix=(2,)), "prefix must be items .* but one is 2"),
        (Rules(prefix=(TARGET_SIZE,)), f"prefix must be items .* but one is {TARGET_SIZE}"),
    ],
)
def test_items_that_rules_may_not_name(engine: Engine, rules: Rules, said: str) -> None:
    with pytest.raises(Refused, match=said):
        engine.search(pad_ids([[4, 5]]), [3], SearchOptions(), rules)


@pytest.mark.parametrize("limit", [0, 1 << 31, 1 << 62])
def test_limits_that_are_refused(engine: Engine, limit: int) -> None:
    with pytest.raises(Refused, match=f"a maximum length must be 1 or more, and below 2\\^31, but it is {limit}"):
        engine.search(pad_ids([[4, 5]]), [limit], SearchOptions())


def test_ids_that_no_vocabulary_has_are_refused(engine: Engine) -> None:
    with pytest.raises(Refused, match=f"ids of a source must lie between 0 and {SOURCE_SIZE - 1}, but one is 99"):
        engine.search(pad_ids([[4, 99]]), [3], SearchOptions())
    with pytest.raises(Refused, match=f"ids of a target must lie between 0 and {TARGET_SIZE - 1}, but one is 77"):
        engine.score(pad_ids([[4]]), [[77]], SearchOptions())


def test_a_coverage_penalty_needs_attention(engine_library: ctypes.CDLL) -> None:
    config = CASES["gru-none-first"]
    engine = Engine(engine_library, (small_model(config), config))
    options = SearchOptions(coverage_penalty=0.5)
    for call in (
        lambda: engine.search(pad_ids([[4]]), [3], options),
        lambda: engine.score(pad_ids([[4]]), [[5]], options),
    ):
        with pytest.raises(Refused) as refused:
            call()
        assert refused.value.text == str(no_attention())
    engine.close()


def test_models_that_cannot_act_as_one_are_refused(engine_library: ctypes.CDLL) -> None:
    config, copying = CASES["lstm-general-after"], CASES["lstm-copies_feeding"]
    other = build_model(config, SOURCE_SIZE, TARGET_SIZE + 1).eval()
    for second, said in (
        ((other, config), "must have the same vocabularies"),
        ((small_model(copying), copying), "all copy"),
    ):
        engine = Engine(engine_library, (small_model(config), config), second)
        with pytest.raises(Refused, match=said):
            engine.search(pad_ids([[4]]), [3], SearchOptions())
        engine.close()
    with pytest.raises(Refused, match="there must be a model"):
        Engine(engine_library).search(pad_ids([[4]]), [3], SearchOptions())


def test_nothing_in_nothing_out(engine: Engine) -> None:
    assert engine.search(pad_ids([]), [], SearchOptions()) == []
    assert engine.search(pad_ids([[], []]), [3, 3], SearchOptions()) == [[], []]
    assert engine.score(pad_ids([]), [], SearchOptions()) == []


def test_the_sentence_is_that_of_python() -> None:
    assert isinstance(not_finite(), SeqweaveError)
