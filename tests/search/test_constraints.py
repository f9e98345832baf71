"""Constraints: every search equals exhaustive search over the allowed outputs, or keeps to the rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from architectures import CASES, small_model
from exhaustive import exhaustive_search
from id_batches import ids_batch, pad_ids
from seqweave.cli.main import main
from seqweave.config import ModelConfig, TextConfig
from seqweave.errors import ConfigError
from seqweave.search import beam
from seqweave.search.beam import Beam, beam_search
from seqweave.search.contract import Searchable
from seqweave.search.filtering import filtered
from seqweave.search.filters import Filters, constraints, filters_of
from seqweave.search.found import Found, StepFilter
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions
from seqweave.search.sampling import sample_search
from seqweave.search.score import force_score
from seqweave.text.tokenizers import Tokenizer, train_tokenizer
from seqweave.text.vocabulary import BOS, EOS, PAD, UNK
from tiny_model import tiny_folder, tiny_model
from toy_search import ToyModel

SOURCES = [[4, 5, 6, 7], [8], [9, 4, 4], [5, 10, 6, 6, 7, 8, 4], [10, 10], [4, 9]]


class Rules(NamedTuple):
    """Constraints in ids, to be said in another way."""

    min_length: int = 0
    no_repeat_ngram: int = 0
    forbidden: tuple[int, ...] = ()
    prefix: tuple[int, ...] = ()

    @property
    def steps(self) -> tuple[StepFilter, ...]:
        return constraints(*self).steps


RULES = [
    Rules(),
    Rules(min_length=3),
    Rules(no_repeat_ngram=1),
    Rules(no_repeat_ngram=2),
    Rules(forbidden=(UNK, 5)),
    Rules(prefix=(5, 4)),
    Rules(min_length=3, no_repeat_ngram=2, forbidden=(UNK,), prefix=(4, 4)),
]


def _allowed(ids: list[int], rules: Rules) -> bool:
    """The rules said in another way, over whole outputs."""
    start, size = len(rules.prefix), rules.no_repeat_ngram
    runs = [tuple(ids[i : i + size]) for i in range(len(ids) - size + 1)] if size else []
    # What the prefix repeats in itself is the caller's wish.
    free = [run for place, run in enumerate(runs) if place + size > start]
    return (
        tuple(ids[:start]) == rules.prefix
        and len(ids) >= rules.min_length
        and not set(ids[start:]) & set(rules.forbidden)
        and all(runs.count(run) == 1 for run in free)
    )


def _search(
    kind: str, model: Searchable, sources: list[list[int]], limits: list[int], rules: Rules | None = None
) -> list[Found]:
    source = pad_ids(sources)
    options, filters = SearchOptions(beam_size=4, temperature=1.5), () if rules is None else rules.steps
    ends = torch.tensor(limits)
    if kind == "greedy":
        return greedy_search(model, source, ends, options, filters)
    if kind == "sampling":
        return sample_search(model, source, ends, options, filters)
    return [one for one, *_ in beam_search(model, source, ends, options, filters)]


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_wide_beam_is_exhaustive_search_over_the_allowed_outputs(rules: Rules, seed: int) -> None:
    model = ToyModel(seed, 7)
    source = pad_ids([[4, 5]])
    everything = exhaustive_search(model, source, 5, length_penalty=1.0)
    allowed = [one for one in everything if _allowed(one.ids, rules)]
    assert allowed
    assert (len(allowed) < len(everything)) == (rules != Rules())
    (found,) = beam_search(
        model,
        source,
        torch.tensor([5]),
        SearchOptions(beam_size=700, n_best=20, stop="proven"),
        rules.steps,
    )
    finished = [one for one in found if one.finished]
    assert [one.ids for one in finished] == [one.ids for one in allowed[: len(finished)]]
    assert len(finished) == min(20, len(allowed))
    np.testing.assert_allclose([o.score for o in finished], [o.score for o in allowed[: len(finished)]], atol=1e-6)


@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["greedy", "beam", "sampling"]),
    minimum=st.integers(0, 5),
    size=st.integers(0, 3),
    forbidden=st.lists(st.sampled_from([UNK, 4, 5]), max_size=2),
    prefix=st.lists(st.sampled_from([UNK, 4, 5, 6]), max_size=4),
)
@settings(max_examples=60)
def test_finished_outputs_keep_to_the_rules(
    seed: int, kind: str, minimum: int, size: int, forbidden: list[int], prefix: list[int]
) -> None:
    rules = Rules(minimum, size, tuple(forbidden), tuple(prefix))
    found = _search(kind, ToyModel(seed, 7), SOURCES, [8] * len(SOURCES), rules=rules)
    for one in found:
        assert one.ids[: len(prefix)] == prefix
        # Where nothing else is left, an output may end before its minimum length.
        if one.finished:
            assert _allowed(one.ids, rules) or _nothing_is_left(one.ids, rules)


def _nothing_is_left(ids: list[int], rules: Rules) -> bool:
    if len(ids) >= rules.min_length:
        return False
    kept = Rules(0, rules.no_repeat_ngram, rules.forbidden, rules.prefix)
    return _allowed(ids, kept) and not any(_allowed([*ids, item], kept) for item in (UNK, 4, 5, 6))


@pytest.mark.parametrize("kind", ["greedy", "beam", "sampling"])
@pytest.mark.parametrize("name", ["toy", "lstm-general-after"])
def test_alone_batched_and_forced_are_the_same(kind: str, name: str) -> None:
    model = ToyModel(3) if name == "toy" else small_model(CASES[name])
    if not isinstance(model, ToyModel):
        with torch.no_grad():
            model.output.bias[EOS] += 3.0
    rules, limits = Rules(min_length=2, no_repeat_ngram=2, forbidden=(4,), prefix=(5, 6)), [9, 3, 14, 6, 4, 11]
    together = _search(kind, model, SOURCES, limits, rules=rules)
    compared = 0
    for source, limit, one in zip(SOURCES, limits, together, strict=True):
        (alone,) = _search(kind, model, [source], [limit], rules=rules)
        assert (one.ids, one.finished) == (alone.ids, alone.finished)
        np.testing.assert_allclose(one.token_log_probs, alone.token_log_probs, atol=1e-5)
        if one.finished:
            (forced,) = force_score(model, ids_batch([source], [one.ids]))
            assert one.score == pytest.approx(forced.score, abs=1e-5)
            compared += 1
    assert compared > 0


@pytest.mark.parametrize("rules", RULES)
def test_both_beams_are_the_same(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [9, 3, 14, 6, 4, 11]
    host = _search("beam", ToyModel(3), SOURCES, limits, rules=rules)
    monkeypatch.setattr(beam, "start_beam", Beam.start)
    tensors = _search("beam", ToyModel(3), SOURCES, limits, rules=rules)
    assert [one.ids for one in host] == [one.ids for one in tensors]


@pytest.mark.parametrize("kind", ["greedy", "beam", "sampling"])
def test_empty_rules_change_nothing(kind: str) -> None:
    limits = [9, 3, 14, 6, 4, 11]
    plain = _search(kind, ToyModel(3), SOURCES, limits)
    assert _search(kind, ToyModel(3), SOURCES, limits, rules=Rules()) == plain


@pytest.mark.parametrize("kind", ["greedy", "beam", "sampling"])
def test_an_output_ends_where_nothing_else_is_left(kind: str) -> None:
    rules = Rules(min_length=9, no_repeat_ngram=1)  # only three items exist
    for one in _search(kind, ToyModel(3, 6), SOURCES, [10] * len(SOURCES), rules=rules):
        assert one.finished
        assert sorted(one.ids) == [UNK, 4, 5]


def test_the_mask_by_hand() -> None:
    rules = Rules(min_length=5, no_repeat_ngram=3, forbidden=(7,), prefix=(4, 5))
    log_probs = torch.arange(-8.0, 0.0).repeat(4, 1)
    before = log_probs.clone()
    log_probs = filtered(log_probs, [[], [4], [4, 5, 6, 4, 5], [4, 5, 6]], rules.steps)
    kept = [torch.isfinite(row).nonzero()[:, 0].tolist() for row in log_probs]
    assert kept == [[4], [5], [0, 1, 2, 3, 4, 5], [0, 1, 2, 4, 5, 6]]
    possible = torch.isfinite(log_probs)
    assert torch.equal(log_probs[possible], before[possible])


@pytest.mark.parametrize("item", [PAD, BOS, EOS])
@pytest.mark.parametrize("name", ["prefix", "forbidden"])
def test_rules_refuse_what_is_no_item(name: str, item: int) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be items of the output"):
        constraints(forbidden=(item,)) if name == "forbidden" else constraints(prefix=(item,))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(["the dog sees the cat"], TextConfig(units="word"))


def test_texts_become_ids(tokenizer: Tokenizer) -> None:
    forbid: Any = ["dog", "<unk>"]  # a list is taken
    options = SearchOptions(min_length=2, no_repeat_ngram=3, forbid=forbid, prefix="the cat")
    rules = filters_of(options, tokenizer)
    dog, the, cat = tokenizer.encode("dog the cat")
    assert rules == constraints(2, 3, (dog, UNK), (the, cat))
    assert rules.least_positions == 3
    assert filters_of(SearchOptions(), tokenizer) == constraints() == Filters()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"prefix": "the bird"}, "prefix must .* but 'bird' is not in it"),
        ({"forbid": ("bird",)}, "forbid must .* 'bird' is not in the vocabulary"),
        ({"forbid": ("the dog",)}, "forbid must .* 'the dog' is 2 items"),
        ({"forbid": ("",)}, "forbid must .* '' is 0 items"),
        ({"forbid": "dog"}, "forbid must be a list of texts"),
        ({"forbid": (3,)}, "forbid must be a list of texts"),
        ({"prefix": None}, "prefix must be a text"),
        ({"min_length": -1}, "min_length must be a whole number"),
        ({"min_length": 10_001}, "min_length must be a whole number"),
        ({"no_repeat_ngram": 1.5}, "no_repeat_ngram must be a whole number"),
        ({"no_repeat_ngram": True}, "no_repeat_ngram must be a whole number"),
    ],
)
def test_refusals(tokenizer: Tokenizer, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        filters_of(SearchOptions(**wrong), tokenizer)


TEXTS = ["abc", "", "gagagaga", "fed"]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_predict_keeps_to_the_constraints(beam_size: int) -> None:
    model = tiny_model(ModelConfig())
    free = model.predict(TEXTS, beam_size=beam_size)
    wanted = SearchOptions(min_length=2, no_repeat_ngram=2, forbid=("a", "<unk>"), prefix="cab")
    found = model.predict(TEXTS, beam_size=beam_size, options=wanted)
    assert model.predict(TEXTS, beam_size=beam_size, options=SearchOptions()) == free
    assert found[1].text == ""
    for one in (found[0], *found[2:]):
        assert one.text.startswith("cab")
        assert not {"a", "<unk>"} & set(one.tokens[3:])


def test_predict_makes_room_for_prefix_and_minimum_length() -> None:
    model = tiny_model(ModelConfig())
    (long,) = model.predict(["a"], options=SearchOptions(prefix="abcdefg" * 6))
    assert long.text.startswith("abcdefg" * 6)
    (long,) = model.predict(["a"], options=SearchOptions(min_length=40))
    assert len(long.tokens) >= 40


def test_options_of_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = tiny_model(ModelConfig())
    folder = str(tiny_folder(model, tmp_path / "model"))
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    words = ["--min-length", "4", "--no-repeat-ngram", "2", "--prefix", "ab", "--forbid", "c", "--forbid", "<unk>"]
    assert main(["predict", folder, str(texts), "--device", "cpu", *words]) == 0
    wanted = replace(model.options, min_length=4, no_repeat_ngram=2, forbid=("c", "<unk>"), prefix="ab")
    expected = "".join(f"{one.text}\n" for one in model.predict(TEXTS, options=wanted))
    assert capsys.readouterr().out == expected
    assert main(["predict", folder, str(texts), "--device", "cpu", "--prefix", "z"]) == 2
    assert "'z' is not in it" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["greedy", "beam", "sampling"])
def test_outputs_are_followed_when_sentences_leave(kind: str) -> None:
    rules, limits = Rules(no_repeat_ngram=1), [3, 2, 12, 4, 11, 12]
    for seed in range(5):
        model = ToyModel(seed, 12, eos_bias=-4.0)
        together = _search(kind, model, SOURCES, limits, rules=rules)
        for source, limit, one in zip(SOURCES, limits, together, strict=True):
            (alone,) = _search(kind, model, [source], [limit], rules=rules)
            assert one.ids == alone.ids
            assert len(set(one.ids)) == len(one.ids)
