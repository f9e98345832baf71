"""Traces of models that copy: items of the source alone have names, p_gen is the gate's, and what-if knows them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from architectures import CASES
from quick import quick_are
from seqweave.data.copying import CopyCoder
from seqweave.data.source import Source
from seqweave.data.source_batch import pad_sources
from seqweave.errors import DataError
from seqweave.inspection.attributions import METHODS, attribute, with_attributions
from seqweave.inspection.changes import WhatIf
from seqweave.inspection.trace import Trace
from seqweave.inspection.trace_json import trace_from_json, trace_to_json
from seqweave.inspection.tracing import trace as traced
from seqweave.predictor import Model
from seqweave.text.vocabulary import BOS, EOS, UNK
from tiny_model import copying_model, tiny_model

NAMES = (
    "lstm-copies",
    "gru-copies_before",
    "gru-copies_feeding",
    "lstm-copies_reversed",
    "gru-copies_local_p",
    "transformer-gru-copies",
)
names = pytest.mark.parametrize("name", NAMES)
SOURCE, TARGET = "fezza", "zeb"  # the target vocabulary has a to d, the source vocabulary a to g
EXACT = 1e-6


@cache
def model_of(name: str) -> Model:
    return copying_model(CASES[name])


@cache
def trace_of(name: str) -> Trace:
    return traced(model_of(name), SOURCE, TARGET, beam_size=3)


@names
def test_output_and_twin_are_those_of_predict_and_score(name: str) -> None:
    trace, model = trace_of(name), model_of(name)
    found = model.predict([SOURCE], beam_size=3)[0]
    assert trace.output.text == found.text
    assert [token.text for token in trace.output.tokens] == found.tokens
    assert trace.steps.log_probs == pytest.approx(np.array(found.token_log_probs), abs=1e-5)
    scored = model.score([(SOURCE, TARGET)])[0]
    assert trace.forced is not None
    assert [token.text for token in trace.forced.steps.tokens] == [*scored.tokens, "<eos>"]
    assert trace.forced.steps.log_probs == pytest.approx(np.array(scored.token_log_probs), abs=1e-5)
    assert trace.forced.score == pytest.approx(scored.score, abs=1e-5)


def test_something_is_copied_that_the_vocabulary_lacks() -> None:
    size = model_of("lstm-copies").target_tokenizer.size
    taken = {token.id: token.text for name in NAMES for token in trace_of(name).output.tokens}
    assert any(id_ >= size and text in "fez" for id_, text in taken.items())


@names
@torch.inference_mode()
def test_p_gen_mixes_what_is_generated_with_what_is_copied(name: str) -> None:
    """See et al. 2017, eq. 9, written down with p_gen and the attention that the trace shows."""
    trace, model = trace_of(name), model_of(name)
    assert trace.forced is not None
    network, steps = model.single, trace.forced.steps
    assert steps.p_gen is not None
    assert ((steps.p_gen > 0) & (steps.p_gen < 1)).all()
    coder = CopyCoder(model.source_tokenizer, model.target_tokenizer)
    coded = coder.sources([SOURCE])
    stands_for = coded.sources[0].copies
    assert stands_for is not None
    [ids] = coder.targets([TARGET], coded.extra)
    assert steps.readout is not None
    generated = network.output.logits(torch.from_numpy(steps.readout)).softmax(1)  # (T, V)
    weights = trace.forced.steps.attention[0].weights
    for at, id_ in enumerate([*ids, EOS]):
        row = weights[at] / weights[at].sum()
        copied = sum(weight for weight, word in zip(row, stands_for, strict=True) if word == id_)
        made = float(generated[at, id_]) if id_ < generated.shape[1] else 0.0
        expected = steps.p_gen[at] * made + (1 - steps.p_gen[at]) * copied
        assert np.exp(steps.log_probs[at]) == pytest.approx(expected, rel=1e-4)


@names
def test_every_item_of_the_trace_has_a_name(name: str) -> None:
    trace, model = trace_of(name), model_of(name)
    shown = {*trace.steps.top_ids.flatten().tolist(), *trace.beam.ids.tolist()}
    assert {str(id_) for id_ in shown} <= set(trace.names)
    own = {trace.names[str(id_)] for id_ in shown if id_ >= model.target_tokenizer.size}
    assert own
    assert own <= set("fez")
    assert [token.text for token in trace.source.tokens] == list(SOURCE)
    assert trace.source.tokens[2].id == UNK
    assert max(shown) < model.target_tokenizer.size + 3  # f, e and z


@names
@torch.inference_mode()
def test_encoder_is_that_of_the_source(name: str) -> None:
    trace, model = trace_of(name), model_of(name)
    outputs = model.single.encode(*pad_sources(model.encode_sources([SOURCE]).sources)).outputs[0]
    assert trace.encoder.outputs == pytest.approx(outputs.numpy(), abs=EXACT)


def test_written_and_read() -> None:
    trace = trace_of("lstm-copies")
    again = trace_from_json(trace_to_json(trace))
    assert again.steps.p_gen == pytest.approx(trace.steps.p_gen, abs=EXACT)
    assert again.names == trace.names
    assert tiny_model(CASES["gru-additive-before"]).trace("abc").steps.p_gen is None


def test_a_trace_written_before_there_was_p_gen() -> None:
    text = trace_to_json(trace_of("lstm-copies"))
    assert text.count('"p_gen": {') == 2
    older = trace_from_json(text.replace('"p_gen": {', '"later": {'))
    assert older.steps.p_gen is None


def test_items_of_the_source_can_be_forced() -> None:
    model = model_of("lstm-copies")
    trace = traced(model, SOURCE, what_if=WhatIf(forced={0: "z"}))
    first = trace.steps.tokens[0]
    assert (first.text, first.id) == ("z", model.target_tokenizer.size + 2)
    assert trace.output.text[0] == "z"
    again = traced(model, SOURCE, what_if=WhatIf(forced={0: first.id}))
    assert again.output == trace.output
    with pytest.raises(DataError, match="one of the target's vocabulary or the source, but position 0 has 'q'"):
        traced(model, SOURCE, what_if=WhatIf(forced={0: "q"}))
    with pytest.raises(DataError, match=f"from 0 to {first.id}"):
        traced(model, SOURCE, what_if=WhatIf(forced={0: first.id + 1}))


def test_attention_that_is_overwritten_is_where_it_copies_from() -> None:
    model = model_of("lstm-copies")
    row = [0.0, 0.0, 1.0, 0.0, 0.0]
    changed = traced(model, SOURCE, TARGET, what_if=WhatIf(attention={0: row}))
    assert changed.forced is not None
    steps = changed.forced.steps
    assert steps.p_gen is not None
    # z, at the first step, cannot be generated.
    assert np.exp(steps.log_probs[0]) == pytest.approx(1 - steps.p_gen[0], rel=1e-4)


def test_another_start() -> None:
    model = model_of("gru-copies_before")
    other = traced(model, SOURCE, what_if=WhatIf(start_source="qzq"))
    assert not np.allclose(other.bridge.states[0], trace_of("gru-copies_before").bridge.states[0])


@pytest.mark.parametrize("method", quick_are(["gradient_x_input"], METHODS))
def test_attributions(method: str) -> None:
    model = model_of("lstm-copies")
    trace = with_attributions(model, trace_of("lstm-copies"), [method])
    assert trace.attributions[0].values.shape == (len(trace.steps.tokens), len(SOURCE))
    assert np.isfinite(trace.attributions[0].values).all()


def test_occlusion_changes_what_is_read_only() -> None:
    model = model_of("lstm-copies")
    network, [source] = model.single, model.encode_sources([SOURCE]).sources
    ids = [model.target_tokenizer.size, 4, EOS]
    values = attribute(network, source, ids, "occlusion")
    hidden = Source(np.array([UNK, *source.values[1:]]), source.copies)
    assert values[:, 0] == pytest.approx(log_probs(model, source, ids) - log_probs(model, hidden, ids), abs=1e-5)


def log_probs(model: Model, source: Source, ids: list[int]) -> np.ndarray:
    with torch.no_grad():
        encoded = model.single.encode(*pad_sources([source]))
        rows = model.single.decode(torch.tensor([[BOS, *ids[:-1]]]), encoded).logits[0].log_softmax(-1)
    return rows[range(len(ids)), ids].numpy()


def test_coverage_penalty_of_a_target() -> None:
    model = tiny_model(CASES["lstm-copies"])
    model.config = model.config.model_copy(
        update={"search": model.config.search.model_copy(update={"coverage_penalty": 0.4})}
    )
    trace = model.trace(SOURCE, TARGET)
    assert trace.forced is not None
    assert trace.forced.score == pytest.approx(model.score([(SOURCE, TARGET)])[0].score, abs=1e-5)
    without = tiny_model(CASES["lstm-copies"]).trace(SOURCE, TARGET).forced
    assert without is not None
    assert trace.forced.score < without.score - 1e-3
