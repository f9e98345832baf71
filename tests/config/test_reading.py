"""Settings read from the command line, TOML and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqweave.config import (
    build_config,
    config_from_json,
    config_to_json,
    differing_keys,
    fields_of,
    load_settings,
    parse_setting,
    resolve_settings,
)
from seqweave.errors import ConfigError

KEYS = [key for key, _ in fields_of()]


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
    assert load_settings(path) == {"training.seed": 3, "data.source.units": "char", "model.residual": True}


def test_a_byte_order_mark_before_toml_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(b'\xef\xbb\xbf[model]\ncell = "gru"\n')
    assert load_settings(path) == {"model.cell": "gru"}


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
        load_settings(tmp_path / "nosuch.toml")


@pytest.mark.parametrize("content", [b"model = ", b"\xff\xfe"])
def test_what_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"run\.toml must be (TOML, or the config\.json of a run|UTF-8), but it is n"):
        load_settings(path)


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


def test_a_config_json_is_a_file_of_settings(tmp_path: Path) -> None:
    config = build_config({"model.cell": "gru", "data.column_names": ["a", "b"], "training.max_steps": 7})
    path = tmp_path / "config.json"
    path.write_text(config_to_json(config), encoding="utf-8")
    assert resolve_settings(config_file=path) == config
    assert resolve_settings("tiny", path) == config  # whole, so nothing of the preset is left
    changed = resolve_settings(config_file=path, settings=["training.max_steps=9"])
    assert differing_keys(config, changed) == {"training.max_steps": (7, 9)}


def test_a_part_of_a_config_json_leaves_the_rest_to_the_preset(tmp_path: Path) -> None:
    path = tmp_path / "part.json"
    path.write_text('{"format": 1, "model": {"cell": "gru"}}', encoding="utf-8")
    assert load_settings(path) == {"model.cell": "gru"}
    assert resolve_settings("tiny", path) == resolve_settings("tiny", settings=["model.cell=gru"])


def test_what_a_format_decides_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"model": {"cell": "gru", "copy": true}}', encoding="utf-8")  # format 0
    assert resolve_settings(config_file=path) == build_config({"model.cell": "gru", "model.copy": True})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not valid JSON"),
        ('{"model": {"nosuch": 1}}', r"model\.nosuch: "),
        ('{"format": 99}', "must be of a format from 0 to"),
        ("[" * 9 + "{", "must be TOML, or the config.json of a run"),
        ('{"model": ' * 5000, "is not valid JSON|RecursionError|recursion"),
    ],
)
def test_a_json_that_is_no_config_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"config\.json.*({said})"):
        load_settings(path)
