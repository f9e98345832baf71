"""The trace says what the model did: every number is the model's own."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from architectures import CASES, each
from seqweave.config import ModelConfig, TextConfig
from seqweave.errors import ConfigError, DataError
from seqweave.inspection.recorder import record_positions, recording_copy
from seqweave.inspection.trace import Trace, attention_of
from seqweave.inspection.tracing import output_tokens
from seqweave.inspection.tracing import trace as traced
from seqweave.model.build import build_model
from seqweave.model.recurrent.encoder import RecurrentEncoder, RecurrentLayer
from seqweave.model.transformer.encoder_decoder import TransformerDecoder, TransformerEncoder
from seqweave.predictor import Model
from seqweave.text.tokenizers import train_tokenizer
from seqweave.text.vocabulary import BOS, EOS, UNK
from tiny_model import tiny_model


# Probabilities of 0 and copying have tests of their own (test_sparse_traces.py, test_copying_traces.py).
def is_traced_here(config: ModelConfig) -> bool:
    return config.output == "softmax" and not config.copy


SOURCE, TARGET = "abcag", "gfb"
EXACT = 1e-6


@cache
def model_of(config: ModelConfig) -> Model:
    """Half the weights: the log-probabilities stay so near 0 that their last bit is less than `EXACT`."""
    with torch.inference_mode(False):  # which the first test to ask may be in
        model = tiny_model(config)
    with torch.no_grad():
        for parameter in model.single.parameters():
            parameter.mul_(0.5)
    return model


@cache
def trace_of(config: ModelConfig) -> Trace:
    return traced(model_of(config), SOURCE, TARGET, beam_size=3)


def the_best_output_is_that_of_predict(config: ModelConfig) -> None:
    trace, found = trace_of(config), model_of(config).predict([SOURCE], beam_size=3)[0]
    assert (trace.output.text, trace.output.finished) == (found.text, found.finished)
    assert [token.text for token in trace.output.tokens] == found.tokens
    assert trace.output.score == pytest.approx(found.score, abs=1e-5)
    assert trace.steps.log_probs == pytest.approx(np.array(found.token_log_probs), abs=1e-5)


def the_twin_is_that_of_score(config: ModelConfig) -> None:
    forced, scored = trace_of(config).forced, model_of(config).score([(SOURCE, TARGET)], return_attention=True)[0]
    assert forced is not None
    assert forced.score == pytest.approx(scored.score, abs=1e-5)
    assert forced.steps.log_probs == pytest.approx(np.array(scored.token_log_probs), abs=1e-5)
    assert bool(forced.steps.attention) == (scored.attention is not None)
    if scored.attention is not None:  # of the last layer, the mean over its heads
        last = attention_of(forced.steps, layer=forced.steps.attention[-1].layer)
        assert last is not None
        assert last.weights == pytest.approx(scored.attention, abs=1e-5)


@torch.inference_mode()
def encoder_and_bridge_are_the_models_tensors(config: ModelConfig) -> None:
    trace, model = trace_of(config), model_of(config)
    source = torch.tensor([[token.id for token in trace.source.tokens]])
    encoded = model.single.encode(source, torch.tensor([source.shape[1]]))
    assert trace.encoder.outputs == pytest.approx(encoded.outputs[0].numpy(), abs=EXACT)
    for ours, theirs in zip(trace.encoder.final, encoded.final, strict=True):
        assert ours == pytest.approx(theirs[0].numpy(), abs=EXACT)
    for ours, theirs in zip(trace.bridge.states, model.single.start(encoded).recurrent, strict=True):
        assert ours == pytest.approx(theirs[0].numpy(), abs=EXACT)
    norms = model.single.source_input(source)[0].norm(dim=-1).numpy()
    assert trace.encoder.embedding_norms == pytest.approx(norms, abs=EXACT)


@torch.inference_mode()
def the_encoders_last_states_are_its_final_ones(config: ModelConfig) -> None:
    """Forward states end at the source's end, backward ones at its start, unless it is read in reverse."""
    encoder = trace_of(config).encoder
    parts = 2 if config.cell == "lstm" else 1
    size = config.encoder_hidden_size
    first, last = (-1, 0) if config.reverse_source else (0, -1)
    for index, layer in enumerate(encoder.layers):
        kept = [layer.hidden] if layer.cell is None else [layer.hidden, layer.cell]
        for states, final in zip(kept, encoder.final[parts * index : parts * index + parts], strict=True):
            assert states[last, :size] == pytest.approx(final[:size], abs=EXACT)
            assert states[first, size:] == pytest.approx(final[size:], abs=EXACT)


