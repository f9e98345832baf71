"""Sampling and constraints as settings: they hold where nothing else is said, and what is said goes before them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from architectures import CASES
from seqweave.cli.main import main
from seqweave.config import SearchConfig, build_config
from seqweave.errors import ConfigError
from seqweave.evaluation.evaluate import predict_rows
from seqweave.evaluation.tuning import tune_model
from seqweave.loading import load
from seqweave.predictor import Model
from seqweave.search.options import SearchOptions
from seqweave.training.run import train
from tiny_model import tiny_folder, tiny_model
from tiny_run import SETTINGS, write_pairs

TEXTS = ["abc", "", "gagagaga", "fed"]
DRAWN: dict[str, Any] = {
    "search.sample": True,
    "search.temperature": 1.5,
    "search.top_k": 6,
    "search.top_p": 0.9,
    "search.seed": 8,
}
BARRED: dict[str, Any] = {"search.min_length": 4, "search.no_repeat_ngram": 2, "search.forbid": ("c", "<unk>")}


def model_with(settings: dict[str, Any]) -> Model:
    model = tiny_model(CASES["lstm-general-after"])
    model.config = build_config(settings, model.config)
    return model


DRAWING: dict[str, Any] = {"sample": True, "temperature": 1.5, "top_k": 6, "top_p": 0.9, "seed": 8}
BARRING: dict[str, Any] = {"min_length": 4, "no_repeat_ngram": 2, "forbid": ("c", "<unk>")}


def test_options_of_settings() -> None:
    assert SearchOptions.of(SearchConfig()) == SearchOptions()
    assert SearchOptions.of(build_config({**DRAWN, **BARRED}).search) == SearchOptions(**DRAWING, **BARRING)


def test_settings_hold_where_nothing_is_said() -> None:
    plain, drawn, barred, both = (model_with(one) for one in ({}, DRAWN, BARRED, {**DRAWN, **BARRED}))
    sampling, constraints = replace(plain.options, **DRAWING), replace(plain.options, **BARRING)
    assert drawn.predict(TEXTS) == plain.predict(TEXTS, options=sampling) != plain.predict(TEXTS)
    assert barred.predict(TEXTS) == plain.predict(TEXTS, options=constraints) != plain.predict(TEXTS)
    assert barred.predict(TEXTS, beam_size=1) == plain.predict(TEXTS, beam_size=1, options=constraints)
    expected = plain.predict_n_best(TEXTS, n_best=7, options=replace(plain.options, **DRAWING, **BARRING))
    assert both.predict_n_best(TEXTS, n_best=7) == expected
    assert predict_rows(both, TEXTS) == [each[0].text for each in expected]  # what `evaluate` and `tune` do


def test_what_is_said_goes_first() -> None:
    plain, model = model_with({}), model_with({**DRAWN, **BARRED})
    assert model.predict(TEXTS, beam_size=3, options=plain.options) == plain.predict(TEXTS, beam_size=3)
    drawn = replace(plain.options, sample=True)
    assert model.predict(TEXTS, options=drawn) == plain.predict(TEXTS, options=drawn)


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.split("\n")[:-1]


def test_options_of_predict_go_before_settings_one_by_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = model_with({**DRAWN, **BARRED})
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    command = ["predict", str(tiny_folder(model, tmp_path / "model")), str(path), "--device", "cpu"]
    model = load(tmp_path / "model", "cpu")
    own = model.options
    cases: list[tuple[list[str], dict[str, Any]]] = [
        ([], {}),
        (["--sample"], {}),
        (["--seed", "3"], {"options": replace(own, seed=3)}),
        (["--top-k", "0", "--temperature", "0"], {"options": replace(own, temperature=0.0, top_k=0)}),
        (["--min-length", "0"], {"options": replace(own, min_length=0)}),
        (["--forbid", "a", "--prefix", "g"], {"options": replace(own, forbid=("a",), prefix="g")}),
        (["--no-repeat-ngram", "0"], {"options": replace(own, no_repeat_ngram=0)}),
        (["--beam-size", "3"], {"beam_size": 3}),
    ]
    for words, options in cases:
        assert main([*command, *words]) == 0
        assert printed(capsys) == [one.text for one in model.predict(TEXTS, **options)], words
    assert main([*command, "--beam-size", "3", "--top-k", "2"]) == 2
    assert "--top-k must come with --sample" in capsys.readouterr().err


def test_evaluate_follows_the_settings(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = model_with({**DRAWN, **BARRED})
    folder = str(tiny_folder(model, tmp_path / "model"))
    sources = [text for text in TEXTS if text]
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{s}\t{one.text}\n" for s, one in zip(sources, model.predict(sources), strict=True)))
    right = []
    for words in ([], ["--beam-size", "5"]):
        assert main(["evaluate", folder, str(path), "--device", "cpu", "--json", *words]) == 0
        right.append(json.loads(capsys.readouterr().out)["exact_match"])
    assert right[0] == 100
    assert right[1] < 100


def test_tuning_a_model_that_draws_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"the model's setting is search\.sample=true"):
        tune_model(model_with(DRAWN), ["abc"], ["cba"], metric="exact_match")


def test_a_run_with_them(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    with pytest.raises(ConfigError, match="forbid must name single items of the target vocabulary, but 'zz'"):
        train(data, tmp_path / "model", settings={**SETTINGS, "search.forbid": ["zz"]})
    assert not (tmp_path / "model").exists()
    settings = {**SETTINGS, **DRAWN, "search.min_length": 200, "training.max_steps": 2}
    train(data, tmp_path / "model", settings=settings)
    model = load(tmp_path / "model")
    assert (model.config.search.max_length, model.config.search.min_length) == (201, 200)
    assert len(model.predict(["abc"])[0].tokens) >= 200
    assert "dev pairs, drawn (seed 8), with constraints." in (tmp_path / "model" / "README.md").read_text("utf-8")
