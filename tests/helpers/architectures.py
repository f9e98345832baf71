"""Every architecture that the invariants run over, small.

`each()` runs a test over the quick ones, in which every two settings that go together do meet, and with `--slow` also
over all of `CASES`, which have names: products of cells, scorers and places, and options one at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, get_args, get_origin

import pytest
import torch

from pairwise import pairwise
from seqweave.config import AttentionKind, Cell, Config, ModelConfig, checks
from seqweave.config.model import Norm, PositionKind
from seqweave.data.source import Source
from seqweave.data.source_batch import SourceBatch
from seqweave.model.attention.scorers import ScorerSettings, build_scorer
from seqweave.model.build import build_model
from seqweave.model.cells import cell_named
from seqweave.model.seq2seq import Seq2Seq

CELLS: tuple[Cell, ...] = get_args(Cell)
ATTENTIONS = tuple(kind for kind in get_args(AttentionKind) if kind != "none")
PLACES: dict[str, dict[str, Any]] = {
    "before": {"attention_position": "before"},
    "after": {"attention_position": "after"},
    "feeding": {"attention_position": "after", "input_feeding": True},
    "between": {"attention_position": "between", "decoder_layers": 2},
}
SMALL: dict[str, Any] = {
    "embedding_size": 5,
    "encoder_hidden_size": 3,
    "decoder_hidden_size": 6,
    "dropout": 0.3,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "layers": {"encoder_layers": 2, "decoder_layers": 3},
    "residual": {"encoder_layers": 3, "decoder_layers": 3, "residual": True},
    "layer_norm": {"encoder_layers": 2, "decoder_layers": 2, "layer_norm": True},
    "reversed": {"reverse_source": True},
    "one_direction": {"bidirectional": False, "attention": "general"},
    "copy": {"bridge": "copy"},
    "zero": {"bridge": "zero"},
    "one_hot": {"input": "one_hot"},
    "tied": {"tie_embeddings": True},
    "tied_before": {"tie_embeddings": True, "attention_position": "before"},
    "tied_feeding": {"tie_embeddings": True, "attention": "additive", "input_feeding": True},
    "tied_first": {"tie_embeddings": True, "attention": "none"},
    "readout": {"readout_size": 4},
    "feeding_one_direction": {"input_feeding": True, "bidirectional": False, "attention": "general"},
    "by_table": {"embedding_size": 24, "encoder_layers": 2},  # so wide that layers take `OneHotInput`
    "attention_size": {"attention": "additive", "attention_size": 7},
    "variational": {"variational": True, "embedding_dropout": 0.2, "word_dropout": 0.1, "encoder_layers": 2},
    "features": {"feature_size": 4},
    "features_as_wide": {"feature_size": 5, "attention": "additive", "attention_position": "before"},
    "features_one_hot": {"feature_size": 4, "input": "one_hot", "attention": "none"},
    "features_by_table": {"feature_size": 4, "embedding_size": 24},
    "features_reversed": {"feature_size": 4, "reverse_source": True, "embedding_dropout": 0.2, "word_dropout": 0.1},
    "entmax": {"output": "entmax15"},
    "entmax_feeding": {"output": "entmax15", "attention": "dot", "input_feeding": True, "tie_embeddings": True},
}
# Scorers and windows beyond the plain ones, each in every place; small windows, so that they matter.
KINDS: dict[str, dict[str, Any]] = {
    "normalized": {"attention": "additive", "attention_normalized": True},
    "location": {"attention": "location", "location_positions": 5},
    "location_aware": {"attention": "location_aware", "location_filters": 2, "location_width": 3},
    "coverage": {"attention": "concat", "coverage": True},
    "local_m": {"attention": "dot", "attention_window": "local_m", "window_size": 1},
    "local_p": {"attention": "general", "attention_window": "local_p", "window_size": 2},
    "location-local_m": {"attention": "location", "attention_window": "local_m", "window_size": 2},
    "everything": {
        "attention": "location_aware",
        "attention_normalized": True,
        "coverage": True,
        "attention_window": "local_p",
        "window_size": 3,
        "location_filters": 3,
        "location_width": 5,
    },
}
COPYING: dict[str, dict[str, Any]] = {
    "copies": {"encoder_layers": 2, "decoder_layers": 2},
    "copies_before": {"attention": "additive", "attention_position": "before"},
    "copies_feeding": {"input_feeding": True},
    "copies_between": {"attention_position": "between", "decoder_layers": 2, "tie_embeddings": True},
    "copies_reversed": {"reverse_source": True, "attention": "dot", "input_feeding": True},
    "copies_covering": {"attention": "concat", "coverage": True, "attention_position": "before"},
    "copies_local_m": {"attention_window": "local_m", "window_size": 1},
    "copies_features": {"feature_size": 4, "embedding_size": 24, "attention": "additive"},
    "copies_local_p": {"attention_window": "local_p", "window_size": 2, "input_feeding": True},
}
OPTIONS |= {name: {"copy": True, **settings} for name, settings in COPYING.items()}
TRANSFORMER: dict[str, Any] = {"embedding_size": 8, "heads": 2, "feed_forward_size": 7}
TRANSFORMER_SIDES: dict[str, dict[str, Any]] = {
    "transformer": {"encoder": "transformer", "decoder": "transformer"},
    "recurrent_encoder": {"decoder": "transformer"},
    "recurrent_decoder": {"encoder": "transformer"},
}
TRANSFORMER_OPTIONS: dict[str, dict[str, Any]] = {
    "layers": {"encoder_layers": 2, "decoder_layers": 3},
    "post_layers": {"norm": "post", "encoder_layers": 2, "decoder_layers": 2},
    "one_head": {"heads": 1, "embedding_size": 7},
    "tied": {"tie_embeddings": True, "feed_forward_size": None},
    "reversed": {"reverse_source": True},
    "variational": {"variational": True, "embedding_dropout": 0.2, "word_dropout": 0.1},
    "features": {"feature_size": 4},
    "features_learned": {"feature_size": 8, "positions": "learned"},
    "features_rotary": {"feature_size": 4, "positions": "rotary", "reverse_source": True, "encoder_layers": 2},
    "entmax": {"output": "entmax15"},
}
# A Transformer reads, and each kind of recurrent decoder writes.
TRANSFORMER_READS: dict[str, dict[str, Any]] = {
    "gru-before": {"cell": "gru", "attention": "additive", "attention_position": "before"},
    "lstm-dot-feeding": {"attention": "dot", "input_feeding": True, "decoder_hidden_size": 8},
    "rnn-between": {"cell": "rnn", "attention_position": "between", "decoder_layers": 2},
    "lstm-none-first": {"attention": "none", "decoder_layers": 2, "encoder_layers": 3},
    "gru-none-every_step": {"cell": "gru", "attention": "none", "context": "every_step"},
    "lstm-copy": {"bridge": "copy", "decoder_hidden_size": 8, "decoder_layers": 2},
    "lstm-zero": {"bridge": "zero"},
    "gru-features": {"cell": "gru", "feature_size": 3},
    "gru-copies": {"cell": "gru", "copy": True},
    "lstm-copies_features": {"copy": True, "feature_size": 3},
}


def _transformer_cases() -> dict[str, dict[str, Any]]:
    cases: dict[str, dict[str, Any]] = {}
    for norm, positions in itertools.product(get_args(Norm), get_args(PositionKind)):
        for name, sides in TRANSFORMER_SIDES.items():
            cases[f"{name}-{norm}-{positions}"] = {**sides, "norm": norm, "positions": positions}
    for name, settings in TRANSFORMER_OPTIONS.items():
        cases[f"transformer-{name}"] = {**TRANSFORMER_SIDES["transformer"], **settings}
    cases["gru-transformer-deep"] = {"decoder": "transformer", "cell": "gru", "encoder_layers": 2, "decoder_layers": 2}
    for name, settings in TRANSFORMER_READS.items():
        cases[f"transformer-{name}"] = {"encoder": "transformer", **settings}
    return {name: {**TRANSFORMER, **settings} for name, settings in cases.items()}


def _cases() -> dict[str, ModelConfig]:
    cases: dict[str, dict[str, Any]] = {}
    for cell, attention, (place, settings) in itertools.product(CELLS, ATTENTIONS, PLACES.items()):
        cases[f"{cell}-{attention}-{place}"] = {"cell": cell, "attention": attention, **settings}
    for cell, (name, settings), (place, more) in itertools.product(("gru", "lstm"), KINDS.items(), PLACES.items()):
        cases[f"{cell}-{name}-{place}"] = {"cell": cell, **settings, **more}
    for cell, context in itertools.product(CELLS, ("first", "every_step")):
        cases[f"{cell}-none-{context}"] = {"cell": cell, "attention": "none", "context": context}
    for cell, (name, settings) in itertools.product(("gru", "lstm"), OPTIONS.items()):
        cases[f"{cell}-{name}"] = {"cell": cell, **settings}
    cases |= _transformer_cases()
    return {name: ModelConfig(**{**SMALL, **settings}) for name, settings in cases.items()}


@cache
def _form(kind: AttentionKind, coverage: bool = False) -> object:
    """What the fast paths know a scorer by, or None."""
    return build_scorer(kind, ScorerSettings(1, 1, 1, coverage=coverage)).form()


CASES = _cases()
# Fast paths take plain networks, of which the quick cases have few: these of `CASES` are quick as well.
PLAIN = {
    *(
        "{cell}-{attention}-{place}".format(**names)
        for names in pairwise({"cell": CELLS, "attention": [*filter(_form, ATTENTIONS)], "place": [*PLACES]})
    ),
    *(
        "{side}-{norm}-{positions}".format(**names)
        for names in pairwise(
            {"side": [*TRANSFORMER_SIDES], "norm": get_args(Norm), "positions": get_args(PositionKind)}
        )
    ),
}

# The settings that a quick case chooses: all that have a few values, and some numbers. The first of each go together.
NUMBERS: dict[str, tuple[Any, ...]] = {
    "layers": ((2, 2), (1, 1), (2, 3)),  # of encoder and decoder
    "embedding_size": (8, 24),  # the second so wide that layers take `OneHotInput`
    "feature_size": (None, 4),
    "readout_size": (None, 4),
    "attention_size": (None, 5),
}
WIDTHS: dict[str, Any] = {"encoder_hidden_size": 3, "dropout": 0.3}
# Small, where the setting that they belong to is chosen.
BELONGING: dict[str, dict[str, Any]] = {
    "location": {"location_positions": 5},
    "location_aware": {"location_filters": 2, "location_width": 3},
    "local_m": {"window_size": 2},
    "local_p": {"window_size": 2},
    "transformer": {"heads": 2, "feed_forward_size": 7},
}
FIRST = {"attention": "additive"}  # which may be normalized and cover


def _axes() -> dict[str, tuple[Any, ...]]:
    axes: dict[str, tuple[Any, ...]] = {}
    for name, field in ModelConfig.model_fields.items():
        kind = field.annotation
        values = (False, True) if kind is bool else get_args(kind) if get_origin(kind) is Literal else ()
        first = FIRST.get(name, field.default)
        if values:
            axes[name] = (first, *(value for value in values if value != first))
    return axes | NUMBERS


AXES = _axes()


WHOLE = Config()


def _all(_: ModelConfig) -> bool:
    return True


def config_of(settings: dict[str, Any], keep: Callable[[ModelConfig], bool] = _all) -> ModelConfig | None:
    """The network of one value of each axis, or None where `keep` or the config refuses it or something would do
    nothing."""
    # Copies, because they are not checked again: thousands are asked for, and `quick_cases` checks the few it takes.
    items = tuple(settings.items())
    return _checked(items) if keep(_unchecked(items)) else None


@cache
def _unchecked(items: tuple[tuple[str, Any], ...]) -> ModelConfig:
    settings = dict(items)
    encoder_layers, decoder_layers = settings.pop("layers")
    layers = {"encoder_layers": encoder_layers, "decoder_layers": decoder_layers, "decoder_hidden_size": 7}
    chosen = settings | WIDTHS | layers
    for value in settings.values():
        chosen |= BELONGING.get(value, {}) if isinstance(value, str) else {}
    return WHOLE.model.model_copy(update=chosen)


@cache
def _checked(items: tuple[tuple[str, Any], ...]) -> ModelConfig | None:
    config = _unchecked(items)
    wide = config.embedding_size == NUMBERS["embedding_size"][1]
    if wide and "transformer" in (config.encoder, config.decoder):  # no `OneHotInput`
        return None
    if config.residual and config.encoder_layers == config.decoder_layers == 1:  # no two layers to connect
        return None
    if any(checks.model_contradictions(config)):  # perhaps that the widths of encoder and decoder are not one
        config = config.model_copy(update={"decoder_hidden_size": checks.encoder_width(config)})
        if any(checks.model_contradictions(config)):
            return None
    return None if any(checks.unread(WHOLE.model_copy(update={"model": config}))) else config


def idle(settings: dict[str, Any]) -> set[str]:
    """The settings that nothing reads in a network, left at what they are in a `ModelConfig`."""
    sides = (settings["encoder"], settings["decoder"])
    names: set[str] = set()
    if "recurrent" not in sides:
        names |= {*checks.RECURRENT}
    if "transformer" not in sides:
        names |= {*checks.TRANSFORMER}
    if settings["encoder"] == "transformer":
        names |= {*checks.RECURRENT_ENCODER}
    if settings["input"] == "one_hot":
        names |= {"embedding_size"}
    if settings["decoder"] == "transformer":
        return names.union(*(group for group, _ in checks.RECURRENT_DECODER))
    if settings["attention"] == "none":
        return names | {"attention_position", "attention_size", "input_feeding", "copy", *checks.OF_ATTENTION}
    return names | {"context"}


def has_form(config: ModelConfig) -> bool:
    """Whether the fast paths know the attention of a recurrent decoder."""
    return config.attention_window == "global" and _form(config.attention, config.coverage) is not None


def may_be_optimized(config: ModelConfig) -> bool:
    """Whether `optimized` has steps for such networks; not where a residual connection reads the items themselves."""
    known = config.attention == "none" or has_form(config)
    known = known and cell_named(config.cell).optimized is not None
    return known and config.decoder == "recurrent" and config.output == "softmax" and not config.copy


@cache
def quick_cases(keep: Callable[[ModelConfig], bool] = _all) -> dict[str, ModelConfig]:
    """Few architectures in which every two values of settings meet, wherever a config that is kept has both."""
    cases: dict[str, ModelConfig] = {}
    for settings in quick_settings(keep):
        config = config_of(settings)
        assert config is not None
        sides = "-".join((config.encoder, config.decoder)) if "transformer" in (config.encoder, config.decoder) else ""
        name = f"quick{len(cases) + 1:02}-{sides or config.cell}-{config.attention}"
        cases[name] = ModelConfig(**config.model_dump())
    return cases


@cache
def quick_settings(keep: Callable[[ModelConfig], bool] = _all) -> list[dict[str, Any]]:
    """The values of the axes in `quick_cases`."""

    return pairwise(AXES, lambda settings: config_of(settings, keep) is not None, idle, moves=1)


def each(keep: Callable[[ModelConfig], bool] = _all, plain: bool = True) -> pytest.MarkDecorator:
    """Run a test over all quick cases that are kept, as `config`; with --slow also over those of `CASES`.

    Args:
        keep: leaves networks out.
        plain: also over those of `PLAIN`, for tests of what has a fast path.
    """
    cases = [pytest.param(config, id=name) for name, config in quick_cases(keep).items()]
    for name, config in CASES.items():
        if keep(config):
            cases.append(pytest.param(config, id=name, marks=() if plain and name in PLAIN else pytest.mark.slow))
    return pytest.mark.parametrize("config", cases)


SOURCE_SIZE, TARGET_SIZE = 11, 9
FEATURES = 3  # the last ids of the source, in the cases that have a feature_size


def needs_library(config: ModelConfig) -> None:
    """Skip the test where an optional library that the network needs is not installed."""
    if config.output == "entmax15":
        pytest.importorskip("entmax", reason='entmax is not installed: pip install "seqweave[entmax]"')


def small_model(config: ModelConfig, seed: int = 1) -> Seq2Seq:
    """A model with weights large enough that every path matters, in evaluation mode."""
    needs_library(config)
    torch.manual_seed(seed)
    model = build_model(config, SOURCE_SIZE, TARGET_SIZE, FEATURES if config.feature_size else 0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


def small_batch(seed: int = 2, config: ModelConfig | None = None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sources (B, S) with unequal lengths (B,), and decoder inputs (B, T), of the kind that a config takes."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([7, 3, 5, 1])
    source = torch.randint(4, SOURCE_SIZE, (4, 7), generator=generator)
    source = source.masked_fill(torch.arange(7) >= lengths[:, None], 0)
    target_in = torch.randint(4, TARGET_SIZE, (4, 6), generator=generator)
    target_in[:, 0] = 2
    if config is not None and config.copy:
        target_in[:, 3] = torch.tensor([TARGET_SIZE, 5, TARGET_SIZE + 1, 4])  # ids of the sentences' own
    return source, lengths, target_in


def batch_of(source: torch.Tensor, lengths: torch.Tensor, config: ModelConfig) -> SourceBatch:
    """Sources (B, S) as a network takes them; where it copies, small ids are the same in outputs, others unknown
    there, and features stand for 0."""
    if not config.copy:
        return SourceBatch(source, lengths)
    stands_for = source.clone()
    features = SOURCE_SIZE - FEATURES if config.feature_size else SOURCE_SIZE
    for row in stands_for:
        extra: dict[int, int] = {}
        for place, item in enumerate(row.tolist()):
            if item >= features:
                row[place] = 0
            elif item >= features - 3:
                row[place] = TARGET_SIZE + extra.setdefault(item, len(extra))
    return SourceBatch(source, lengths, stands_for)


def sources_of(sources: list[list[int]], config: ModelConfig) -> list[Source]:
    """The same of lists of ids, one by one."""
    batches = [batch_of(torch.tensor([ids]), torch.tensor([len(ids)]), config) for ids in sources]
    return [
        Source(batch.values[0].numpy(), None if batch.copies is None else batch.copies[0].numpy()) for batch in batches
    ]
