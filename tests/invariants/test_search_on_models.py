"""Search over every architecture: what it finds is what the model says, and nothing depends on the batch."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from architectures import CASES, batch_of, each, small_batch, small_model, sources_of
from exhaustive import exhaustive_search
from seqweave.config import ModelConfig
from seqweave.data.batch import make_batch
from seqweave.model.seq2seq import Seq2Seq
from seqweave.proofs.deviations import furthest, gap
from seqweave.search.beam import beam_search
from seqweave.search.found import Found
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions
from seqweave.search.score import force_score


def has_no_ties(config: ModelConfig) -> bool:
    """Whether outputs differ in score: a first state of zeros may see all positions alike, and copy any of them."""
    return not (config.copy and config.bridge == "zero" and config.attention_position == "before")


architectures = each(has_no_ties, plain=False)  # a search steps, and steps have no fast path
LIMITS = torch.tensor([8, 5, 8, 3])
TOLERANCE = 1e-4


@cache
def model_of(config: ModelConfig) -> Seq2Seq:
    """A model whose hypotheses end at different lengths, some before their limit."""
    model = small_model(config)
    source, lengths, _ = small_batch(config=config)
    batch = batch_of(source, lengths, config)
    for _ in range(8):
        with torch.no_grad():
            model.output.bias[3] += 2.5  # <eos>
        found = beam_search(model, batch, LIMITS, SearchOptions(beam_size=3, n_best=3, length_penalty=1.0))
        if any(one.finished for group in found for one in group):
            return model
    raise AssertionError("nothing ends before its limit")


@cache
def together(config: ModelConfig) -> list[list[Found]]:
    """What a beam of 3 finds in the whole batch."""
    return searched(config)


def searched(config: ModelConfig, rows: slice = slice(None), beam_size: int = 3) -> list[list[Found]]:
    source, lengths, _ = small_batch(config=config)
    source, lengths = source[rows], lengths[rows]
    return beam_search(
        model_of(config),
        batch_of(source[:, : int(lengths.max())], lengths, config),
        LIMITS[rows],
        SearchOptions(beam_size=beam_size, n_best=beam_size, return_attention=True),
    )


def assert_same(one: Found, other: Found, config: ModelConfig) -> None:
    assert one.ids == other.ids
    assert one.finished == other.finished
    sparse = config.output == "entmax15"
    assert furthest(one, other, sparse) <= TOLERANCE
    assert gap(one.score, other.score, sparse) <= TOLERANCE
    assert (one.attention is None) == (other.attention is None)
    if one.attention is not None and other.attention is not None:
        width = min(one.attention.shape[1], other.attention.shape[1])
        assert one.attention[:, :width] == pytest.approx(other.attention[:, :width], abs=TOLERANCE)
        assert not one.attention[:, width:].any()
        assert not other.attention[:, width:].any()


@architectures
def test_searched_score_is_forced_score(config: ModelConfig) -> None:
    source, lengths, _ = small_batch(config=config)
    results = together(config)
    pairs = [(row, found) for row, group in enumerate(results) for found in group if found.finished]
    assert pairs
    sources = sources_of([source[row, : lengths[row]].tolist() for row, _ in pairs], config)
    batch = make_batch(sources, [found.ids for _, found in pairs])
    forced = force_score(model_of(config), batch, SearchOptions(return_attention=True))
    for (_, found), other in zip(pairs, forced, strict=True):
        assert_same(found, other, config)


@architectures
def test_beam_of_one_is_greedy(config: ModelConfig) -> None:
    source, lengths, _ = small_batch(config=config)
    batch = batch_of(source, lengths, config)
    greedy = greedy_search(model_of(config), batch, LIMITS, SearchOptions(return_attention=True))
    for [found], other in zip(searched(config, beam_size=1), greedy, strict=True):
        assert_same(found, other, config)


@architectures
def test_a_batch_finds_what_each_sentence_finds_alone(config: ModelConfig) -> None:
    for row, group in enumerate(together(config)):
        [alone] = searched(config, slice(row, row + 1))
        assert len(alone) == len(group)
        assert len(group) == 3 or config.output == "entmax15"  # which may leave fewer outputs than that
        for found, other in zip(group, alone, strict=True):
            assert_same(found, other, config)


@pytest.mark.parametrize(
    "name",
    [
        "lstm-general-after",
        "gru-additive-before",
        "lstm-dot-feeding",
        "rnn-concat-between",
        "gru-none-first",
        "gru-location_aware-after",
        "lstm-coverage-before",
        "gru-local_m-feeding",
        "lstm-local_p-between",
        "transformer-pre-sinusoidal",
        "recurrent_encoder-post-rotary",
        "recurrent_decoder-pre-learned",
        "lstm-copies",
        "gru-copies_before",
    ],
)
def test_a_beam_as_wide_as_the_language_finds_the_best(name: str) -> None:
    model = model_of(CASES[name])
    source, lengths, _ = small_batch(config=CASES[name])
    for row in range(4):
        one = batch_of(source[row : row + 1, : lengths[row]], lengths[row : row + 1], CASES[name])
        # Six items besides <pad>, <bos> and <eos>: 36 prefixes of two items, 43 outputs of at most three positions.
        every = exhaustive_search(model, one, 3, length_penalty=1.0)
        options = SearchOptions(beam_size=64, n_best=5, stop="proven")
        [found] = beam_search(model, one, torch.tensor([3]), options)
        assert len(found) == 5
        for got, best in zip(found, every, strict=False):
            assert_same(got, best, CASES[name])
