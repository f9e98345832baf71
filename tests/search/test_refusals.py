"""What search refuses, and how it says so."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from exhaustive import exhaustive_search
from id_batches import ids_batch, pad_ids
from seqweave.errors import ConfigError, LimitError, SeqweaveError
from seqweave.search.beam import beam_search
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions
from seqweave.search.score import force_score
from toy_search import ToyModel

SOURCE = pad_ids([[4, 5], [6]])
LIMITS = torch.tensor([5, 5])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size must be 1 or more, but it is 0"),
        ({"beam_size": 2, "n_best": 3}, r"n_best must lie between 1 and beam_size \(2\), but it is 3"),
        ({"beam_size": 2, "n_best": 0}, "n_best must lie between 1"),
        ({"beam_size": 2, "length_penalty": -1.0}, r"length_penalty must be 0 or more, but it is -1\.0"),
        ({"beam_size": 2, "stop": "late"}, "stop must be enough or proven, but it is 'late'"),
    ],
)
def test_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SearchOptions(**options)


def test_a_maximum_length_below_one() -> None:
    limits = torch.tensor([5, 0])
    with pytest.raises(ConfigError, match="maximum length must be 1 or more, but it is 0"):
        greedy_search(ToyModel(), SOURCE, limits, SearchOptions())
    with pytest.raises(ConfigError, match="maximum length must be 1 or more, but it is 0"):
        beam_search(ToyModel(), SOURCE, limits, SearchOptions(beam_size=2))


@pytest.mark.parametrize("value", [float("nan"), -float("nan"), float("inf")])
def test_numbers_that_are_none(value: float) -> None:
    model = ToyModel(0, 7)
    model.table[:, :, 4:, 5] = value  # not at the first step
    with pytest.raises(SeqweaveError, match="must be finite numbers"):
        greedy_search(model, SOURCE, torch.tensor([30, 30]), SearchOptions())
    with pytest.raises(SeqweaveError, match="must be finite numbers"):
        beam_search(model, SOURCE, LIMITS, SearchOptions(beam_size=3))
    with pytest.raises(SeqweaveError, match="must be finite numbers"):
        force_score(model, ids_batch([[4]], [[4, 5]]))


def test_nothing_to_choose() -> None:
    model = ToyModel(0, 7)
    model.table[..., 1:] = -float("inf")
    model.table[..., 0] = 0.0  # only <pad>
    with pytest.raises(SeqweaveError, match="no possible item"):
        greedy_search(model, SOURCE, LIMITS, SearchOptions())
    with pytest.raises(SeqweaveError, match="no possible item"):
        beam_search(model, SOURCE, LIMITS, SearchOptions(beam_size=2))


def test_too_much_for_exhaustive_search() -> None:
    with pytest.raises(LimitError, match="exhaustive search can try 20000 prefixes"):
        exhaustive_search(ToyModel(0, 64), pad_ids([[4, 5]]), 9, length_penalty=1.0)
