"""Sampling: its limits are greedy search, its draws have the stated frequencies, and company changes nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from architectures import CASES, small_model
from id_batches import ids_batch, pad_ids
from seqweave.cli.main import main
from seqweave.config import ModelConfig
from seqweave.errors import ConfigError, SeqweaveError
from seqweave.search.contract import Searchable
from seqweave.search.found import Found
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions
from seqweave.search.sampling import draw_items, sample_search
from seqweave.search.score import force_score
from seqweave.text.vocabulary import BOS, EOS, PAD
from tiny_model import tiny_folder, tiny_model
from toy_search import ToyModel

SOURCES = [[4, 5, 6, 7], [8], [9, 4, 4], [5, 10, 6, 6, 7, 8, 4], [10, 10], [4, 9]]
LIMITS = [9, 3, 14, 6, 1, 11]
PROBABILITIES = [0.4, 0.3, 0.15, 0.1, 0.05]


def _model(name: str) -> Searchable:
    return ToyModel(3) if name == "toy" else small_model(CASES[name])


def drawn(temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, seed: int = 1) -> SearchOptions:
    return SearchOptions(sample=True, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)


def _sample(
    model: Searchable,
    options: SearchOptions,
    sources: list[list[int]] = SOURCES,
    limits: list[int] = LIMITS,
    draw: int = 0,
) -> list[Found]:
    source = pad_ids(sources)
    return sample_search(model, source, torch.tensor(limits), options, draw=draw)


@pytest.mark.parametrize("name", ["toy", "lstm-general-after"])
@pytest.mark.parametrize("sampling", [drawn(0.0), drawn(1e-9), drawn(1e-300), drawn(top_k=1), drawn(top_p=1e-9)])
def test_the_limits_are_greedy(name: str, sampling: SearchOptions) -> None:
    model = _model(name)
    source = pad_ids(SOURCES)
    greedy = greedy_search(model, source, torch.tensor(LIMITS), SearchOptions(return_attention=True))
    for one, other in zip(_sample(model, replace(sampling, return_attention=True)), greedy, strict=True):
        assert (one.ids, one.finished) == (other.ids, other.finished)
        np.testing.assert_allclose(one.token_log_probs, other.token_log_probs, atol=1e-6)
        assert one.attention is not None
        assert other.attention is not None
        np.testing.assert_allclose(one.attention, other.attention, atol=1e-6)


def _head(probabilities: list[float]) -> list[float]:
    return [one / sum(probabilities) for one in probabilities]


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (drawn(), PROBABILITIES),
        (drawn(temperature=0.5), _head([p**2 for p in PROBABILITIES])),
        (drawn(temperature=2.0), _head([p**0.5 for p in PROBABILITIES])),
        (drawn(top_k=2), [4 / 7, 3 / 7, 0, 0, 0]),
        (drawn(top_p=0.6), [4 / 7, 3 / 7, 0, 0, 0]),
        (drawn(top_p=0.71), [*_head([0.4, 0.3, 0.15]), 0, 0]),
        (drawn(top_k=3, top_p=0.8), [4 / 7, 3 / 7, 0, 0, 0]),  # 0.7 / 0.85 reaches 0.8
    ],
)
def test_frequencies(sampling: SearchOptions, expected: list[float]) -> None:
    """Hoeffding: a frequency of n draws is off by more than e with probability at most 2 exp(-2 n e^2)."""
    draws, failure = 40_000, 1e-9
    bound = math.sqrt(math.log(2 / failure) / (2 * draws))  # 0.0164
    row = torch.tensor([0.0, 0.3, 0.05, 0.4, 0.1, 0.15]).log()
    items = [3, 1, 5, 4, 2]  # by falling probability
    chance = torch.from_numpy(np.random.default_rng(7).random(draws))
    counts = torch.bincount(draw_items(row.expand(draws, -1), chance, sampling), minlength=6)
    for item, probability in zip(items, expected, strict=True):
        assert abs(counts[item].item() / draws - probability) < bound
        assert (counts[item] == 0) == (probability == 0)
    assert counts[0] == 0


def naive_draw(log_probs: list[float], chance: float, sampling: SearchOptions) -> int:
    """One item after the other, the most probable first, until the probabilities pass the chance."""
    possible = [item for item, one in enumerate(log_probs) if one > -math.inf]
    order = sorted(possible, key=lambda item: -log_probs[item])[: sampling.top_k or None]
    best = log_probs[order[0]]
    weights = {item: math.exp((log_probs[item] - best) / sampling.temperature) for item in order}
    nucleus: list[int] = []
    for item in order:
        if sum(weights[one] for one in nucleus) >= sampling.top_p * sum(weights.values()):
            break
        nucleus.append(item)
    left = chance * sum(weights[item] for item in nucleus)
    for item in nucleus:
        left -= weights[item]
        if left < 0:
            return item
    return nucleus[-1]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("top_k", [0, 1, 4, 50])
@pytest.mark.parametrize("top_p", [0.2, 0.77, 1.0])
def test_a_draw_is_that_of_the_naive_twin(temperature: float, top_k: int, top_p: float) -> None:
    torch.manual_seed(1)
    log_probs = (2 * torch.randn(200, 9)).log_softmax(1)
    log_probs[:, 0] = log_probs[::2, 5] = -math.inf
    chance = torch.rand(200, dtype=torch.float64)
    sampling = drawn(temperature, top_k, top_p)
    found = draw_items(log_probs, chance, sampling).tolist()
    rows = zip(log_probs.tolist(), chance.tolist(), strict=True)
    assert found == [naive_draw(row, one, sampling) for row, one in rows]
    assert len(set(found)) > (1 if top_k != 1 else 0)


def test_whole_outputs_have_the_frequencies_of_the_model() -> None:
    """The draws of many seeds: the generators of a sentence's draws are right, not only `draw_items`."""
    model = ToyModel(1, 6, spread=1.0)
    sources = [[4, one] for one in range(4, 404)]
    outputs: list[Found] = []
    for draw in range(10):
        outputs += _sample(model, drawn(), sources, [2] * len(sources), draw=draw)
    # A source's sum decides its table, so each output is compared through its own probability: what the
    # model expects of a 0/1 event is its probability, and Hoeffding bounds the sum of independent events.
    source = pad_ids(sources)
    encoded = model.encode(*source)
    logits = model.step(torch.full((len(sources),), BOS), model.start(encoded)).logits.clone()
    chances = logits.softmax(1)
    wanted = chances / (1 - chances[:, [PAD, BOS]].sum(1, keepdim=True))
    bound = math.sqrt(math.log(2 / 1e-9) / (2 * len(outputs)))
    firsts = torch.tensor([one.ids[0] if one.ids else EOS for one in outputs])
    for item in (1, EOS, 4, 5):
        assert abs((firsts == item).double().mean().item() - wanted[:, item].mean().item()) < bound


