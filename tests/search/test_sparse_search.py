"""Search among probabilities of exactly 0: fewer live items than the beam, no NaN, -inf where it belongs."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from architectures import CASES, small_batch, small_model
from exhaustive import exhaustive_search
from id_batches import ids_batch, pad_ids
from naive_entmax import SparseToy
from quick import quick_are
from seqweave.cli.main import main
from seqweave.data.source import make_sources
from seqweave.evaluation.evaluate import evaluate_model
from seqweave.evaluation.report import figures_table
from seqweave.model.ensemble import Ensemble, mean_logits
from seqweave.proofs.deviations import comparable
from seqweave.proofs.exact import exact_search
from seqweave.proofs.sources import Sources
from seqweave.proofs.verify import prove, verify_search
from seqweave.search import beam
from seqweave.search.beam import Beam, beam_search
from seqweave.search.contract import Searchable
from seqweave.search.filters import IMPOSSIBLE, Filters, constraints
from seqweave.search.found import Found
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions, Stop
from seqweave.search.sampling import sample_search
from seqweave.search.score import force_score
from seqweave.text.vocabulary import EOS
from tiny_model import tiny_folder, tiny_model

SOURCES = [[4, 5, 6, 7], [8], [9, 4, 4], [5, 10, 6, 6, 7, 8, 4], [10, 10], [4, 9]]
LIMITS = [7, 1, 4, 9, 2, 7]
KINDS = ("greedy", "beam", "sampling")


def no_infinity(text: str) -> float:
    raise AssertionError(f"{text} is no JSON")


NO_RULES = Filters()


def search(kind: str, model: Searchable, rules: Filters = NO_RULES) -> list[Found]:
    source = pad_ids(SOURCES)
    ends = torch.tensor(LIMITS).clamp(min=rules.least_positions)
    options = SearchOptions(beam_size=4, temperature=3.0)
    if kind == "greedy":
        return greedy_search(model, source, ends, options, rules.steps)
    if kind == "sampling":
        return sample_search(model, source, ends, options, rules.steps)
    return [one for one, *_ in beam_search(model, source, ends, options, rules.steps)]


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_wider_than_what_is_possible_finds_all_of_it(seed: int) -> None:
    model = SparseToy(seed, spread=2.5)
    source = pad_ids([[4, 5]])
    every = exhaustive_search(model, source, 4, length_penalty=1.0)
    options = SearchOptions(beam_size=200, n_best=200, stop="proven")
    (found,) = beam_search(model, source, torch.tensor([4]), options)
    finished = [one for one in found if one.finished]
    assert len(every) < 4**3 + 4**2 + 4 + 1, "something is impossible"
    assert sorted(one.ids for one in finished) == sorted(one.ids for one in every)
    assert [one.score for one in finished] == pytest.approx([one.score for one in every], abs=1e-6)
    best = exact_search(model, source, 4, options)
    assert (best is None) == (not every)
    if best is not None:
        assert best.score == pytest.approx(every[0].score, abs=1e-6)


@given(
    seed=st.integers(0, 10_000),
    entries=st.integers(5, 9),
    size=st.integers(1, 7),
    spread=st.sampled_from([1.0, 3.0, 20.0]),
    alpha=st.sampled_from([0.0, 1.0]),
    stop=st.sampled_from(["enough", "proven"]),
)
def test_both_beams_are_the_same(seed: int, entries: int, size: int, spread: float, alpha: float, stop: Stop) -> None:
    model = SparseToy(seed, entries, spread=spread)
    source = pad_ids(SOURCES)
    options = SearchOptions(beam_size=size, length_penalty=alpha, n_best=size, stop=stop)
    host = beam_search(model, source, torch.tensor(LIMITS), options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beam, "start_beam", Beam.start)
        tensors = beam_search(model, source, torch.tensor(LIMITS), options)
    assert host == tensors
    assert all(1 <= len(group) <= size for group in host)
    assert all(math.isfinite(one.score) for group in host for one in group)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spread", [1.0, 20.0])
def test_what_is_impossible_is_never_taken(kind: str, spread: float) -> None:
    model = SparseToy(3, spread=spread)
    for source, one in zip(SOURCES, search(kind, model), strict=True):
        assert all(math.isfinite(value) for value in one.token_log_probs)
        (forced,) = force_score(model, ids_batch([source], [one.ids]))
        assert forced.token_log_probs[: len(one.token_log_probs)] == pytest.approx(one.token_log_probs, abs=1e-6)


def test_a_beam_of_one_is_greedy() -> None:
    model = SparseToy(5)
    source = pad_ids(SOURCES)
    ones = beam_search(model, source, torch.tensor(LIMITS), SearchOptions(beam_size=1))
    assert [one for (one,) in ones] == search("greedy", model)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spread", [2.0, 20.0])
def test_constraints_against_probability_zero(kind: str, spread: float) -> None:
    """A prefix, and an end that is all the rules leave, are taken all the same, and cost more than anything else."""
    model = SparseToy(3, spread=spread)
    rules = constraints(min_length=3, no_repeat_ngram=1, forbidden=(5,), prefix=(6, 4))
    forced = 0
    for one in search(kind, model, rules):
        assert one.ids[:2] == [6, 4]
        assert not set(one.ids[2:]) & {4, 5, 6}
        assert all(value >= IMPOSSIBLE for value in one.token_log_probs)
        forced += one.log_prob <= IMPOSSIBLE
    assert forced > 0


def test_an_impossible_target_scores_minus_infinity() -> None:
    model = SparseToy(3)
    logits = model.step(torch.tensor([2]), model.start(model.encode(torch.tensor([[4]]), torch.tensor([1])))).logits
    item = next(item for item in range(4, 7) if math.isinf(float(logits[0, item])))
    (found,) = force_score(model, ids_batch([[4]], [[item, 5]]))
    assert found.log_prob == found.score == found.token_log_probs[0] == -math.inf


def test_comparable_numbers() -> None:
    assert comparable(math.log(0.25), True) == pytest.approx(1.0)
    assert comparable(-math.inf, True) == 0.0
    assert comparable(-3.5, False) == -3.5
    values = -torch.rand(2, 50) * 20
    apart, logs = comparable(values, True).diff(dim=0).abs(), values.diff(dim=0).abs()
    assert (apart <= logs + 1e-6).all()


@pytest.mark.parametrize(
    "name", quick_are(["gru-entmax", "transformer-entmax"], ["gru-entmax", "lstm-entmax_feeding", "transformer-entmax"])
)
def test_every_proof_holds(name: str) -> None:
    found = verify_search(tiny_model(CASES[name]), ["abc", "g", "fedcba", "aa", "cafe", "bead"], beams=(1, 3))
    assert found.passed, found.proofs
    assert not found.optimized
    assert any(proof.deviation > 0 for proof in found.proofs)
    json.loads(json.dumps(found.to_json(), allow_nan=False))


def test_verify_still_catches_an_ill_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model(CASES["gru-entmax"])
    healthy = model.network.step

    def ill(*arguments: Any) -> Any:
        output = healthy(*arguments)
        return replace(output, logits=output.logits * 1.02)

    monkeypatch.setattr(model.network, "step", ill)
    assert not verify_search(model, ["abc", "fedcba"], beams=(1,)).passed


def test_ensembles() -> None:
    mean = mean_logits([torch.tensor([[0.0, -math.inf, -math.inf]]), torch.tensor([[-math.inf, 0.0, -math.inf]])])
    assert mean.exp()[0].tolist() == pytest.approx([0.5, 0.5, 0.0])
    assert not mean.isnan().any()
    for other in ("lstm-entmax_feeding", "transformer-pre-sinusoidal"):
        ensemble = Ensemble([small_model(CASES["gru-entmax"]), small_model(CASES[other], 2)]).eval()
        with torch.no_grad():
            for member in ensemble.networks:
                member.output.bias[EOS] += 1.5
        source, lengths, _ = small_batch()
        ids = [row[:length].tolist() for row, length in zip(source, lengths.tolist(), strict=True)]
        sources = Sources(make_sources(ids), [8, 5, 8, 3], padding=2, sparse=True)
        for proof in prove(ensemble, ensemble, sources, beam_size=3):
            assert proof.passed, proof


def impossible_pairs() -> tuple[Any, list[tuple[str, str]]]:
    """A model, and pairs of which it thinks some impossible."""
    model = tiny_model(CASES["gru-entmax"])
    pairs = [(source, target) for source in ("abc", "g", "aa") for target in ("a", "bcd", "gfedcb")]
    found = model.score(pairs)
    assert any(one.log_prob == -math.inf for one in found)
    assert not any(math.isnan(one.score) for one in found)
    return model, pairs


def test_score_prints_json_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, pairs = impossible_pairs()
    data = tmp_path / "pairs.tsv"
    data.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")
    folder = str(tiny_folder(model, tmp_path / "model"))
    assert main(["score", folder, str(data), "--json"]) == 0
    rows = [json.loads(line, parse_constant=no_infinity) for line in capsys.readouterr().out.split("\n") if line]
    assert [row["target"] for row in rows] == [target for _, target in pairs]
    assert any(row["score"] is row["log_prob"] is None and None in row["token_log_probs"] for row in rows)
    assert main(["score", folder, str(data)]) == 0
    assert "-inf\t-inf\t" in capsys.readouterr().out


def test_perplexity_may_be_infinite() -> None:
    model, pairs = impossible_pairs()
    sources, targets = zip(*pairs, strict=True)
    metrics = evaluate_model(model, sources, targets, samples=0)
    assert metrics.perplexity == math.inf
    assert re.search(r"perplexity \(teacher-forced\) +inf", figures_table(metrics))
    assert metrics.to_json()["perplexity"] is None
    json.dumps(metrics.to_json(), allow_nan=False)