@torch.inference_mode()
def decoder_states_are_those_of_stepping(config: ModelConfig) -> None:
    trace, network = trace_of(config), model_of(config).single
    source = torch.tensor([[token.id for token in trace.source.tokens]])
    state = network.start(network.encode(source, torch.tensor([source.shape[1]])))
    ids = [BOS, *(token.id for token in trace.steps.tokens)]
    for place, id_ in enumerate(ids[:-1]):
        output = network.step(torch.tensor([id_]), state, return_attention=True)
        state = output.state
        recurrent = iter(state.recurrent)
        for layer in trace.steps.layers if state.recurrent else ():
            assert layer.hidden[place] == pytest.approx(next(recurrent)[0].numpy(), abs=EXACT)
            if layer.cell is not None:
                assert layer.cell[place] == pytest.approx(next(recurrent)[0].numpy(), abs=EXACT)
        log_probs = output.logits[0].log_softmax(0)
        assert trace.steps.log_probs[place] == pytest.approx(float(log_probs[ids[place + 1]]), abs=EXACT)
        assert trace.steps.entropy[place] == pytest.approx(-float((log_probs * log_probs.exp()).sum()), abs=EXACT)
        assert trace.steps.ranks[place] == int((log_probs > log_probs[ids[place + 1]]).sum())
        best = log_probs.sort(descending=True).indices[:10].tolist()
        assert trace.steps.top_ids[place].tolist() == best
        assert trace.steps.top_log_probs[place] == pytest.approx(log_probs[best].numpy(), abs=EXACT)
        if output.attention is not None:
            last = attention_of(trace.steps, layer=trace.steps.attention[-1].layer)
            assert last is not None
            assert last.weights[place] == pytest.approx(output.attention[0].numpy(), abs=EXACT)


def gates_make_the_states(config: ModelConfig) -> None:
    """c = f c + i g and h = o tanh(c); h = (1 - z) n + z h: with the state before, gates give the state after."""
    trace = trace_of(config)
    parts = 2 if config.cell == "lstm" else 1
    for index, layer in enumerate(trace.steps.layers if trace.bridge.states else []):
        starts = [start[None] for start in trace.bridge.states[parts * index : parts * index + parts]]
        gates = layer.gates
        if config.cell == "lstm":
            assert layer.cell is not None
            cells = np.concatenate([starts[1], layer.cell[:-1]])
            assert gates["f"] * cells + gates["i"] * gates["g"] == pytest.approx(layer.cell, abs=EXACT)
            assert gates["o"] * np.tanh(layer.cell) == pytest.approx(layer.hidden, abs=EXACT)
        elif config.cell == "gru" and gates:
            hidden = np.concatenate([starts[0], layer.hidden[:-1]])
            mixed = (1 - gates["z"]) * gates["n"] + gates["z"] * hidden
            assert mixed == pytest.approx(layer.hidden, abs=EXACT)
        else:
            assert gates == {}
    names = {"lstm": {"i", "f", "g", "o"}, "gru": {"r", "z", "n"}}.get(config.cell, set())
    for layer in trace.encoder.layers:
        assert set(layer.gates) == (names if config.encoder == "recurrent" else set())
        if layer.cell is not None:
            assert layer.gates["o"] * np.tanh(layer.cell) == pytest.approx(layer.hidden, abs=EXACT)


