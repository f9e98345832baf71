"""Settings: presets, TOML, --set, and what is said when one is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from seqweave.config import (
    PRESETS,
    Cell,
    Config,
    PresetName,
    build_config,
    check_config,
    check_model,
    config_from_json,
    config_to_json,
    differing_keys,
    fields_of,
    load_toml,
    parse_setting,
    resolve_settings,
    settings_of,
)
from seqweave.errors import ConfigError
from seqweave.folder import CONFIG, read_config

KEYS = [key for key, _ in fields_of()]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_build(preset: PresetName) -> None:
    config = resolve_settings(preset)
    assert {key: settings_of(config)[key] for key in PRESETS[preset]} == PRESETS[preset]
    assert differing_keys(Config(), config).keys() <= PRESETS[preset].keys()


def test_the_presets_are_those_of_the_type() -> None:
    assert get_args(PresetName) == tuple(PRESETS)


def test_the_defaults_do_not_contradict_each_other() -> None:
    check_config(Config())


def test_every_setting_has_a_meaning_and_a_default() -> None:
    assert list(settings_of(Config())) == KEYS
    assert all(field.description for _, field in fields_of())


def test_later_settings_win(tmp_path: Path) -> None:
    toml = tmp_path / "run.toml"
    toml.write_text('[model]\nembedding_size = 96\ncell = "gru"\n', encoding="utf-8")
    config = resolve_settings("tiny", toml, ["model.cell=rnn"])
    assert (config.model.embedding_size, config.model.cell, config.model.encoder_hidden_size) == (96, "rnn", 64)


def test_a_setting_changes_only_its_own_key() -> None:
    base = build_config({"model.cell": "gru"})
    config = build_config({"training.seed": 7}, base)
    assert differing_keys(Config(), config) == {"model.cell": ("lstm", "gru"), "training.seed": (1, 7)}


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Config().model.cell = "rnn"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("model.cel", "model.cell"),
        ("max_steps", "training.max_steps"),
        ("training.dropout", "model.dropout"),
        ("model.atention", "model.attention"),
        ("beam_size", "search.beam_size"),
    ],
)
def test_unknown_keys_name_the_nearest(key: str, nearest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_config({key: 1})
    assert str(caught.value) == f"unknown key {key}: did you mean {nearest}?"


def test_unknown_keys_near_nothing_name_the_list() -> None:
    with pytest.raises(ConfigError, match="unknown key zzz: see `seqweave train --help` for all keys"):
        build_config({"zzz": 1})


def test_a_group_is_not_a_setting() -> None:
    with pytest.raises(ConfigError, match="unknown key model"):
        build_config({"model": {"cell": "gru"}})


def test_all_problems_are_listed_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        build_config({"model.cell": "gruu", "training.accumulate": 0, "nosuch.key": 1, "search.beam_sise": 2})
    message = str(caught.value)
    assert message.startswith("4 problems with the settings: ")
    for part in ("model.cell: ", "training.accumulate: ", "unknown key nosuch.key", "did you mean search.beam_size?"):
        assert part in message


CELL_NAMES = " or ".join(", ".join(map(repr, get_args(Cell))).rsplit(", ", 1))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.cell", "gruu", f"model.cell: input should be {CELL_NAMES}, but it is 'gruu'"),
        ("model.dropout", 1.0, "model.dropout: input should be less than 1, but it is 1.0"),
        ("model.embedding_size", 0, "model.embedding_size: input should be greater than or equal to 1, but it is 0"),
        ("training.learning_rate", float("inf"), "training.learning_rate: input should be a finite number"),
        ("training.weight_decay", float("nan"), "training.weight_decay: input should be a finite number"),
        ("training.max_steps", "many", "training.max_steps: input should be a valid integer"),
        ("training.seed", -1, "training.seed: input should be greater than or equal to 0, but it is -1"),
        ("training.seed", 2**64, f"training.seed: input should be less than or equal to {2**64 - 1}"),
        ("training.max_steps", 10**9 + 1, "training.max_steps: input should be less than or equal to 1000000000"),
        ("training.max_steps", True, "training.max_steps: input should be a number, but it is True"),
        ("training.warmup_steps", False, "training.warmup_steps: input should be a number, but it is False"),
        ("model.dropout", False, "model.dropout: input should be a number, but it is False"),
        ("training.adam_betas", [False, 0.9], "training.adam_betas: input should be a number"),
        ("training.adam_betas", 3, "training.adam_betas: input should be a list, such as [0.9, 0.98], but it is 3"),
        ("training.adam_betas", [2.0, -1.0], "training.adam_betas: both should be at least 0 and less than 1"),
        ("training.adam_betas", [0.9, 1.0], "training.adam_betas: both should be at least 0 and less than 1"),
        ("training.batch_tokens", 10**30, "training.batch_tokens: input should be less than or equal to 100000000"),
        ("model.encoder_layers", 65, "model.encoder_layers: input should be less than or equal to 64, but it is 65"),
        ("model.embedding_size", 65537, "model.embedding_size: input should be less than or equal to 65536"),
        ("search.beam_size", 1001, "search.beam_size: input should be less than or equal to 1000, but it is 1001"),
        ("data.column_names", ["a", "b", "a"], "data.column_names: input should have distinct names, but it is ['a'"),
        ("data.source.units", "letters", "data.source.units: input should be 'char', 'word', 'space', 'subword'"),
    ],
)
def test_wrong_values_say_key_rule_and_value(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_config({key: value})
    assert str(caught.value).startswith(message)


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
        "model.copy=true mixes softmax probabilities with attention and learns by their logarithm, which "
        "model.output=entmax15 has not for probabilities of 0: set model.output=softmax, or model.copy=false",
    ),
    (
        {
            "model.copy": True,
            "data.source.units": "subword",
            "data.target.units": "subword",
            "data.source.subword_dropout": 0.1,
        },
        "data.source.subword_dropout=0.1 cuts texts into other items in each epoch, but model.copy=true knows one way "
        "to cut them, by which it finds what can be copied: change one of them",
    ),
    (
        {"model.copy": True, "model.decoder": "transformer"},
        "model.copy=true is for a recurrent decoder, but model.decoder=transformer, which looks from every head of "
        "every layer, and has no one attention to copy by: leave it at false",
    ),
    (
        {"model.copy": True, "data.source.units": "word", "data.target.units": "char"},
        "model.copy=true needs the same units on both sides, but data.source.units is word and data.target.units is "
        "char: change one of them, or set model.copy=false",
    ),
    (
        {"model.copy": True, "data.source.units": "word", "data.target.units": "label"},
        "model.copy=true puts items of the source into the output, but data.target.units=label, which are no such "
        "items: leave it at false",
    ),
    (
        {"search.replace_unknown": True, "data.target.units": "label"},
        "search.replace_unknown=true puts items of the source into the output, but data.target.units=label, which are "
        "no such items: leave it at false",
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
        "model.embedding_size must be a multiple of model.heads, but 256 is none of 3: change one of them",
    ),
    (
        {**TRANSFORMER, "model.positions": "rotary", "model.embedding_size": 12},
        "model.positions=rotary turns pairs of numbers and needs heads of even width, but model.embedding_size=12 over "
        "model.heads=4 gives 3: change one of them",
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
        "data.source.subword_dropout=0.1 leaves out merges and needs data.source.subword_model=bpe, but it is unigram, "
        "which has none: change one of them",
    ),
    (
        {"data.joint_vocabulary": True, "data.source.units": "word", "data.target.units": "label"},
        "data.target.units=label must equal data.source.units with data.joint_vocabulary=true, whose one tokenizer is "
        "made as the source's, but that is word: change one of them, or set data.joint_vocabulary=false",
    ),
    (
        {"data.joint_vocabulary": True, "data.target.lowercase": True},
        "data.target.lowercase=true must equal data.source.lowercase with data.joint_vocabulary=true, whose one "
        "tokenizer is made as the source's, but that is false: change one of them, or set data.joint_vocabulary=false",
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
        "search.top_k=5 is for drawn outputs and needs search.sample=true, but it is false: leave it at 0",
    ),
    (
        {"search.min_length": 9, "search.max_length": 9},
        "search.min_length=9 needs search.max_length=10 or more, <eos> counted, but it is 9: change one of them",
    ),
    (
        {"data.target.units": "label", "search.min_length": 2},
        "search.min_length=2 asks for more items than the one that an output has with data.target.units=label: "
        "leave it at 0",
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


@pytest.mark.parametrize(
    "settings",
    [
        {"model.attention": "none", "model.attention_position": "before"},
        {"model.attention_size": 7},
        {"model.encoder": "transformer", "model.max_positions": 9},
        {"data.joint_vocabulary": True, "data.source.units": "word", "data.target.units": "label"},
    ],
)
def test_older_folders_may_have_settings_that_nothing_reads(settings: dict[str, Any], tmp_path: Path) -> None:
    tree = Config().model_dump()
    for key, value in settings.items():
        node = tree
        for name in key.split(".")[:-1]:
            node = node[name]
        node[key.split(".")[-1]] = value
    (tmp_path / CONFIG).write_text(json.dumps(tree), encoding="utf-8")
    config = read_config(tmp_path)
    check_model(config.model)
    changed = build_config({"search.beam_size": 3}, config)
    assert {key: settings_of(changed)[key] for key in settings} == settings
    with pytest.raises(ConfigError):
        build_config(settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"model.attention": "none", "model.context": "every_step"},
        {"model.attention": "dot", "model.bridge": "copy"},
        {"model.attention_position": "between", "model.decoder_layers": 2},
        {"model.input_feeding": True},
        {"model.tie_embeddings": True, "model.readout_size": 256},
        {"model.input": "one_hot"},
        {"model.copy": True, "model.attention_window": "local_p", "search.replace_unknown": True},
        {"model.copy": True, "model.encoder": "transformer", "model.attention": "additive", "model.coverage": True},
        {"data.joint_vocabulary": True, "data.source.units": "word", "data.source.lowercase": True},
        {"data.joint_vocabulary": True, "data.source.units": "char", "data.target.units": "char"},
        {"model.bridge": "zero"},
        {"model.bridge": "zero", "model.attention": "none", "model.context": "every_step"},
        {**TRANSFORMER, "model.positions": "learned", "model.norm": "post", "model.heads": 8},
        {"model.decoder": "transformer", "model.cell": "gru", "model.bidirectional": False, "model.residual": True},
        {"model.encoder": "transformer", "model.attention": "dot", "model.decoder_hidden_size": 256},
        {"model.encoder": "transformer", "model.cell": "rnn", "model.bridge": "copy", "model.decoder_hidden_size": 256},
        {"model.encoder": "transformer", "model.positions": "learned", "search.max_length": 2000},
        {"model.output": "entmax15", "training.label_smoothing": 0.0, "training.metric": "bleu"},
        {"search.sample": True, "search.top_k": 5, "search.temperature": 0, "search.top_p": 0.5, "search.seed": 0},
        {"search.min_length": 8, "search.max_length": 9, "search.no_repeat_ngram": 3, "search.forbid": ("<unk>",)},
    ],
)
def test_what_fits_together_is_taken(settings: dict[str, Any]) -> None:
    flat = settings_of(build_config(settings))
    assert {key: flat[key] for key in settings} == settings


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("sides", [("encoder",), ("decoder",), ("encoder", "decoder")])
def test_every_preset_goes_with_every_architecture(preset: PresetName, sides: tuple[str, ...]) -> None:
    config = resolve_settings(preset, settings={f"model.{side}": "transformer" for side in sides})
    assert all(getattr(config.model, side) == "transformer" for side in sides)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("model.cell=gru", "model.cell", "gru"),
        ("model.attention=none", "model.attention", "none"),
        ("training.max_steps=500", "training.max_steps", 500),
        ("training.max_steps=unset", "training.max_steps", None),
        ("training.max_steps=null", "training.max_steps", None),
        ("data.source.max_size=unset", "data.source.max_size", None),
        ("data.source.normalize=none", "data.source.normalize", "none"),
        ("training.learning_rate=3e-4", "training.learning_rate", 3e-4),
        ("model.residual=true", "model.residual", True),
        ("training.adam_betas=[0.9, 0.98]", "training.adam_betas", [0.9, 0.98]),
        ('data.column_names=["a", "b"]', "data.column_names", ["a", "b"]),
        ("data.source_column='word'", "data.source_column", "word"),
        ("data.source_column=a=b", "data.source_column", "a=b"),
        (" model.cell = gru ", "model.cell", "gru"),
    ],
)
def test_settings_are_parsed(text: str, key: str, value: Any) -> None:
    assert parse_setting(text) == (key, value)
    assert key in KEYS


@pytest.mark.parametrize("text", ["model.cell", "=gru", "", "  =1"])
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_setting(text)
    assert str(caught.value) == f"--set takes KEY=VALUE, such as --set model.cell=gru, but got {text!r}"


def test_a_column_number_is_text() -> None:
    assert resolve_settings(settings=["data.source_column=3"]).data.source_column == "3"


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match="preset must be one of tiny, small, base, but it is 'huge'"):
        resolve_settings("huge")  # type: ignore[arg-type]


def test_toml_is_flattened(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('training.seed = 3\n[data.source]\nunits = "char"\n[model]\nresidual = true\n', encoding="utf-8")
    assert load_toml(path) == {"training.seed": 3, "data.source.units": "char", "model.residual": True}


def test_a_byte_order_mark_before_toml_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b'\xef\xbb\xbf[model]\ncell = "gru"\n')
    assert load_toml(path) == {"model.cell": "gru"}


def test_every_whole_number_has_a_largest_value() -> None:
    for key, field in fields_of():
        if int in (field.annotation, *get_args(field.annotation)):
            with pytest.raises(ConfigError, match=f"^{key}: input should be less than or equal to"):
                build_config({key: 10**30})


def test_an_unknown_key_in_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[model]\ncel = 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"unknown key model\.cel: did you mean model\.cell\?"):
        resolve_settings(config_file=path)


def test_a_missing_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the config file .*nosuch\.toml: No such file or directory"):
        load_toml(tmp_path / "nosuch.toml")


@pytest.mark.parametrize("content", [b"model = ", b"\xff\xfe"])
def test_what_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"run\.toml is not valid TOML: "):
        load_toml(path)


@given(
    seed=st.integers(0, 2**31),
    dropout=st.floats(0, 0.99),
    names=st.lists(st.text(), max_size=3, unique=True),
    steps=st.none() | st.integers(1, 10**9),
)
def test_json_gives_the_config_back(seed: int, dropout: float, names: list[str], steps: int | None) -> None:
    settings = {
        "training.seed": seed,
        "model.dropout": dropout,
        "data.column_names": names,
        "training.max_steps": steps,
    }
    config = build_config(settings)
    text = config_to_json(config)
    assert text.endswith("}\n")
    assert config_from_json(text, "config.json") == config
    assert differing_keys(config, config_from_json(text, "config.json")) == {}


def test_broken_json_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"model/config\.json is not valid JSON: "):
        config_from_json("{", "model/config.json")


def test_a_strange_key_in_json_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"model/config\.json: model\.nosuch: "):
        config_from_json('{"model": {"nosuch": 1}}', "model/config.json")
