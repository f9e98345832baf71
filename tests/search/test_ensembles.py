"""Ensembles of model folders: loaded as one model, and refused where their vocabularies differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from seqweave.cli.main import each_ensemble_folder, main
from seqweave.config import ModelConfig, TextConfig, build_config
from seqweave.errors import ConfigError
from seqweave.evaluation.evaluate import evaluate_model
from seqweave.inspection.tracing import trace
from seqweave.loading import load
from seqweave.model.build import build_model
from seqweave.model.output.pointer_generator import PointerGenerator
from seqweave.predictor import Model
from seqweave.search.options import SearchOptions
from tiny_model import tiny_folder, tiny_model

SIZES: dict[str, Any] = {"embedding_size": 8, "encoder_hidden_size": 4, "decoder_hidden_size": 8, "dropout": 0.0}
TRANSFORMER: dict[str, Any] = {"encoder": "transformer", "decoder": "transformer", "heads": 2}
TEXTS = ["abc", "", "gfedcba", "a"]
PAIRS = [("abc", "cba"), ("ga", "ag"), ("d", "d")]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A recurrent model, a Transformer, and a recurrent one with other weights."""
    root = tmp_path_factory.mktemp("members")
    configs = [ModelConfig(**SIZES), ModelConfig(**SIZES, **TRANSFORMER), ModelConfig(**SIZES)]
    return [
        tiny_folder(tiny_model(config, seed), root / f"member{seed}") for seed, config in enumerate(configs, start=1)
    ]


@pytest.mark.parametrize("beam_size", [1, 4])
def test_an_ensemble_of_a_model_with_itself_is_the_model(folders: list[Path], beam_size: int) -> None:
    model, both = load(folders[0], "cpu"), load([folders[0], folders[0]], "cpu")
    found = zip(model.predict_n_best(TEXTS, n_best=beam_size, beam_size=beam_size),
                both.predict_n_best(TEXTS, n_best=beam_size, beam_size=beam_size), strict=True)  # fmt: skip
    for ones, others in found:
        assert [one.text for one in ones] == [other.text for other in others]
        assert [one.score for one in ones] == pytest.approx([other.score for other in others], abs=1e-6)
    scores = zip(model.score(PAIRS), both.score(PAIRS), strict=True)
    assert all(one.token_log_probs == pytest.approx(other.token_log_probs, abs=1e-6) for one, other in scores)


@pytest.mark.parametrize("beam_size", [1, 4])
def test_searched_score_is_forced_score(folders: list[Path], beam_size: int) -> None:
    model = load(folders, "cpu")
    texts = [text for text in TEXTS if text]
    for text, found in zip(texts, model.predict(texts, beam_size=beam_size), strict=True):
        if found.finished:
            (forced,) = model.score([(text, found.text)])
            assert found.score == pytest.approx(forced.score, abs=1e-5)


def test_alone_equals_batched_and_sampling_is_seeded(folders: list[Path]) -> None:
    model = load(folders, "cpu")
    together = model.predict(TEXTS)
    assert [model.predict([text])[0].text for text in TEXTS] == [found.text for found in together]
    drawn = SearchOptions(sample=True, seed=3)
    draws = [found.text for found in model.predict(TEXTS, options=drawn)]
    assert draws == [model.predict([text], options=drawn)[0].text for text in TEXTS]


def test_evaluation_takes_the_whole_ensemble(folders: list[Path]) -> None:
    sources, targets = zip(*PAIRS, strict=True)
    each = [evaluate_model(load(folder, "cpu"), sources, targets, samples=0).perplexity for folder in folders[:2]]
    both = evaluate_model(load(folders[:2], "cpu"), sources, targets, samples=0).perplexity
    assert None not in (*each, both)
    assert both not in each
    # log of a mean >= mean of logs: never worse than the geometric mean of the members.
    assert both is not None
    assert both**2 <= (each[0] or 0) * (each[1] or 0) * (1 + 1e-6)


def test_one_folder_in_a_list_is_that_model(folders: list[Path]) -> None:
    assert load([folders[0]], "cpu").predict(TEXTS) == load(folders[0], "cpu").predict(TEXTS)
    with pytest.raises(ConfigError, match="at least one model folder"):
        load([])


def test_unequal_vocabularies_are_refused(folders: list[Path], tmp_path: Path) -> None:
    lower = tiny_folder(
        tiny_model(ModelConfig(**SIZES), units=TextConfig(units="char", lowercase=True)), tmp_path / "l"
    )
    with pytest.raises(ConfigError, match=rf"the source vocabulary of {lower} must equal that of {folders[0]}") as one:
        load([folders[0], lower], "cpu")
    assert "differs: train all members" in str(one.value)
    assert "where training.seed differs with --dev" in str(one.value)
    bytes_ = tiny_folder(tiny_model(ModelConfig(**SIZES), units=TextConfig(units="byte")), tmp_path / "b")
    with pytest.raises(ConfigError, match=r"it has byte units where .* has char: train"):
        load([folders[0], bytes_], "cpu")


