"""Ensembles: the mean of probabilities, by hand and against a naive twin, for every kind of member."""

from __future__ import annotations

import math

import pytest
import torch

from architectures import CASES, batch_of, small_batch, small_model, sources_of
from id_batches import ids_batch
from seqweave.data.source_batch import SourceBatch
from seqweave.model.ensemble import Ensemble, mean_logits
from seqweave.model.optimized import optimized
from seqweave.proofs.sources import Sources
from seqweave.proofs.verify import prove
from seqweave.search.beam import beam_search
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions
from seqweave.search.sampling import sample_search
from seqweave.search.score import force_score

MIXES = {
    "recurrent": ("gru-additive-before", "lstm-dot-feeding"),
    "with a Transformer": ("lstm-general-after", "transformer-pre-sinusoidal"),
    "one without attention": ("gru-none-first", "rnn-concat-after", "lstm-tied"),
    "no attention": ("gru-none-first", "lstm-none-every_step"),
    "reversed": ("gru-reversed", "recurrent_encoder-post-learned"),
    "copying": ("lstm-copies", "gru-copies_before"),
}
mixes = pytest.mark.parametrize("names", MIXES.values(), ids=MIXES.keys())
LIMITS = torch.tensor([8, 5, 8, 3])


def ensemble_of(names: tuple[str, ...]) -> Ensemble:
    members = [small_model(CASES[name], seed) for seed, name in enumerate(names, 1)]
    with torch.no_grad():
        for member in members:
            member.output.bias[3] += 2.5  # <eos>
    return Ensemble(members).eval()


def test_the_mean_by_hand() -> None:
    one = torch.tensor([[0.7, 0.2, 0.1]]).log()
    other = torch.tensor([[0.1, 0.2, 0.7]]).log() + 3.0  # logits are free up to a constant
    mean = mean_logits([one, other])
    assert mean.exp()[0].tolist() == pytest.approx([0.4, 0.2, 0.4])
    assert mean.log_softmax(-1).exp()[0].tolist() == pytest.approx([0.4, 0.2, 0.4])
    # Not the mean of logarithms: that would be sqrt(0.07) and 0.2, normalised.
    assert float(mean.exp()[0, 0]) != pytest.approx(math.sqrt(0.07) / (2 * math.sqrt(0.07) + 0.2), abs=0.01)


@mixes
def test_decode_is_the_naive_mean(names: tuple[str, ...]) -> None:
    ensemble = ensemble_of(names)
    source, lengths, target_in = small_batch(config=CASES[names[0]])
    batch = batch_of(source, lengths, CASES[names[0]])
    with torch.inference_mode():
        output = ensemble.decode(target_in, ensemble.encode(*batch), return_attention=True)
        each = [member.decode(target_in, member.encode(*batch), return_attention=True) for member in ensemble.networks]
    expected = sum((one.logits.double().softmax(-1) for one in each), torch.zeros(())) / len(each)
    torch.testing.assert_close(output.logits.double().softmax(-1), expected, atol=1e-6, rtol=0)
    weights = [one.attention for one in each if one.attention is not None]
    if weights:
        assert output.attention is not None
        torch.testing.assert_close(output.attention, torch.stack(weights).mean(0))
    else:
        assert output.attention is None


@mixes
def test_every_proof_of_the_search_holds(names: tuple[str, ...]) -> None:
    """Beam 1 = greedy, alone = batched = padded = permuted, searched = forced, decode = step; optimized or not."""
    ensemble = ensemble_of(names)
    ids = [[4, 5, 6, 7], [8], [9, 4, 4], [5, 10, 6, 6]]
    sources = Sources(sources_of(ids, CASES[names[0]]), LIMITS.tolist(), padding=2)
    for proof in prove(ensemble, optimized(ensemble), sources, beam_size=3, tolerance=1e-4):
        assert proof.compared > 0
        assert proof.passed, proof


@pytest.mark.parametrize("name", ["gru-additive-before", "lstm-none-first", "transformer-pre-rotary"])
def test_a_model_with_itself_is_the_model(name: str) -> None:
    model = small_model(CASES[name])
    twice = Ensemble([model, model]).eval()
    source, lengths, _ = small_batch()
    batch = ids_batch([row[:n].tolist() for row, n in zip(source, lengths.tolist(), strict=True)], [[5, 6]] * 4)
    for one, other in zip(force_score(model, batch), force_score(twice, batch), strict=True):
        assert one.token_log_probs == pytest.approx(other.token_log_probs, abs=1e-6)
    options = SearchOptions(beam_size=3, n_best=3)
    sources = SourceBatch(source, lengths)
    for alone, both in (
        (
            beam_search(model, sources, LIMITS, options),
            beam_search(twice, sources, LIMITS, options),
        ),
        (
            [[one] for one in greedy_search(model, sources, LIMITS, options)],
            [[one] for one in greedy_search(twice, sources, LIMITS, options)],
        ),
        (
            [[one] for one in sample_search(model, sources, LIMITS, options)],
            [[one] for one in sample_search(twice, sources, LIMITS, options)],
        ),
    ):
        for ones, others in zip(alone, both, strict=True):
            assert [one.ids for one in ones] == [other.ids for other in others]
            assert [one.score for one in ones] == pytest.approx([other.score for other in others], abs=1e-5)


def test_members_are_optimized_each_for_itself() -> None:
    ensemble = ensemble_of(MIXES["with a Transformer"])
    fast = optimized(ensemble)
    assert isinstance(fast, Ensemble)
    assert fast is not ensemble
    assert fast.networks[0] is not ensemble.networks[0]
    assert fast.networks[1] is ensemble.networks[1]
    transformers = ensemble_of(("transformer-pre-sinusoidal", "transformer-layers"))
    assert optimized(transformers) is transformers


def test_a_sharp_member_does_not_silence_the_other() -> None:
    """An item that one member thinks impossible keeps half of the probability the other gives it."""
    mean = mean_logits([torch.tensor([[0.0, -math.inf]]), torch.tensor([[0.0, 0.0]])])
    assert mean.exp()[0].tolist() == pytest.approx([0.75, 0.25])
