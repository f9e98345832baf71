"""Every scorer in every position, with every window, coverage and copying: trained and decoded, or refused."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, get_args

import pytest
import torch

from architectures import SMALL, batch_of, small_batch, small_model
from pairwise import pairwise
from seqweave.config import AttentionKind, AttentionPosition, AttentionWindow, Config, ModelConfig, build_config
from seqweave.config.checks import contradictions, unread
from seqweave.config.model import Layers
from seqweave.errors import ConfigError
from seqweave.model.optimized import optimized
from seqweave.model.seq2seq import Seq2Seq
from seqweave.search.beam import beam_search
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions
from seqweave.training.losses import coverage_loss

KINDS = get_args(AttentionKind)
POSITIONS = get_args(AttentionPosition)
WINDOWS = get_args(AttentionWindow)
ADDITIVE = ("additive", "concat", "location_aware")
SIZES: dict[str, dict[str, Any]] = {
    "recurrent": {**SMALL, "dropout": 0.0, "decoder_layers": 2},
    "transformer": {"embedding_size": 6, "heads": 2, "decoder_hidden_size": 6, "decoder_layers": 2, "dropout": 0.0},
}
ENCODERS = get_args(Layers)
LIMITS = torch.tensor([5, 4, 5, 3])


def combinations(kind: str, position: str) -> Iterator[dict[str, Any]]:
    """All settings with one scorer in one position."""
    for window, feeding, coverage, copy in itertools.product(WINDOWS, *[(False, True)] * 3):
        yield {
            "attention": kind,
            "attention_position": position,
            "attention_window": window,
            "input_feeding": feeding,
            "coverage": coverage,
            "copy": copy,
        }


def why_not(settings: dict[str, Any], decoder: str) -> set[str]:
    """Settings that make no sense beside the others; each must have a sentence of its own."""
    if decoder == "transformer":
        defaults = ModelConfig()
        return {name for name, value in settings.items() if value != getattr(defaults, name)}
    if settings["attention"] == "none":
        return {name for name, value in settings.items() if value not in ("none", "global", "after", False)}
    wrong = set()
    if settings["coverage"] and settings["attention"] not in ADDITIVE:
        wrong.add("coverage")
    if settings["input_feeding"] and settings["attention_position"] != "after":
        wrong.add("input_feeding")
    return wrong


def refused(settings: dict[str, Any], more: dict[str, Any]) -> set[str]:
    """The settings that a refusal begins a sentence with."""
    with suppress(ConfigError):
        build_config({f"model.{name}": value for name, value in {**settings, **more}.items()})
        return set()
    config = Config(model=ModelConfig(**{**settings, **more}))
    found = [*contradictions(config), *unread(config)]
    assert all(": " in sentence for sentence in found), found  # what to do
    return {sentence.removeprefix("model.").partition("=")[0] for sentence in found}


def losses(model: Seq2Seq, config: ModelConfig) -> torch.Tensor:
    """What a training would lower."""
    source, lengths, target_in = small_batch(config=config)
    target_out = target_in.roll(-1, 1).masked_fill(torch.arange(6) == 5, 3)  # <eos> comes last
    output = model.decode(target_in, model.encode(*batch_of(source, lengths, config)), return_attention=config.coverage)
    loss = model.output.loss(output.logits, target_out, 0.1)
    if config.coverage:
        assert output.attention is not None
        loss = loss + coverage_loss(output.attention, target_out)
    return loss


def with_encoder(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with one of the encoders, so that windows, coverage and copying meet both."""
    switched = sum(settings[name] for name in ("input_feeding", "coverage", "copy"))
    return {**settings, "encoder": ENCODERS[(WINDOWS.index(settings["attention_window"]) + switched) % 2]}


def makes_sense(settings: dict[str, Any]) -> bool:
    """Of settings with an encoder."""
    return not why_not({name: value for name, value in settings.items() if name != "encoder"}, "recurrent")


QUICK = pairwise(
    {
        "attention": KINDS[::-1],
        "attention_position": POSITIONS,
        "attention_window": WINDOWS,
        **dict.fromkeys(("input_feeding", "coverage", "copy"), (False, True)),
        "encoder": ENCODERS,
    },
    makes_sense,
)
FULL = [
    with_encoder(settings)
    for kind, position in itertools.product(KINDS, POSITIONS)
    for settings in combinations(kind, position)
    if not why_not(settings, "recurrent")
]


def named(settings: dict[str, Any], *marks: pytest.MarkDecorator) -> Any:
    """A case by its settings that are not switched off."""
    parts = [name if value is True else value for name, value in settings.items() if value is not False]
    return pytest.param(settings, id="-".join(parts), marks=marks)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_makes_no_sense_is_refused(kind: str, position: str) -> None:
    for settings in combinations(kind, position):
        encoder = with_encoder(settings)["encoder"]
        assert refused(settings, {**SIZES[encoder], "encoder": encoder}) == why_not(settings, "recurrent")


@pytest.mark.parametrize(
    "settings",
    [*map(named, QUICK), *(named(settings, pytest.mark.slow) for settings in FULL if settings not in QUICK)],
)
def test_it_learns_and_decodes(settings: dict[str, Any]) -> None:
    config = ModelConfig(**{**SIZES[settings["encoder"]], **settings})
    model = small_model(config)
    before = losses(model, config)
    before.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert [name for name, grad in gradients.items() if grad is None or not grad.isfinite().all()] == []
    with torch.no_grad():
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter.sub_(1e-3 * parameter.grad / max(1.0, float(parameter.grad.norm())))
        assert losses(model, config) < before
    source, lengths, _ = small_batch(config=config)
    batch = batch_of(source, lengths, config)
    greedy = greedy_search(optimized(model), batch, LIMITS, SearchOptions())
    beam = beam_search(optimized(model), batch, LIMITS, SearchOptions(beam_size=1))
    assert [one.ids for one in greedy] == [one.ids for [one] in beam]


@pytest.mark.parametrize("kind", KINDS)
def test_a_transformer_decoder_says_why_not(kind: str) -> None:
    for position in POSITIONS:
        for settings in combinations(kind, position):
            assert refused(settings, {"decoder": "transformer"}) == why_not(settings, "transformer")