def test_the_other_side_is_named_too(folders: list[Path], tmp_path: Path) -> None:
    other = tiny_model(ModelConfig(**SIZES))
    first = load(folders[0], "cpu")
    more = tiny_model(ModelConfig(**SIZES), units=TextConfig(units="char", min_frequency=1, normalize="nfkc"))
    config = build_config({"data.target.normalize": "nfkc"}, other.config)
    other = Model(other.network, first.source_tokenizer, more.target_tokenizer, config)
    folder = tiny_folder(other, tmp_path / "t")
    with pytest.raises(ConfigError, match="the target vocabulary of"):
        load([folders[0], folder], "cpu")


def test_lengths_are_those_of_the_shortest_member(folders: list[Path], tmp_path: Path) -> None:
    short = tiny_model(ModelConfig(**SIZES, **TRANSFORMER, positions="learned", max_positions=9))
    limits = {"data.max_source_length": 9, "data.max_target_length": 8, "search.max_length": 9}
    short.config = build_config(limits, short.config)
    folder = tiny_folder(short, tmp_path / "short")
    model = load([folders[0], folder], "cpu")
    assert (model.config.data.max_source_length, model.config.search.max_length) == (9, 9)
    (found,) = model.predict(["abcdefg" * 3])
    assert len(found.source_tokens) == 9


def test_an_ensemble_cannot_be_traced(folders: list[Path]) -> None:
    with pytest.raises(ConfigError, match="an ensemble of 3: load one of the folders alone"):
        trace(load(folders, "cpu"), "abc")


def test_the_command_line_takes_all_folders(folders: list[Path], tmp_path: Path, capsys: Any) -> None:
    texts, pairs = tmp_path / "texts", tmp_path / "pairs.tsv"
    texts.write_text("abc\nga\nd\n", encoding="utf-8")
    pairs.write_text("".join(f"{source}\t{target}\n" for source, target in PAIRS), encoding="utf-8")
    first, *others = map(str, folders)
    more = ["--device", "cpu", "--ensemble", *others]
    assert main(["predict", first, str(texts), *more]) == 0
    model = load(folders, "cpu")
    assert capsys.readouterr().out.splitlines() == [found.text for found in model.predict(["abc", "ga", "d"])]
    assert main(["score", first, str(pairs), "--json", *more]) == 0
    scores = [json.loads(line)["score"] for line in capsys.readouterr().out.splitlines()]
    assert scores == pytest.approx([found.score for found in model.score(PAIRS)], abs=1e-5)
    assert main(["evaluate", first, str(pairs), "--json", *more]) == 0
    expected = evaluate_model(model, *map(list, zip(*PAIRS, strict=True)))
    assert json.loads(capsys.readouterr().out)["perplexity"] == pytest.approx(expected.perplexity, rel=1e-4)


def test_folders_are_spread_over_options() -> None:
    words = ["predict", "m", "f", "--ensemble", "a", "b", "c", "--json"]
    spread = ["predict", "m", "f", "--ensemble", "a", "--ensemble", "b", "--ensemble", "c", "--json"]
    assert each_ensemble_folder(words) == spread
    assert each_ensemble_folder(spread) == spread
    assert each_ensemble_folder(["predict", "m", "--beam-size", "3", "x"]) == ["predict", "m", "--beam-size", "3", "x"]


def test_members_copy_all_or_none(folders: list[Path], tmp_path: Path) -> None:
    copying = ModelConfig(**SIZES, copy=True)
    models = [tiny_model(copying, seed) for seed in (1, 2)]
    for model in models:
        assert isinstance(model.single.output, PointerGenerator)
        torch.nn.init.constant_(model.single.output.gate.bias, -2.0)  # copies more often than not
    made = [tiny_folder(model, tmp_path / f"member{seed}") for seed, model in enumerate(models)]
    both = load(made, "cpu")
    texts = ["fez", "gefa", "e", "bad", "ggf"]
    found = zip(texts, both.predict(texts, beam_size=2), strict=True)
    whole = [(text, one) for text, one in found if "<unk>" not in one.tokens]
    assert any(set(one.text) - set("abcd") for _, one in whole), "nothing was copied"
    for (_, one), again in zip(whole, both.score([(text, one.text) for text, one in whole]), strict=True):
        # One that was cut has no <eos>.
        assert again.token_log_probs[: len(one.token_log_probs)] == pytest.approx(one.token_log_probs, abs=1e-5)
    plain = ModelConfig(**SIZES)
    uncopied, target = tiny_model(plain, 3), models[0].target_tokenizer
    torch.manual_seed(1)
    network = build_model(plain, uncopied.source_tokenizer.size, target.size)
    other = Model(network, uncopied.source_tokenizer, target, uncopied.config)
    with pytest.raises(ConfigError, match="must all copy or none"):
        load([made[0], tiny_folder(other, tmp_path / "plain")], "cpu")
