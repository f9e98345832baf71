"""The engine's searches choose what those of torch choose, for every architecture and all options.

Tokens must be equal, unless two numbers of which the search chose one were so near to each other that rounding decides
(`near_ties`): those searches are counted, and few.
"""

from __future__ import annotations

import ctypes
from typing import Any, get_args

import pytest
import torch

from architectures import CASES, SOURCE_SIZE, quick_cases, small_model
from engine_cases import COMPARED, LIMITS, changed, compare, sources_for
from engine_search import Engine, Rules, searched
from pairwise import pairwise
from quick import slow
from seqweave.config import ModelConfig
from seqweave.model.build import build_model
from seqweave.search.options import SearchOptions, Stop
from seqweave.text.vocabulary import EOS, UNK

AXES: dict[str, tuple[Any, ...]] = {
    "beam_size": (5, 1, 2, 3, 4),
    "n_best": (1, "all"),
    "length_penalty": (1.0, 0.0, 0.6),
    "coverage_penalty": (0.0, 0.7),
    "stop": ("enough", "proven"),
    "return_attention": (False, True),
    "sample": (False, True),
    "temperature": (1.0, 0.0, 0.4, 1.7),
    "top_k": (0, 3),
    "top_p": (1.0, 0.8),
    "min_length": (0, 3),
    "no_repeat_ngram": (0, 1, 2),
    "forbidden": ((), (UNK, 5)),
    "prefix": ((), (5, 4)),
    "max_length": (None, 1),
}
RULES = ("min_length", "no_repeat_ngram", "forbidden", "prefix", "max_length")
DRAWS = {"temperature", "top_k", "top_p"}
BEAMS = {"beam_size", "stop"}
ALL = pairwise(AXES, idle=lambda chosen: BEAMS if chosen["sample"] else DRAWS, moves=1)
FIRST = {name: values[0] for name, values in AXES.items()}
ALONE = [{**FIRST, "sample": name in DRAWS, name: value} for name in AXES for value in AXES[name][1:]]


def _asked(chosen: dict[str, Any]) -> tuple[SearchOptions, Rules]:
    """Options and constraints of one value of each axis."""
    rest = {name: value for name, value in chosen.items() if name not in RULES}
    if rest["n_best"] == "all":
        rest["n_best"] = 3 if rest["sample"] else rest["beam_size"]
    return SearchOptions(**rest), Rules(*(chosen[name] for name in RULES))


def _attends(config: ModelConfig) -> bool:
    return config.decoder == "transformer" or config.attention != "none"


def _fits(chosen: dict[str, Any], config: ModelConfig) -> bool:
    return _attends(config) or not chosen["coverage_penalty"]


QUICK = [*quick_cases().values()]  # forced scores of all are compared in test_parity.py


@pytest.mark.parametrize("config", [*QUICK[::3], *map(slow, [*QUICK[1::3], *QUICK[2::3], *CASES.values()])])
def test_every_architecture(engine_library: ctypes.CDLL, config: ModelConfig) -> None:
    """Greedy search, a beam, and two of the lists of options in which every two options meet."""
    network = changed(small_model(config), ends=-0.5)
    engine = Engine(engine_library, (network, config))
    source = sources_for(config)
    start = sum(map(ord, str(config))) % len(ALL)
    for chosen in (ALL[start], ALL[start - 1]):
        if _fits(chosen, config):
            compare(engine, network, source, *_asked(chosen), LIMITS)
    for beam_size in (1, 4):
        options = SearchOptions(beam_size=beam_size, n_best=beam_size, return_attention=True)
        compare(engine, network, source, options, Rules(), LIMITS)
    engine.close()


MODELS = [
    pytest.param(name, marks=() if quick else pytest.mark.slow)
    for name, quick in {
        "lstm-general-after": True,
        "gru-additive-before": False,
        "lstm-copies_feeding": False,
        "gru-none-first": False,
        "gru-entmax": False,
    }.items()
]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("sharpness", "ends"), [(8.0, 1.0), (0.01, 0.5)], ids=["sharp", "flat"])
def test_every_option_alone(engine_library: ctypes.CDLL, name: str, sharpness: float, ends: float) -> None:
    _compare_all(engine_library, name, sharpness, ends, ALONE)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("sharpness", "ends"), [(1.0, -1.0), (3.0, 0.0)], ids=["plain", "sharp"])
