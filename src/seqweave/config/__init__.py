"""Every setting, its meaning, unit and default: four frozen groups, split by lifetime.

`data` prepares data, `model` rebuilds the network, `training` trains, `search` decodes.
TOML or JSON comes in (`load_settings`), JSON goes out (`config.json` in a model folder); `--set KEY=VALUE`
goes through `resolve_settings`. A value of `None` means "decided from the data when training
starts"; the decided values are what `config.json` holds.

A key is in the file of its group: `model.cell` in `model.py`. `schema.py` makes a `Config` of the groups,
`formats.py` translates settings of older folders, `reading.py` puts presets (`presets.py`), TOML and `--set`
together, `group.py` is what the groups share.

What this leaves out: anything that names code. Unknown keys are errors with the nearest key,
and all problems of a config are collected and raised once as a `ConfigError`.
"""

from __future__ import annotations

from seqweave.config.data import DataConfig, TextConfig, Units
from seqweave.config.model import (
    AttentionKind,
    AttentionPosition,
    AttentionWindow,
    Cell,
    Layers,
    ModelConfig,
    Norm,
    Output,
    PositionKind,
)
from seqweave.config.presets import PRESETS, PresetName
from seqweave.config.reading import (
    build_config,
    check_config,
    check_model,
    config_from_json,
    config_to_json,
    config_to_tree,
    differing_keys,
    load_settings,
    parse_setting,
    resolve_settings,
)
from seqweave.config.schema import Config, fields_of, settings_of
from seqweave.config.search import LARGEST_BEAM, LARGEST_MIN_LENGTH, SearchConfig
from seqweave.config.training import BleuTokenize, Metric, MetricUnits, TrainConfig

__all__ = [
    "LARGEST_BEAM",
    "LARGEST_MIN_LENGTH",
    "PRESETS",
    "AttentionKind",
    "AttentionPosition",
    "AttentionWindow",
    "BleuTokenize",
    "Cell",
    "Config",
    "DataConfig",
    "Layers",
    "Metric",
    "MetricUnits",
    "ModelConfig",
    "Norm",
    "Output",
    "PositionKind",
    "PresetName",
    "SearchConfig",
    "TextConfig",
    "TrainConfig",
    "Units",
    "build_config",
    "check_config",
    "check_model",
    "config_from_json",
    "config_to_json",
    "config_to_tree",
    "differing_keys",
    "fields_of",
    "load_settings",
    "parse_setting",
    "resolve_settings",
    "settings_of",
]
