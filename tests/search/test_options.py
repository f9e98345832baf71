"""Options of a search: made of the settings, checked where they are made, changed with `replace`."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from architectures import CASES
from seqweave.cli.main import main
from seqweave.config import SearchConfig, build_config
from seqweave.errors import ConfigError
from seqweave.loading import load
from seqweave.search.options import SearchOptions
from tiny_model import tiny_folder, tiny_model

TEXTS = ["abc", "gagagaga", "fed"]


def test_every_setting_is_an_option_with_the_same_default() -> None:
    names = [one.name for one in dataclasses.fields(SearchOptions)]
    assert names[: len(SearchConfig.model_fields)] != []
    assert set(SearchConfig.model_fields) <= set(names)
    assert SearchOptions.of(SearchConfig()) == SearchOptions()


def test_what_is_read_from_the_settings() -> None:
    search = build_config({"search.beam_size": 3, "search.max_length": 7, "search.stop": "proven"}).search
    options = SearchOptions.of(search)
    assert (options.beam_size, options.max_length, options.stop) == (3, 7, "proven")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"beam_size": 0}, "beam_size must be 1 or more, but it is 0: choose 1 for greedy search"),
        ({"beam_size": 1001}, "beam_size must be at most 1,000, but it is 1001: choose a smaller one"),
        ({"coverage_penalty": -1}, "coverage_penalty must be 0 or more, but it is -1: choose 0 for none"),
        ({"length_penalty": float("nan")}, "length_penalty must be 0 or more, but it is nan: choose 0 for none"),
        ({"precision": "fp8"}, "precision must be fp32 or int8, but it is 'fp8': choose one of them"),
        ({"max_length": 0}, "max_length must be a whole number, 1 or more, or None, but it is 0: choose another value"),
        ({"max_length_ratio": -1.0}, "max_length_ratio must be a number above 0, or None, but it is -1.0: choose"),
        ({"batch_tokens": 2.5}, "batch_tokens must be a whole number, 1 or more, but it is 2.5: choose another value"),
        ({"sample": True, "n_best": 0}, "n_best must lie between 1 and beam_size (1), but it is 0"),
    ],
)
def test_refusals(wrong: dict[str, Any], said: str) -> None:
    for make in (SearchOptions, partial(replace, SearchOptions())):
        with pytest.raises(ConfigError) as caught:
            make(**wrong)
        assert str(caught.value).startswith(said)


def test_draws_are_as_many_as_asked_for() -> None:
    assert SearchOptions(sample=True, beam_size=1, n_best=7).n_best == 7


def test_a_precision_is_that_of_the_call(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqweave.model.optimized.network.int8_works", lambda: False)
    model = tiny_model(CASES["lstm-general-after"])
    model.predict(TEXTS, options=replace(model.options, precision="int8"))
    assert "search.precision is int8" in caplog.text
    assert model.precision == "fp32"


def outputs(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words, "--device", "cpu"]) == 0
    return capsys.readouterr().out


def test_settings_of_one_call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`--set search.*` with every verb that searches: as a model with these settings does it."""
    plain, other = str(tmp_path / "plain"), str(tmp_path / "other")
    model = tiny_model(CASES["lstm-general-after"])
    tiny_folder(model, Path(plain))
    own = {"search.beam_size": 2, "search.length_penalty": 0.2, "search.max_length": 4}
    model.config = build_config(own, model.config)
    tiny_folder(model, Path(other))
    words = [word for key, value in own.items() for word in ("--set", f"{key}={value}")]
    texts, pairs = tmp_path / "texts.txt", tmp_path / "pairs.tsv"
    texts.write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    pairs.write_text("".join(f"{text}\t{text[::-1]}\n" for text in TEXTS), encoding="utf-8")
    for verb, data in (("predict", texts), ("score", pairs), ("evaluate", pairs), ("verify", pairs), ("tune", pairs)):
        tuned = ["--metric", "exact_match", "--length-penalties", "0,1"]
        more = ["--json", *{"tune": tuned, "verify": ["--tolerance", "0.01"]}.get(verb, [])]
        changed, expected = (
            outputs(capsys, verb, folder, str(data), *more, *also) for folder, also in ((plain, words), (other, []))
        )
        assert changed == expected, verb
        assert changed != outputs(capsys, verb, plain, str(data), *more), verb
    assert load(plain, "cpu").config.search.beam_size == 5, "the folder stays as it is"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (
            "training.seed=3",
            "--set takes only settings of decoding here, such as search.beam_size=3, but got training",
        ),
        ("search.beam=3", "search.beam"),
        ("search.beam_size=0", "search.beam_size"),
    ],
)
def test_settings_that_are_refused(word: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = str(tiny_folder(tiny_model(CASES["lstm-general-after"]), tmp_path / "model"))
    texts = tmp_path / "texts.txt"
    texts.write_text("abc\n", encoding="utf-8")
    assert main(["predict", folder, str(texts), "--device", "cpu", "--set", word]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_loaded_model_has_its_trace(tmp_path: Path) -> None:
    """`seqweave.load(...).trace(text)` with nothing else imported."""
    folder = str(tiny_folder(tiny_model(CASES["lstm-general-after"]), tmp_path / "model"))
    program = (
        f"import seqweave; model = seqweave.load({folder!r}, 'cpu'); "
        "print(model.trace('abc').output.text == seqweave.trace(model, 'abc').output.text)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "True"
