"""Perplexity after the reference and after the model's own output, against a naive twin."""

from __future__ import annotations

import math

import pytest
import torch

from architectures import CASES, small_model
from id_batches import ids_batch
from seqweave.evaluation.perplexity import perplexities
from seqweave.model.seq2seq import Seq2Seq
from seqweave.text.vocabulary import BOS, EOS, PAD

SOURCES = [[4, 5, 6, 7], [8], [9, 4, 4], [5, 10, 6]]
TARGETS = [[5, 4], [6, 6, 7, 8, 4], [], [7, 4, 5]]


@torch.inference_mode()
def naive(model: Seq2Seq, own: bool) -> float:
    """A sentence and an item at a time; what is read next is the reference's item, or the model's own best."""
    log_probs = []
    for source, target in zip(SOURCES, TARGETS, strict=True):
        state = model.start(model.encode(torch.tensor([source]), torch.tensor([len(source)])))
        read = BOS
        for item in [*target, EOS]:
            output = model.step(torch.tensor([read]), state)
            state = output.state
            log_probs.append(math.log(float(output.logits[0].double().softmax(0)[item])))
            best = max((one for one in range(9) if one not in (PAD, BOS)), key=lambda one: float(output.logits[0, one]))
            read = best if own else item
    return math.exp(-sum(log_probs) / len(log_probs))


@pytest.mark.parametrize("liked", [None, PAD, BOS])
@pytest.mark.parametrize("name", ["gru-additive-before", "lstm-everything-after", "transformer-pre-rotary"])
def test_both_are_those_of_the_naive_twin(name: str, liked: int | None) -> None:
    """Also where the best of all items is one that no output has."""
    model = small_model(CASES[name])
    if liked is not None:
        with torch.no_grad():
            model.output.bias[liked] += 9.0
    batches = [ids_batch(SOURCES[:2], TARGETS[:2]), ids_batch(SOURCES[2:], TARGETS[2:])]
    forced, free = perplexities(model, batches)
    assert forced == pytest.approx(naive(model, own=False), rel=1e-4)
    assert free == pytest.approx(naive(model, own=True), rel=1e-4)
    assert free != pytest.approx(forced, rel=1e-4)