def test_every_two_options(engine_library: ctypes.CDLL, name: str, sharpness: float, ends: float) -> None:
    _compare_all(engine_library, name, sharpness, ends, ALL)


def _compare_all(library: ctypes.CDLL, name: str, sharpness: float, ends: float, wanted: list[dict[str, Any]]) -> None:
    config = CASES[name]
    network = changed(small_model(config), sharpness, ends)
    engine = Engine(library, (network, config))
    source = sources_for(config)
    for chosen in wanted:
        if _fits(chosen, config):
            compare(engine, network, source, *_asked(chosen), LIMITS)
    engine.close()


@pytest.mark.parametrize("beam_size", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("stop", ["enough", "proven"])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_equal_candidates_are_taken_in_the_same_order(
    engine_library: ctypes.CDLL, beam_size: int, stop: Stop, alpha: float
) -> None:
    """The earlier hypothesis, then the lower id: outputs of two probabilities only, so that nothing is nearly equal."""
    config = CASES["gru-general-after"]
    network = small_model(config)
    assert isinstance(network.output.bias, torch.Tensor)
    assert isinstance(network.output.weight, torch.Tensor)
    with torch.no_grad():
        network.output.weight.zero_()
        network.output.bias.copy_(torch.tensor([0, 1.3, 0, 0, 0, 1.3, 1.3, 0, 0]))
    engine = Engine(engine_library, (network, config))
    source = sources_for(config)
    options = SearchOptions(beam_size=beam_size, n_best=beam_size, stop=stop, length_penalty=alpha)
    for rules in (Rules(), Rules(forbidden=(5, 6)), Rules(no_repeat_ngram=1)):
        theirs = searched(network, source, LIMITS, options, rules)
        ours = engine.search(source, LIMITS, options, rules)
        assert [[one.ids for one in group] for group in ours] == [[one.ids for one in group] for group in theirs]
    engine.close()


@pytest.mark.parametrize("beam_size", [1, 3])
def test_limits_of_one_and_sources_of_one_item(engine_library: ctypes.CDLL, beam_size: int) -> None:
    config = CASES["lstm-general-after"]
    network = small_model(config)
    engine = Engine(engine_library, (network, config))
    for lengths, limits in (([1], [1]), ([1, 1], [3, 1]), ([4, 1, 2], [1, 1, 1])):
        options = SearchOptions(beam_size=beam_size, n_best=beam_size, return_attention=True)
        compare(engine, network, sources_for(config, lengths=lengths), options, Rules(), limits)
    engine.close()


def test_a_beam_wider_than_the_vocabulary(engine_library: ctypes.CDLL) -> None:
    config = CASES["rnn-dot-after"]
    network = small_model(config)
    engine = Engine(engine_library, (network, config))
    for stop in get_args(Stop):
        options = SearchOptions(beam_size=40, n_best=40, stop=stop)
        compare(engine, network, sources_for(config), options, Rules(), LIMITS)
    engine.close()


def test_a_large_vocabulary(engine_library: ctypes.CDLL) -> None:
    """Most of it is passed by in chunks."""
    config = CASES["gru-general-after"]
    torch.manual_seed(3)
    network = build_model(config, SOURCE_SIZE, 1003).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(4)
        network.output.bias[EOS] += 3
    engine = Engine(engine_library, (network, config))
    for beam_size in (1, 5, 30):
        options = SearchOptions(beam_size=beam_size, n_best=beam_size)
        compare(engine, network, sources_for(config), options, Rules(no_repeat_ngram=1), LIMITS)
    options = SearchOptions(sample=True, n_best=5, temperature=0.7)
    compare(engine, network, sources_for(config), options, Rules(), LIMITS)
    engine.close()


def test_near_ties_are_few() -> None:
    """The last test here: of all searches so far."""
    assert COMPARED["tie"] <= 0.01 * COMPARED.total() + 1
