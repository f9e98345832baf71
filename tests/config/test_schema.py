"""Settings: presets, defaults, and what is said when a key or a value is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from seqweave.config import (
    PRESETS,
    Cell,
    Config,
    PresetName,
    build_config,
    check_config,
    differing_keys,
    fields_of,
    resolve_settings,
    settings_of,
)
from seqweave.errors import ConfigError

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
    with pytest.raises(ConfigError, match="a setting must stay as it is, but cell was to become 'rnn': make another"):
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