@torch.inference_mode()
def encoder_gates_are_those_of_stepping(config: ModelConfig) -> None:
    """The reset gate does not show in the test above; here the layer steps, and the states must come out."""
    trace, network = trace_of(config), model_of(config).single
    assert isinstance(network.encoder, RecurrentEncoder)
    layer = network.encoder.forwards[0]
    assert isinstance(layer, RecurrentLayer)
    order = -1 if config.reverse_source else 1
    ids = torch.tensor([[token.id for token in trace.source.tokens]])
    embedded = network.source_input(ids)[0]
    state = layer.zero_state(1, embedded)
    hidden = []
    for vector in embedded.flip(0) if order < 0 else embedded:
        state = layer.step(vector[None], state)
        hidden.append(state[0][0].numpy())
    assert trace.encoder.layers[0].hidden[:, : config.encoder_hidden_size] == pytest.approx(
        np.array(hidden)[::order], abs=EXACT
    )


def attention_rows_sum_to_one_and_come_from_the_scores(config: ModelConfig) -> None:
    trace = trace_of(config)
    count = len(trace.steps.tokens)
    if config.decoder == "transformer":
        assert len(trace.steps.attention) == len(trace.steps.self_attention) == config.decoder_layers * config.heads
        assert all(not np.triu(one.weights, 1).any() for one in trace.steps.self_attention)
    else:
        assert len(trace.steps.attention) == (config.attention != "none")
    assert len(trace.encoder.attention) == (config.encoder == "transformer") * config.encoder_layers * config.heads
    for attention in (*trace.steps.attention, *trace.steps.self_attention, *trace.encoder.attention):
        if config.attention_window != "local_p":
            assert attention.weights.sum(1) == pytest.approx(np.ones(len(attention.weights)), abs=EXACT)
    for attention in (*trace.steps.attention, *trace.steps.self_attention, *trace.encoder.attention):
        assert attention.scores is not None
        if config.attention_window == "global":
            seen = attention.weights > 0  # what a Transformer's decoder may not see yet has scores all the same
            powers = np.exp(attention.scores - attention.scores.max(1, where=seen, initial=-100, keepdims=True)) * seen
            assert powers / powers.sum(1, keepdims=True) == pytest.approx(attention.weights, abs=EXACT)
    for attention in trace.steps.attention if config.decoder == "recurrent" else []:
        assert attention.weights.shape == (count, len(SOURCE))
        assert trace.steps.context == pytest.approx(attention.weights @ trace.encoder.outputs, abs=1e-5)


@pytest.mark.parametrize("name", ["transformer-pre-sinusoidal", "transformer-reversed", "transformer-layers"])
@torch.inference_mode()
def test_a_transformers_layers_end_in_its_outputs(name: str) -> None:
    """The last layer, normalised, is what the encoder gives; the same for the decoder's readout."""
    trace, network = trace_of(CASES[name]), model_of(CASES[name]).single
    assert isinstance(network.encoder, TransformerEncoder)
    assert isinstance(network.decoder, TransformerDecoder)
    outputs = network.encoder.norm(torch.from_numpy(trace.encoder.layers[-1].hidden)).numpy()
    assert outputs == pytest.approx(trace.encoder.outputs, abs=EXACT)
    readout = network.decoder.norm(torch.from_numpy(trace.steps.layers[-1].hidden)).numpy()
    assert readout == pytest.approx(trace.steps.readout, abs=EXACT)
    assert trace.bridge.kind == "none"