@pytest.mark.parametrize("name", ["toy", "lstm-general-after", "gru-additive-before"])
def test_alone_batched_and_permuted_are_the_same(name: str) -> None:
    model, sampling = _model(name), drawn(1.3, top_k=5, top_p=0.95, seed=4)
    together = _sample(model, sampling)
    order = [3, 0, 5, 4, 1, 2]
    permuted = _sample(model, sampling, [SOURCES[i] for i in order], [LIMITS[i] for i in order])
    for place, index in enumerate(order):
        (alone,) = _sample(model, sampling, [SOURCES[index]], [LIMITS[index]])
        for other in (together[index], permuted[place]):
            assert (alone.ids, alone.finished) == (other.ids, other.finished)
            np.testing.assert_allclose(alone.token_log_probs, other.token_log_probs, atol=1e-5)


def test_seed_and_draw_change_the_draws_and_nothing_else_does() -> None:
    model = ToyModel(3, 9, spread=0.1, eos_bias=-3.0)
    ids = [[one.ids for one in _sample(model, drawn(seed=seed), draw=draw)] for seed, draw in ((1, 0), (2, 0), (1, 1))]
    again = [one.ids for one in _sample(model, drawn(seed=1))]
    assert again == ids[0]
    assert ids[0] != ids[1] != ids[2] != ids[0]


