"""Attributions: each against its definition, on every decoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from architectures import CASES, small_model
from quick import quick_are
from seqweave.data.source import make_sources
from seqweave.errors import ConfigError
from seqweave.inspection.attributions import METHODS, attribute, rank_correlation, with_attributions
from seqweave.inspection.trace_json import trace_from_json, trace_to_json
from seqweave.model.input.embeddings import Embedding
from seqweave.model.seq2seq import Seq2Seq
from seqweave.text.vocabulary import BOS, EOS, UNK
from tiny_model import tiny_model

NAMES = (
    "gru-additive-before",
    "lstm-dot-feeding",
    "rnn-general-between",
    "lstm-none-first",
    "gru-none-every_step",
    "lstm-reversed",
    "gru-one_hot",
    "transformer-layers",
)
SOURCE, IDS = [5, 6, 7, 5], [4, 8, EOS]


def log_probs(network: Seq2Seq, source: list[int]) -> np.ndarray:
    with torch.no_grad():
        encoded = network.encode(torch.tensor([source]), torch.tensor([len(source)]))
        rows = network.decode(torch.tensor([[BOS, *IDS[:-1]]]), encoded).logits[0].log_softmax(-1)
    return rows[range(len(IDS)), IDS].numpy()


@pytest.mark.parametrize("name", NAMES)
def test_occlusion_is_the_loss_of_log_probability(name: str) -> None:
    network = small_model(CASES[name])
    values = attribute(network, make_sources([SOURCE])[0], IDS, "occlusion")
    for place in range(len(SOURCE)):
        changed = [*SOURCE[:place], UNK, *SOURCE[place + 1 :]]
        assert values[:, place] == pytest.approx(log_probs(network, SOURCE) - log_probs(network, changed), abs=1e-5)


@pytest.mark.parametrize(
    "name",
    quick_are(["rnn-general-between"], [name for name in NAMES if "one_hot" not in name]),
)
def test_integrated_gradients_sum_to_the_difference(name: str) -> None:
    """Sundararajan et al. 2017, axiom of completeness, between all zeros and the source."""
    network = small_model(CASES[name]).double()
    # Layer normalisation is so steep near zero that the mean converges slowly there.
    way_points, error = (256, 0.05) if "transformer" in name else (64, 2e-3)
    values = attribute(network, make_sources([SOURCE])[0], IDS, "integrated_gradients", way_points=way_points)
    blank = small_model(CASES[name]).double()
    assert isinstance(blank.source_input, Embedding)
    with torch.no_grad():
        blank.source_input.weight.zero_()
    assert values.sum(1) == pytest.approx(log_probs(network, SOURCE) - log_probs(blank, SOURCE), abs=error)


@pytest.mark.parametrize("name", [name for name in NAMES if "one_hot" not in name])
def test_gradient_x_input_is_a_derivative(name: str) -> None:
    """Scaling the embedding of one source item, here of an item that occurs once."""
    network = small_model(CASES[name]).double()
    values = attribute(network, make_sources([SOURCE])[0], IDS, "gradient_x_input")
    assert isinstance(network.source_input, Embedding)
    weight = network.source_input.weight
    step = 1e-5
    results = []
    for factor in (1 + step, 1 - step):
        with torch.no_grad():
            kept = weight[6].clone()
            weight[6] *= factor
        results.append(log_probs(network, SOURCE))
        with torch.no_grad():
            weight[6] = kept
    assert values[:, 1] == pytest.approx((results[0] - results[1]) / (2 * step), abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_network_is_left_as_it_was(method: str) -> None:
    network = small_model(CASES["gru-additive-before"])
    before = {name: part.clone() for name, part in network.named_parameters()}
    attribute(network, make_sources([SOURCE])[0], IDS, method)
    for name, part in network.named_parameters():
        assert part.requires_grad
        assert part.grad is None
        assert torch.equal(part, before[name])


@pytest.mark.slow
def test_they_join_the_trace_with_their_correlation() -> None:
    model = tiny_model(CASES["gru-additive-after"])
    trace = with_attributions(model, model.trace("abcag"))
    assert [one.method for one in trace.attributions] == list(METHODS)
    for one in trace.attributions:
        assert one.values.shape == (len(trace.steps.tokens), 5)
        assert one.rank_correlation == pytest.approx(rank_correlation(one.values, trace.steps.attention[0].weights))
    back = trace_from_json(trace_to_json(trace))
    assert [one.method for one in back.attributions] == list(METHODS)
    blind = tiny_model(CASES["gru-none-first"])
    assert with_attributions(blind, blind.trace("abc"), ["occlusion"]).attributions[0].rank_correlation is None


def test_rank_correlation_by_hand() -> None:
    weights = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])
    assert rank_correlation(np.array([[1.0, 2, 3], [-9, 5, 1]]), weights) == pytest.approx(1)
    assert rank_correlation(np.array([[3.0, 2, 1], [1, 2, 3]]), weights) == pytest.approx(-1)
    # Ties share a rank: (0, 1.5, 1.5) against (0, 1, 2) correlates by sqrt(3) / 2.
    assert rank_correlation(np.array([[1.0, 2, 2]]), weights[:1]) == pytest.approx(3**0.5 / 2)
    assert rank_correlation(np.array([[1.0, 1, 1]]), weights[:1]) is None


def test_an_unknown_method_is_refused() -> None:
    model = tiny_model(CASES["gru-additive-after"])
    with pytest.raises(ConfigError, match="gradient_x_input, integrated_gradients, occlusion, but it is saliency"):
        with_attributions(model, model.trace("abc"), ["saliency"])
