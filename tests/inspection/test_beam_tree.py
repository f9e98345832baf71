"""The recorded beam finds what beam search finds, and accounts for every hypothesis."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from architectures import CASES, SOURCE_SIZE, batch_of, small_model
from exhaustive import exhaustive_search
from id_batches import pad_ids
from seqweave.data.source_batch import SourceBatch
from seqweave.inspection.beam_tree import found_of, grow_beam, path_of
from seqweave.inspection.trace import REASONS, Beam
from seqweave.model.seq2seq import Seq2Seq
from seqweave.search.beam import beam_search
from seqweave.search.filters import Filters, constraints
from seqweave.search.options import SearchOptions, Stop
from seqweave.text.vocabulary import EOS


def ending_model(name: str, seed: int, eos: float = 1.5) -> Seq2Seq:
    model = small_model(CASES[name], seed)
    with torch.no_grad():
        model.output.bias[EOS] += eos
    return model


@torch.inference_mode()
def grown(model: Seq2Seq, source: SourceBatch, limit: int, size: int, alpha: float, stop: Stop) -> Beam:
    encoded = model.encode(*source)
    return grow_beam(model, encoded, limit, SearchOptions(beam_size=size, length_penalty=alpha, stop=stop))


@pytest.mark.slow
@given(
    name=st.sampled_from(sorted(CASES)),
    seed=st.integers(0, 5),
    length=st.integers(1, 6),
    limit=st.integers(1, 9),
    size=st.integers(1, 6),
    alpha=st.sampled_from([0.0, 0.6, 1.0]),
    stop=st.sampled_from(["enough", "proven"]),
    eos=st.sampled_from([-1.0, 1.5, 4.0]),
)
def test_equals_beam_search(
    name: str, seed: int, length: int, limit: int, size: int, alpha: float, stop: Stop, eos: float
) -> None:
    model = ending_model(name, seed, eos)
    ids = torch.randint(4, SOURCE_SIZE, (1, length), generator=torch.Generator().manual_seed(seed))
    source = batch_of(ids, torch.tensor([length]), CASES[name])
    beam = grown(model, source, limit, size, alpha, stop)
    expected = beam_search(
        model,
        source,
        torch.tensor([limit]),
        SearchOptions(beam_size=size, length_penalty=alpha, stop=stop),
    )[0][0]
    found = found_of(beam)
    assert found.ids == expected.ids
    assert found.finished == expected.finished
    assert found.score == pytest.approx(expected.score, abs=1e-5)
    assert found.token_log_probs == pytest.approx(expected.token_log_probs, abs=1e-5)


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize(
    "rules",
    [
        constraints(min_length=3),
        constraints(no_repeat_ngram=1),
        constraints(forbidden=(4, 5)),
        constraints(prefix=(6, 7)),
        constraints(1, 0, (6,), (), 1),
    ],
)
def test_rules_hold_in_the_tree_as_in_beam_search(rules: Filters, size: int) -> None:
    for seed in range(4):
        model = ending_model("gru-additive-before", seed)
        source = pad_ids([[4, 5, 6, 7]])
        with torch.inference_mode():
            encoded = model.encode(*source)
            beam = grow_beam(model, encoded, 6, SearchOptions(beam_size=size), filters=rules.steps)
        options = SearchOptions(beam_size=size)
        expected = beam_search(model, source, torch.tensor([6]), options, rules.steps)[0][0]
        found = found_of(beam)
        assert found.ids == expected.ids
        assert found.score == pytest.approx(expected.score, abs=1e-5)


def test_a_beam_wider_than_the_language_finds_the_true_best() -> None:
    model = ending_model("gru-dot-after", 1)
    source = pad_ids([[4, 5, 6]])
    beam = grown(model, source, 3, 400, 1.0, "proven")
    best = exhaustive_search(model, source, max_length=3, length_penalty=1.0)[0]
    assert found_of(beam).ids == best.ids


def test_every_node_is_accounted_for() -> None:
    beam = grown(ending_model("lstm-general-after", 3), pad_ids([[4, 5, 6, 7]]), 9, 3, 1.0, "proven")
    parents, steps, statuses = beam.parents, beam.steps, beam.statuses
    inner = parents >= 0
    assert np.all(steps[inner] == steps[parents[inner]] + 1)
    assert np.all(steps[~inner] == 0)
    totals = np.where(inner, beam.totals[parents], 0) + beam.log_probs
    assert beam.totals == pytest.approx(totals)
    # Only live nodes have children, and each of them has four: one more than the beam is wide.
    children = np.bincount(parents[inner], minlength=len(parents))
    assert set(np.flatnonzero(children)) == set(np.flatnonzero(statuses == 0))
    assert set(children[statuses == 0]) == {4}
    for step in range(int(steps.max()) + 1):
        assert np.sum((steps == step) & (statuses == 0)) <= 3
    assert set(beam.ranking) == set(np.flatnonzero(statuses == 1))
    scores = beam.scores[beam.ranking]
    assert np.all(np.diff(scores) <= 0)
    for node in beam.ranking:
        total = math.fsum(beam.log_probs[path_of(beam, node)])
        assert beam.totals[node] == pytest.approx(total)


def test_reasons_say_why() -> None:
    """Over many searches each reason occurs, with what it promises."""
    seen = set()
    stops: tuple[Stop, ...] = ("enough", "proven")
    for seed in range(12):
        for stop in stops:
            for eos in (-3.0, 1.5, 3.0):
                beam = grown(ending_model("gru-general-after", seed, eos), pad_ids([[4, 5, 6]]), 6, 2, 1.0, stop)
                ends = beam.ids == EOS
                for code, reason in enumerate(REASONS):
                    nodes = beam.reasons == code
                    seen |= {reason} if nodes.any() else set()
                    if reason in ("ended", "end_not_among_the_best", "better_finished"):
                        assert ends[nodes].all()
                    elif reason != "not_among_the_best":
                        assert not ends[nodes].any()
                    if reason in ("cannot_win", "enough_finished"):
                        assert not nodes.any() or (reason == "cannot_win") == (stop == "proven")
                if stop == "enough" and (beam.reasons == REASONS.index("cut")).any():
                    assert beam.steps.max() == 5
    assert seen == set(REASONS)


@torch.inference_mode()
def test_the_reference_is_lost_where_the_beam_leaves_it() -> None:
    model = ending_model("gru-dot-after", 1)
    source = pad_ids([[4, 5, 6]])
    encoded = model.encode(*source)

    def left(reference: list[int]) -> int | None:
        beam = grow_beam(model, encoded, 8, SearchOptions(beam_size=2, stop="proven"), reference=reference)
        return beam.reference_left

    best = found_of(grown(model, source, 8, 2, 1.0, "proven")).ids
    assert left([*best, EOS]) is None
    unlikely = grown(model, source, 8, 2, 1.0, "proven")
    first = set(unlikely.ids[(unlikely.steps == 0) & (unlikely.statuses != 2)].tolist())
    assert left([next(id_ for id_ in range(4, 9) if id_ not in first), EOS]) == 0
    assert left([*best, 4, EOS]) is not None