def test_the_score_is_the_models_own() -> None:
    model = ToyModel(3)
    compared = 0
    for source, one in zip(SOURCES, _sample(model, drawn(2.0, top_k=4, top_p=0.9), limits=[20] * 6), strict=True):
        if one.finished:
            (forced,) = force_score(model, ids_batch([source], [one.ids]))
            assert one.score == pytest.approx(forced.score, abs=1e-5)
            np.testing.assert_allclose(one.token_log_probs, forced.token_log_probs, atol=1e-5)
            compared += 1
    assert compared > 2


def test_finished_sentences_leave_the_batch() -> None:
    model = ToyModel(3)
    found = _sample(model, drawn(), limits=[20] * 6)
    assert sum(model.rows_seen) == sum(len(one.token_log_probs) for one in found)


def test_nothing_in_nothing_out() -> None:
    none = torch.zeros(0, dtype=torch.long)
    assert sample_search(ToyModel(), pad_ids([]), none, drawn()) == []


def test_nan_is_refused() -> None:
    model = ToyModel()
    model.table[..., 5] = float("nan")
    with pytest.raises(SeqweaveError, match="finite"):
        _sample(model, drawn())


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": "1"},
        {"top_k": -1},
        {"top_k": 1.5},
        {"top_k": True},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": None},
        {"seed": -1},
        {"seed": "x"},
    ],
)
def test_refusals(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} must be .*, but it is .*: choose"):
        SearchOptions(**wrong)


TEXTS = ["abc", "", "gagagaga", "fed"]


def test_predict_samples_and_company_does_not_matter() -> None:
    model = tiny_model(ModelConfig())
    sampling = drawn(1.2, top_p=0.95, seed=3)
    together = model.predict(TEXTS, options=sampling, return_attention=True)
    assert [one.text for one in together] != [one.text for one in model.predict(TEXTS, beam_size=1)]
    for text, one in zip(TEXTS, together, strict=True):
        (alone,) = model.predict([text], options=sampling)
        assert alone.text == one.text
    assert together[1].text == ""
    greedy = model.predict(TEXTS, beam_size=1)
    assert [one.text for one in model.predict(TEXTS, options=drawn(0))] == [one.text for one in greedy]


def test_n_best_are_so_many_draws() -> None:
    model = tiny_model(ModelConfig())
    draws = model.predict_n_best(TEXTS, n_best=6, options=drawn(seed=3))
    assert [len(each) for each in draws] == [6, 1, 6, 6]
    assert len({one.text for one in draws[2]}) > 3
    assert [each[0].text for each in draws] == [one.text for one in model.predict(TEXTS, options=drawn(seed=3))]


def test_sampling_and_a_beam_are_refused() -> None:
    with pytest.raises(ConfigError, match="beam_size must be left out with sampling, but it is 3"):
        tiny_model(ModelConfig()).predict(TEXTS, beam_size=3, options=drawn())


def test_options_of_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tiny_model(ModelConfig())
    folder = str(tiny_folder(model, tmp_path / "model"))
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    command = ["predict", folder, str(path), "--device", "cpu"]
    assert main([*command, "--sample", "--temperature", "1.5", "--top-k", "6", "--top-p", "0.9", "--seed", "8"]) == 0
    options = replace(model.options, sample=True, temperature=1.5, top_k=6, top_p=0.9, seed=8)
    expected = model.predict(TEXTS, options=options)
    assert capsys.readouterr().out == "".join(f"{one.text}\n" for one in expected)
    for words, said in (
        (["--top-p", "0.9"], "--top-p must come with --sample"),
        (["--sample", "--top-p", "1.9"], "top_p must be above 0"),
        (["--sample", "--beam-size", "2"], "beam_size must be left out"),
        (["--sample", "--n-best", "0"], "n_best must"),
    ):
        assert main([*command, *words]) == 2
        assert said in capsys.readouterr().err
