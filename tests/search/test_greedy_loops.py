"""The bookkeeping of greedy search and sampling, for a processor and for other devices, is each other's twin."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from id_batches import pad_ids
from seqweave.search import greedy
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions
from seqweave.search.sampling import sample_search
from toy_search import ToyModel


@pytest.mark.parametrize("search", [greedy_search, sample_search])
@pytest.mark.parametrize("seed", range(20))
def test_both_find_the_same(seed: int, search: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ToyModel(seed, 12)
    source = pad_ids([[4, 5], [6], [7, 8, 9]])
    options, limits = SearchOptions(return_attention=True), torch.tensor([9, 4, 7])
    one = search(model, source, limits, options)
    monkeypatch.setattr(greedy, "on_host", lambda device: False)
    other = search(model, source, limits, options)
    for found, twin in zip(one, other, strict=True):
        assert found.ids == twin.ids
        assert found.finished == twin.finished
        assert found.token_log_probs == pytest.approx(twin.token_log_probs)
        assert found.attention is not None
        assert twin.attention is not None
        assert torch.equal(torch.from_numpy(found.attention), torch.from_numpy(twin.attention))
