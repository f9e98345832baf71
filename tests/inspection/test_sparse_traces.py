"""Traces of a model that gives items probability 0: finite numbers, valid JSON, and what-if against the odds."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import torch

from architectures import CASES
from seqweave.errors import DataError
from seqweave.inspection.attributions import with_attributions
from seqweave.inspection.changes import WhatIf
from seqweave.inspection.trace_json import trace_from_json, trace_to_json
from seqweave.inspection.tracing import trace as traced
from seqweave.predictor import Model
from seqweave.search.filters import IMPOSSIBLE
from seqweave.text.vocabulary import EOS
from tiny_model import tiny_model

SOURCE = "abcag"
names = pytest.mark.parametrize("name", ["gru-entmax", "transformer-entmax"])


def impossible(model: Model) -> str:
    """A target of two items, of which the first is possible and the second is not."""
    targets = ["".join(letters) for letters in itertools.product("abcdefg", repeat=2)]
    scored = zip(targets, model.score([(SOURCE, target) for target in targets]), strict=True)
    return next(
        target
        for target, one in scored
        if math.isfinite(one.token_log_probs[0]) and one.token_log_probs[1] == -math.inf
    )


@names
def test_a_trace_with_an_impossible_target(name: str) -> None:
    model = tiny_model(CASES[name])
    target = impossible(model)
    trace = with_attributions(model, model.trace(SOURCE, target, beam_size=3))
    found, scored = model.predict([SOURCE], beam_size=3)[0], model.score([(SOURCE, target)])[0]
    assert trace.output.text == found.text
    assert trace.steps.log_probs == pytest.approx(np.array(found.token_log_probs), abs=1e-5)
    assert trace.forced is not None
    floor = np.maximum(scored.token_log_probs, IMPOSSIBLE)
    assert trace.forced.steps.log_probs == pytest.approx(floor, abs=1e-4)
    assert trace.forced.log_prob == pytest.approx(floor.sum(), rel=1e-6)
    for steps in (trace.steps, trace.forced.steps):
        assert np.isfinite(steps.top_log_probs).all()
        assert np.isfinite(steps.entropy).all()
        assert np.exp(steps.top_log_probs).sum(1) == pytest.approx(np.ones(len(steps.tokens)), abs=1e-5)
    assert all(np.isfinite(one.values).all() for one in trace.attributions)
    assert trace_from_json(trace_to_json(trace)).output == trace.output
    json.dumps(json.loads(trace_to_json(trace)), allow_nan=False)


@names
def test_an_item_forced_against_probability_zero(name: str) -> None:
    model = tiny_model(CASES[name])
    target = impossible(model)
    trace = traced(model, SOURCE, what_if=WhatIf(forced={0: target[0], 1: target[1]}))
    assert [token.text for token in trace.steps.tokens[:2]] == list(target)
    assert trace.steps.log_probs[1] == IMPOSSIBLE
    assert trace.steps.log_probs.sum() == pytest.approx(trace.output.log_prob, rel=1e-5)


def test_a_step_that_cannot_be_reached_is_a_sentence() -> None:
    model = tiny_model(CASES["gru-entmax"])
    with torch.no_grad():
        model.single.output.bias[EOS] += 50
    sentence = (
        "a run must reach position 3, where an item is forced, but at position 0 the model gives everything but <eos>"
    )
    with pytest.raises(DataError, match=sentence):
        traced(model, SOURCE, what_if=WhatIf(forced={3: "a"}))
    trace = traced(model, SOURCE, what_if=WhatIf(forced={0: "a", 1: "b", 2: "c", 3: "a"}))
    assert trace.output.text.startswith("abca")
