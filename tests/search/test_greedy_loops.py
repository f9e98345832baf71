"""The two loops of greedy search, for a processor and for other devices, are each other's twin."""

from __future__ import annotations

import pytest
import torch

from seqweave.data.dataset import pad_sources
from seqweave.search.greedy import _on_device, _on_host
from toy_search import ToyModel


@pytest.mark.parametrize("seed", range(20))
def test_both_loops_find_the_same(seed: int) -> None:
    model = ToyModel(seed, 12)
    source, lengths = pad_sources([[4, 5], [6], [7, 8, 9]])
    one, other = (
        loop(model, model.start(model.encode(source, lengths)), [9, 4, 7], 1.0, True, source.device)
        for loop in (_on_host, _on_device)
    )
    for found, twin in zip(one, other, strict=True):
        assert found.ids == twin.ids
        assert found.finished == twin.finished
        assert found.token_log_probs == pytest.approx(twin.token_log_probs)
        assert found.attention is not None
        assert twin.attention is not None
        assert torch.equal(torch.from_numpy(found.attention), torch.from_numpy(twin.attention))