@torch.inference_mode()
def replaying_the_tokens_gives_the_scores(config: ModelConfig) -> None:
    """The generator over the readouts of the trace gives the log-probabilities of the trace."""
    trace, network = trace_of(config), model_of(config).single
    assert trace.steps.readout is not None
    log_probs = network.output.logits(torch.from_numpy(trace.steps.readout)).log_softmax(1)
    ids = torch.tensor([token.id for token in trace.steps.tokens])
    assert trace.steps.log_probs == pytest.approx(log_probs.gather(1, ids[:, None])[:, 0].numpy(), abs=1e-5)
    assert float(trace.steps.log_probs.sum()) == pytest.approx(trace.output.log_prob, abs=1e-5)


def tracing_leaves_no_mark_on_the_network(config: ModelConfig) -> None:
    model = model_of(config)
    weights = {name: (id(part), part.sum().item()) for name, part in model.single.named_parameters()}
    trace_of(config)
    assert {name: (id(part), part.sum().item()) for name, part in model.single.named_parameters()} == weights
    for module in model.single.modules():
        assert "step" not in vars(module)
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


OF_RECURRENT_ENCODERS = (the_encoders_last_states_are_its_final_ones, encoder_gates_are_those_of_stepping)
OF_ALL = (
    the_best_output_is_that_of_predict,
    the_twin_is_that_of_score,
    encoder_and_bridge_are_the_models_tensors,
    decoder_states_are_those_of_stepping,
    gates_make_the_states,
    attention_rows_sum_to_one_and_come_from_the_scores,
    replaying_the_tokens_gives_the_scores,
)


# One case for all: the trace is made once.
@each(is_traced_here, plain=False)
def test_every_number_is_the_models_own(config: ModelConfig) -> None:
    tracing_leaves_no_mark_on_the_network(config)
    for check in (*OF_ALL, *(OF_RECURRENT_ENCODERS if config.encoder == "recurrent" else ())):
        check(config)


def test_the_copy_shares_every_parameter() -> None:
    network = model_of(CASES["lstm-additive-before"]).single
    twin = recording_copy(network)
    assert twin is not network
    assert all(a is b for a, b in zip(twin.parameters(), network.parameters(), strict=True))


def test_a_network_in_double_precision_is_traced_in_it() -> None:
    model = tiny_model(CASES["lstm-general-after"])
    model.single.double()
    trace = model.trace(SOURCE)
    assert trace.steps.layers[0].hidden.dtype == np.float64
    assert trace.steps.log_probs.dtype == np.float64


@cache
def finishing() -> tuple[Model, Trace]:
    """A model that ends its output by itself, after some items."""
    for seed in range(1, 50):
        model = tiny_model(CASES["gru-additive-after"], seed)
        trace = model.trace(SOURCE)
        if trace.output.finished and trace.output.text:
            return model, trace
    raise AssertionError("no seed gives such a model")


def test_the_settings_constraints_hold() -> None:
    model = tiny_model(CASES["gru-dot-after"])
    free = model.predict([SOURCE], beam_size=3)[0]
    search = model.config.search.model_copy(update={"forbid": ("a", "b", "c"), "min_length": 3})
    model.config = model.config.model_copy(update={"search": search})
    trace, found = model.trace(SOURCE, beam_size=3), model.predict([SOURCE], beam_size=3)[0]
    assert found.text != free.text
    assert len(found.text) >= 3
    assert not set(found.text) & set("abc")
    assert trace.output.text == found.text
    assert trace.output.score == pytest.approx(found.score, abs=1e-5)


def test_labels_are_one_item() -> None:
    model = tiny_model(CASES["lstm-additive-before"])
    names = ["good", "b ad", "<b>ugly</b>", "0"]
    labels = train_tokenizer(names, TextConfig(units="label"))
    torch.manual_seed(1)
    network = build_model(CASES["lstm-additive-before"], model.source_tokenizer.size, labels.size)
    classifier = Model(network.eval(), model.source_tokenizer, labels, model.config)
    trace, found = classifier.trace(SOURCE, "b ad"), classifier.predict([SOURCE], beam_size=5)[0]
    assert trace.output.text == found.text
    assert [token.text for token in trace.steps.tokens] == [found.text.replace(" ", "▁"), "<eos>"]
    assert trace.output.score == pytest.approx(found.score, abs=1e-5)
    assert trace.forced is not None
    assert [token.id for token in trace.forced.steps.tokens] == [*labels.encode("b ad"), EOS]
    assert set(trace.beam.ids.tolist()) <= {UNK, EOS, *(labels.encode(name)[0] for name in names)}


