"""What the tests of the engine's searches share: networks, sources, and a comparison with the searches of torch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch

from architectures import FEATURES, SOURCE_SIZE, batch_of
from engine_search import Engine, Rules, searched
from near_ties import watched
from seqweave.config import ModelConfig
from seqweave.data.source_batch import SourceBatch
from seqweave.model.seq2seq import Seq2Seq
from seqweave.search.contract import Searchable
from seqweave.search.found import Found
from seqweave.search.options import SearchOptions
from seqweave.text.vocabulary import EOS

COMPARED: Counter[str] = Counter()
"""How many searches were equal, and how many differed where rounding may decide."""

LENGTHS, LIMITS = [7, 3, 5, 1, 2], [9, 4, 12, 1, 6]


def sources_for(config: ModelConfig, seed: int = 2, lengths: list[int] = LENGTHS) -> SourceBatch:
    """Sources of unequal lengths, as a network takes them."""
    generator = torch.Generator().manual_seed(seed)
    size = SOURCE_SIZE - (FEATURES if config.feature_size else 0)
    values = torch.randint(4, size, (len(lengths), max(lengths)), generator=generator)
    values = values.masked_fill(torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None], 0)
    return batch_of(values, torch.tensor(lengths), config)


def changed(network: Seq2Seq, sharpness: float = 1.0, ends: float = 0.0) -> Seq2Seq:
    """A network whose outputs are sharper or flatter, and end sooner or later."""
    with torch.no_grad():
        for parameter in network.output.parameters():
            parameter.mul_(sharpness)
        if network.output.bias is not None:
            network.output.bias[EOS] += ends
    return network


def same(ours: Found, theirs: Found) -> bool:
    return (ours.ids, ours.finished) == (theirs.ids, theirs.finished)


def assert_equal_numbers(ours: Found, theirs: Found, width: int, widest: float) -> None:
    """Everything but the items."""
    expected = np.array(theirs.token_log_probs)
    # Entmax squares what is above a threshold, so that the logarithm of a small probability tells rounding apart.
    room = 2e-5 + 4e-6 * widest + 1e-5 * np.abs(expected) + 5e-7 * np.exp(-np.maximum(expected, -20) / 2)
    assert (np.abs(np.array(ours.token_log_probs) - expected) <= room).all(), (ours, theirs)
    differences = np.array([ours.score - theirs.score, ours.log_prob - theirs.log_prob])
    assert (np.abs(differences) <= room.sum()).all(), (ours, theirs)
    assert (ours.attention is None) == (theirs.attention is None)
    if ours.attention is not None and theirs.attention is not None:
        assert ours.attention.shape == (len(ours.token_log_probs), width)
        np.testing.assert_allclose(ours.attention, theirs.attention, atol=2e-5)


def compare(
    engine: Engine, network: Searchable, source: SourceBatch, options: SearchOptions, rules: Rules, limits: list[int]
) -> None:
    """Search with both; they may differ only where rounding decides."""
    with watched() as gaps:
        theirs = searched(network, source, limits, options, rules)
    ours = engine.search(source, limits, options, rules)
    assert len(ours) == len(theirs)
    pairs = [pair for group in zip(ours, theirs, strict=True) for pair in zip(*group, strict=False)]
    if [len(group) for group in ours] != [len(group) for group in theirs] or not all(same(*pair) for pair in pairs):
        assert gaps.close, (gaps.smallest, options, rules, ours, theirs)
        COMPARED["tie"] += 1
        return
    for pair in pairs:
        assert_equal_numbers(*pair, width=source.width, widest=gaps.widest)
    COMPARED["equal"] += 1
