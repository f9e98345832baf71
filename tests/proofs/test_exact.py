"""Exact search against the list of every output."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

import pytest
import torch

from architectures import CASES, small_model
from exhaustive import exhaustive_search
from id_batches import pad_ids
from seqweave.errors import LimitError, SeqweaveError
from seqweave.proofs.exact import exact_search
from seqweave.search.contract import Searchable
from seqweave.search.options import SearchOptions
from toy_search import ToyModel

SOURCES = [[4, 5, 6], [8], [9, 4, 4]]
MODELS: dict[str, Callable[[], Searchable]] = {
    "toy": lambda: ToyModel(1),
    "toy that ends late": lambda: ToyModel(2, eos_bias=-2.0),
    "lstm": lambda: small_model(CASES["lstm-general-after"]),
    "transformer": lambda: small_model(CASES["transformer-pre-sinusoidal"]),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 3.0])
def test_it_finds_the_best_of_all(name: str, length_penalty: float) -> None:
    model = MODELS[name]()
    for source in SOURCES:
        ids = pad_ids([source])
        best = exhaustive_search(model, ids, 4, length_penalty=length_penalty)[0]
        options = SearchOptions(length_penalty=length_penalty)
        found = exact_search(model, ids, 4, options)
        assert found is not None
        assert found.ids == best.ids
        assert found.score == pytest.approx(best.score, abs=1e-5)
        assert found.token_log_probs == pytest.approx(best.token_log_probs, abs=1e-5)
        assert sum(found.token_log_probs) == pytest.approx(found.log_prob)
        nearly = exact_search(model, ids, 4, options, beat=best.score - 1e-3)
        assert nearly is not None
        assert nearly.ids == best.ids
        assert exact_search(model, ids, 4, options, beat=best.score + 1e-3) is None


def test_too_many_prefixes_are_said() -> None:
    ids = pad_ids([[4, 5]])
    with pytest.raises(LimitError, match="exact search can follow 5 prefixes, but after step 2 of 9 there are"):
        exact_search(ToyModel(1, spread=0.1), ids, 9, SearchOptions(), most_prefixes=5)


def _needed(model: Searchable, beat: float) -> int:
    """The fewest prefixes that exact search gets by with."""
    ids = pad_ids([[4, 5]])
    for most in range(1, 1000):
        with suppress(LimitError):
            exact_search(model, ids, 5, SearchOptions(), beat=beat, most_prefixes=most)
            return most
    raise AssertionError


def test_a_known_score_saves_prefixes() -> None:
    saved = []
    for seed in range(5):
        model = ToyModel(seed, spread=1.0, eos_bias=-1.0)
        ids = pad_ids([[4, 5]])
        best = exact_search(model, ids, 5, SearchOptions())
        assert best is not None
        saved.append(_needed(model, -math.inf) - _needed(model, best.score))
    assert min(saved) >= 0
    assert max(saved) > 0


def test_nan_is_refused() -> None:
    model = ToyModel(1)
    model.table[:] = torch.nan
    ids = pad_ids([[4, 5]])
    with pytest.raises(SeqweaveError, match="must be finite numbers"):
        exact_search(model, ids, 4, SearchOptions())
