"""Settings that contradict each other, or that nothing would read, are refused with a remedy, all at once."""

from __future__ import annotations

from typing import Any

import pytest

from seqweave.config import (
    build_config,
)
from seqweave.errors import ConfigError

TRANSFORMER = {"model.encoder": "transformer", "model.decoder": "transformer"}
CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    (
        {"model.attention": "dot", "model.decoder_hidden_size": 100},
        "model.attention=dot needs queries and keys of one width, but the decoder has 100 units and the encoder gives "
        "512: set model.decoder_hidden_size=512, or use model.attention=general",
    ),
    (
        {"model.attention": "scaled_dot", "model.bidirectional": False},
        "model.attention=scaled_dot needs queries and keys of one width, but the decoder has 512 units and the encoder "
        "gives 256: set model.decoder_hidden_size=256, or use model.attention=general",
    ),
    (
        {"model.bridge": "copy", "model.encoder_hidden_size": 100},
        "model.bridge=copy needs states of one width, but the encoder gives 200 and the decoder has 512: "
        "set model.decoder_hidden_size=200, or use model.bridge=dense",
    ),
    (
        {"model.attention": "none", "model.input_feeding": True},
        "model.input_feeding=true needs attention, but model.attention=none: choose an attention or switch it off",
    ),
    (
        {"model.input_feeding": True, "model.attention_position": "before"},
        "model.input_feeding=true goes with model.attention_position=after (Luong et al. 2015), but it is before: "
        "change one of them",
    ),
    (
        {"model.copy": True, "model.attention": "none"},
        "model.copy=true copies by attention, but model.attention=none: choose an attention or switch it off",
    ),
    (
        {"model.copy": True, "model.output": "entmax15", "training.label_smoothing": 0},
        "model.copy=true mixes softmax probabilities with attention and learns from their logarithms, but "
        "model.output=entmax15 gives probabilities of 0: set model.output=softmax, or model.copy=false",
    ),
    (
        {
            "model.copy": True,
            "data.source.units": "subword",
            "data.target.units": "subword",
            "data.source.subword_dropout": 0.1,
        },
        "data.source.subword_dropout=0.1 cuts texts differently in each epoch, but model.copy=true needs one "
        "way to cut them to find what can be copied: change one of them",
    ),
    (
        {"model.copy": True, "model.decoder": "transformer"},
        "model.copy=true is for a recurrent decoder, but model.decoder=transformer, which attends in every "
        "head of every layer, so that there is no single attention to copy by: leave it at false",
    ),
    (
        {"model.copy": True, "data.source.units": "word", "data.target.units": "char"},
        "model.copy=true needs the same units on both sides, but data.source.units is word and data.target.units is "
        "char: change one of them, or set model.copy=false",
    ),
    (
        {"model.copy": True, "data.source.units": "word", "data.target.units": "label"},
        "model.copy=true puts items of the source into the output, but with data.target.units=label an output "
        "is one label: leave it at false",
    ),
    (
        {"search.replace_unknown": True, "data.target.units": "label"},
        "search.replace_unknown=true puts items of the source into the output, but with "
        "data.target.units=label an output is one label: leave it at false",
    ),
    (
        {"search.replace_unknown": True, "model.attention": "none"},
        "search.replace_unknown=true follows attention, but model.attention=none: choose an attention or switch it off",
    ),
    (
        {"model.context": "every_step"},
        "model.context=every_step is for models without attention, but model.attention=general: "
        "set model.attention=none or leave model.context=first",
    ),
    (
        {"model.attention_position": "between"},
        "model.attention_position=between needs model.decoder_layers of 2 or more, but it is 1: raise it",
    ),
    (
        {"model.tie_embeddings": True, "model.input": "one_hot"},
        "model.tie_embeddings=true needs model.input=embedding, but it is one_hot: change one of them",
    ),
    (
        {"model.tie_embeddings": True, "model.readout_size": 100},
        "model.tie_embeddings=true needs model.readout_size equal to model.embedding_size (256), but it is 100: "
        "leave model.readout_size unset",
    ),
    (
        {"model.bridge": "zero", "model.attention": "none"},
        "model.bridge=zero with model.attention=none and model.context=first leaves the decoder blind to the source: "
        "set model.bridge=dense, choose an attention, or set model.context=every_step",
    ),
    (
        {**TRANSFORMER, "model.cell": "gru"},
        "model.cell=gru is for recurrent layers, but model.encoder and model.decoder are transformer: leave it at lstm",
    ),
    (
        {**TRANSFORMER, "model.residual": True},
        "model.residual=true is for recurrent layers, but model.encoder and model.decoder are transformer: "
        "leave it at false",
    ),
    (
        {"model.encoder": "transformer", "model.bidirectional": False},
        "model.bidirectional=false is for a recurrent encoder, but model.encoder=transformer: leave it at true",
    ),
    (
        {"model.decoder": "transformer", "model.attention": "none"},
        "model.attention=none is for a recurrent decoder, but model.decoder=transformer, which has its own attention: "
        "leave it at general",
    ),
    (
        {"model.decoder": "transformer", "model.input_feeding": True},
        "model.input_feeding=true is for a recurrent decoder, but model.decoder=transformer, which has its own "
        "attention: leave it at false",
    ),
    (
        {"model.decoder": "transformer", "model.bridge": "zero"},
        "model.bridge=zero is for a recurrent decoder, but model.decoder=transformer, which has no recurrent state: "
        "leave it at dense",
    ),
    (
        {"model.decoder": "transformer", "model.readout_size": 256},
        "model.readout_size=256 is for a recurrent decoder, but model.decoder=transformer, whose readout is as wide as "
        "model.embedding_size: leave it unset",
    ),
    (
        {"model.heads": 8},
        "model.heads=8 is for a Transformer, but model.encoder and model.decoder are recurrent: leave it at 4",
    ),
    (
        {"model.feed_forward_size": 8},
        "model.feed_forward_size=8 is for a Transformer, but model.encoder and model.decoder are recurrent: "
        "leave it unset",
    ),
    (
        {"model.decoder": "transformer", "model.input": "one_hot"},
        "model.input=one_hot has no width that a Transformer could work in: set model.input=embedding, or make "
        "model.encoder and model.decoder recurrent",
    ),
    (
        {"model.encoder": "transformer", "model.heads": 3},
        "model.embedding_size must be a multiple of model.heads (3), but it is 256: change one of them",
    ),
    (
        {**TRANSFORMER, "model.positions": "rotary", "model.embedding_size": 12},
        "model.positions=rotary rotates pairs of numbers and needs heads of even width, but "
        "model.embedding_size=12 over model.heads=4 gives 3: change one of them",
    ),
    (
        {"model.encoder": "transformer", "model.attention": "dot"},
        "model.attention=dot needs queries and keys of one width, but the decoder has 512 units and the encoder gives "
        "256: set model.decoder_hidden_size=256, or use model.attention=general",
    ),
    (
        {"model.encoder": "transformer", "model.positions": "learned", "model.max_positions": 500},
        "data.max_source_length=512 needs 512 positions, but model.positions=learned knows only "
        "model.max_positions=500: raise it, lower data.max_source_length, or use model.positions=sinusoidal",
    ),
    (
        {"model.decoder": "transformer", "model.positions": "learned", "model.max_positions": 512},
        "data.max_target_length=512 needs 513 positions, but model.positions=learned knows only "
        "model.max_positions=512: raise it, lower data.max_target_length, or use model.positions=sinusoidal",
    ),
    (
        {"data.target.subword_dropout": 0.1},
        "data.target.subword_dropout=0.1 leaves out merges and needs data.target.units=subword, but it is unset: "
        "set data.target.units=subword, or leave the dropout at 0",
    ),
    (
        {"data.source.units": "subword", "data.source.subword_model": "unigram", "data.source.subword_dropout": 0.1},
        "data.source.subword_dropout=0.1 leaves out merges and needs data.source.subword_model=bpe, but it is "
        "unigram, which has no merges: change one of them",
    ),
    (
        {"data.joint_vocabulary": True, "data.source.units": "word", "data.target.units": "label"},
        "data.target.units=label must equal data.source.units, because data.joint_vocabulary=true makes one "
        "tokenizer with the source's settings, but that is word: change one of them, or set "
        "data.joint_vocabulary=false",
    ),
    (
        {"data.joint_vocabulary": True, "data.target.lowercase": True},
        "data.target.lowercase=true must equal data.source.lowercase, because data.joint_vocabulary=true "
        "makes one tokenizer with the source's settings, but that is false: change one of them, or set "
        "data.joint_vocabulary=false",
    ),
    (
        {"data.joint_vocabulary": True, "data.source.units": "label"},
        "data.joint_vocabulary=true is for units that both sides share, but data.source.units=label: change one",
    ),
    (
        {"data.joint_vocabulary": True, "data.source.units": "char", "data.target.subword_dropout": 0.5},
        "data.target.subword_dropout=0.5 leaves out merges and needs data.source.units=subword, but it is char: "
        "set data.source.units=subword, or leave the dropout at 0",
    ),
    (
        {"training.sampling_k": 0.5},
        "training.sampling_k=0.5 is for scheduled sampling, but training.scheduled_sampling=none: leave it unset",
    ),
    (
        {"training.sampling_feed": "argmax"},
        "training.sampling_feed=argmax is for scheduled sampling, but training.scheduled_sampling=none: "
        "leave it at sample",
    ),
    (
        {"training.scheduled_sampling": "exponential", "training.sampling_slope": 0.1},
        "training.sampling_slope=0.1 is for training.scheduled_sampling=linear, but it is exponential: leave it unset",
    ),
    (
        {"training.scheduled_sampling": "exponential", "training.sampling_k": 1.0},
        "training.scheduled_sampling=exponential falls as k ** i and needs training.sampling_k below 1, but it is 1: "
        "lower it or leave it unset",
    ),
    (
        {"training.scheduled_sampling": "inverse_sigmoid", "training.sampling_k": 0.5},
        "training.scheduled_sampling=inverse_sigmoid falls as k / (k + exp(i / k)) and needs training.sampling_k of 1 "
        "or more, but it is 0.5: raise it or leave it unset",
    ),
    (
        {"model.decoder": "transformer", "model.positions": "learned", "search.max_length": 1025},
        "search.max_length=1025 needs 1025 positions, but model.positions=learned knows only model.max_positions=1024: "
        "raise it, lower search.max_length, or use model.positions=sinusoidal",
    ),
    (
        {"model.coverage": True},
        "model.coverage=true adds earlier weights inside the tanh of additive scores and needs model.attention="
        "additive, concat or location_aware, but it is general: change one of them",
    ),
    (
        {"model.attention": "concat", "model.attention_normalized": True},
        "model.attention_normalized=true normalises the vector of additive scores and needs model.attention="
        "additive or location_aware, but it is concat (concat with a bias is additive): change one of them",
    ),
    (
        {"model.attention": "location", "model.attention_normalized": True},
        "model.attention_normalized=true normalises the vector of additive scores and needs model.attention="
        "additive or location_aware, but it is location: change one of them",
    ),
    (
        {"model.attention": "none", "model.coverage": True},
        "model.coverage=true needs attention, but model.attention=none: leave it at false",
    ),
    (
        {"model.attention": "none", "model.attention_window": "local_m"},
        "model.attention_window=local_m needs attention, but model.attention=none: leave it at global",
    ),
    (
        {"model.decoder": "transformer", "model.attention_window": "local_p"},
        "model.attention_window=local_p is for a recurrent decoder, but model.decoder=transformer, which has its own "
        "attention: leave it at global",
    ),
    (
        {"model.attention": "none", "model.attention_position": "before"},
        "model.attention_position=before needs attention, but model.attention=none: leave it at after",
    ),
    (
        {"model.attention_size": 64},
        "model.attention_size=64 is the width inside the tanh of model.attention=additive, concat or location_aware, "
        "but it is general: leave it unset",
    ),
    (
        {"model.encoder": "transformer", "model.max_positions": 2048},
        "model.max_positions=2048 is for model.positions=learned, but it is sinusoidal: leave it at 1024",
    ),
    (
        {"model.window_size": 4},
        "model.window_size=4 is for a local window, but model.attention_window=global: leave it at 10",
    ),
    (
        {"model.location_positions": 600},
        "model.location_positions=600 is for model.attention=location, but it is general: leave it at 512",
    ),
    (
        {"model.location_width": 5},
        "model.location_width=5 is for model.attention=location_aware, but it is general: leave it at 31",
    ),
    (
        {"model.attention": "location_aware", "model.location_width": 4},
        "model.location_width must be odd, so that a filter has a middle, but it is 4: set it to 5",
    ),
    (
        {"model.attention": "location", "data.max_source_length": 600},
        "data.max_source_length=600 needs as many positions, but model.attention=location knows only "
        "model.location_positions=512: raise it, or lower data.max_source_length",
    ),
    (
        {"training.coverage_weight": 2.5},
        "training.coverage_weight=2.5 needs model.coverage=true, but it is false: set it, or leave "
        "training.coverage_weight at 1",
    ),
    (
        {"search.top_k": 5},
        "search.top_k=5 is for sampling and needs search.sample=true, but it is false: leave it at 0",
    ),
    (
        {"search.min_length": 9, "search.max_length": 9},
        "search.min_length=9 needs search.max_length=10 or more, <eos> counted, but it is 9: change one of them",
    ),
    (
        {"data.target.units": "label", "search.min_length": 2},
        "search.min_length=2 asks for more than one item, but with data.target.units=label an output has "
        "exactly one: leave it at 0",
    ),
    (
        {"model.decoder": "transformer", "model.positions": "learned", "search.min_length": 1024},
        "search.min_length=1024 needs 1025 positions, but model.positions=learned knows only model.max_positions=1024: "
        "raise it, lower search.min_length, or use model.positions=sinusoidal",
    ),
    (
        {"model.output": "entmax15"},
        "training.label_smoothing=0.1 spreads probability over all items, but model.output=entmax15 gives most of them "
        "none: set training.label_smoothing=0",
    ),
    (
        {"model.output": "entmax15", "training.label_smoothing": 0, "training.metric": "loss"},
        "training.metric=loss is the mean of -log p over the dev items, which is infinite where model.output=entmax15 "
        "gives one of them probability 0: choose a metric of outputs, or leave it unset",
    ),
]


@pytest.mark.parametrize(("settings", "message"), CONTRADICTIONS)
def test_contradictions_are_refused_with_a_remedy(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_config(settings)
    assert str(caught.value) == message


def test_all_contradictions_are_listed_at_once() -> None:
    settings = {"model.input_feeding": True, "model.attention_position": "between", "model.bridge": "copy"}
    with pytest.raises(ConfigError) as caught:
        build_config(settings | {"model.encoder_hidden_size": 100})
    message = str(caught.value)
    assert message.startswith("3 problems with the settings: ")
    assert all(part in message for part in ("model.bridge=copy", "model.input_feeding=true", "=between needs"))
