"""The searches for processors choose what the searches for other devices choose."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from id_batches import pad_ids
from seqweave.search import beam
from seqweave.search.beam import Beam, beam_search
from seqweave.search.found import Found
from seqweave.search.options import SearchOptions, Stop
from toy_search import ToyModel

SOURCES = [[4, 5, 6, 7], [8], [9, 4, 4], [5, 10, 6, 6, 7, 8, 4], [10, 10], [4, 9]]


def _same(one: Found, other: Found) -> bool:
    return (one.ids, one.score, one.token_log_probs, one.finished) == (
        other.ids,
        other.score,
        other.token_log_probs,
        other.finished,
    )


@given(
    seed=st.integers(0, 10_000),
    entries=st.integers(5, 9),
    size=st.integers(1, 7),
    bias=st.floats(-3, 3),
    alpha=st.sampled_from([0.0, 1.0]),
    stop=st.sampled_from(["enough", "proven"]),
    ties=st.booleans(),
    beta=st.sampled_from([0.0, 0.6]),
)
def test_both_beams_are_the_same(
    seed: int, entries: int, size: int, bias: float, alpha: float, stop: Stop, ties: bool, beta: float
) -> None:
    model = ToyModel(seed, entries, eos_bias=bias)
    if ties:
        model.table = model.table.round()
    source = pad_ids(SOURCES)
    limits = torch.tensor([7, 1, 4, 9, 2, 7])
    options = SearchOptions(beam_size=size, length_penalty=alpha, n_best=size, stop=stop, coverage_penalty=beta)
    host = beam_search(model, source, limits, options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beam, "start_beam", Beam.start)
        tensors = beam_search(model, source, limits, options)
    for ones, others in zip(host, tensors, strict=True):
        assert len(ones) == len(others)
        assert all(_same(one, other) for one, other in zip(ones, others, strict=True)), (ones, others)