def test_without_a_target_there_is_no_twin() -> None:
    trace = model_of(CASES["gru-dot-after"]).trace(SOURCE)
    assert trace.target is None
    assert trace.forced is None
    assert trace.beam.reference_left is None


def test_the_twin_of_the_output_itself_is_the_free_run() -> None:
    model, free = finishing()
    output = free.output
    trace = model.trace(SOURCE, output.text)
    assert trace.forced is not None
    assert trace.forced.first_divergence is None
    assert trace.forced.score == pytest.approx(trace.output.score, abs=1e-5)
    assert np.array_equal(trace.forced.steps.log_probs, trace.steps.log_probs)
    assert trace.beam.reference_left is None


def test_divergence_is_the_first_difference() -> None:
    model, free = finishing()
    text = free.output.text
    longer = model.trace(SOURCE, text + "a").forced
    other = model.trace(SOURCE, ("b" if text[0] == "a" else "a") + text[1:]).forced
    assert longer is not None
    assert longer.first_divergence == len(text)
    assert other is not None
    assert other.first_divergence == 0


def test_names_cover_every_id() -> None:
    trace = trace_of(CASES["lstm-none-first"])
    assert trace.forced is not None
    used = {*trace.beam.ids.tolist(), *trace.steps.top_ids.flatten().tolist(), *trace.forced.steps.top_ids.flatten()}
    assert {int(id_) for id_ in trace.names} >= used
    assert trace.names[str(EOS)] == "<eos>"


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_source_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="a source must have an item to be traced, but it is empty: give a text"):
        model_of(CASES["gru-dot-after"]).trace(text)


def test_a_beam_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="beam_size must be 1 or more, but it is 0"):
        model_of(CASES["gru-dot-after"]).trace(SOURCE, beam_size=0)


def test_offsets_of_jamo_share_their_syllable() -> None:
    tokenizer = train_tokenizer(["학교"], TextConfig(units="char", jamo=True))
    ids = tokenizer.encode("학교")
    assert tokenizer.offsets("학교") == [(0, 1), (0, 1), (0, 1), (1, 2), (1, 2)]
    assert [(token.start, token.end) for token in output_tokens(tokenizer, ids)] == [(0, 1)] * 3 + [(1, 2)] * 2


@pytest.mark.parametrize("units", ["char", "word", "space", "byte"])
def test_offsets_cut_the_text(units: str) -> None:
    text = "ab cé d"
    tokenizer = train_tokenizer([text], TextConfig.model_validate({"units": units}))
    spans = tokenizer.offsets(text)
    assert len(spans) == len(tokenizer.encode(text))
    joined = "".join(text[start:end] for start, end in dict.fromkeys(spans))
    assert joined.replace(" ", "") == text.replace(" ", "")
    words = [text[token.start : token.end] for token in output_tokens(tokenizer, tokenizer.encode(text))]
    if units in ("word", "space"):
        assert words == ["ab", "cé", "d"]
    if units == "char":
        assert words == list(text)


@torch.inference_mode()
def test_recording_takes_one_step_an_item() -> None:
    network = model_of(CASES["gru-additive-between"]).single
    encoded = network.encode(torch.tensor([[4, 5, 6]]), torch.tensor([3]))
    recording = record_positions(network, encoded, [4, 5, 6, 7, EOS])
    assert recording.logits.shape[0] == 5
    assert [layer.hidden.shape[0] for layer in recording.layers] == [5, 5]
