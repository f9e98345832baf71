"""The core install, without the libraries of the extra `train`: what works, and what is said where one is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from seqweave.cli.main import app, main
from seqweave.config import ModelConfig
from seqweave.engine import engine_missing
from seqweave.wording import TRAIN_LIBRARIES, missing_library
from tiny_model import tiny_folder, tiny_model
from tiny_run import write_pairs

SETTINGS = ("--preset", "tiny", "--device", "cpu", "--set", "training.max_steps=2", "--set", "training.precision=fp32")
MISSING = 'needs the library {}, which is not installed: install it with pip install "seqweave[train]"'
# Runs before anything else in a process: as if the libraries were not installed.
HIDE = f"""
import contextlib, io, json, sys


class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {TRAIN_LIBRARIES!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Hidden())
"""
RUN_ALL = """
from seqweave.cli.main import main


def run(words):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(words)
    return code, out.getvalue(), err.getvalue()


print(json.dumps([run(words) for words in json.load(sys.stdin)]))
"""
WORKING = ["--help", "train --help", "check pairs.tsv", "split pairs.tsv -o parts", "info model", "info model --curve"]
# What works with the engine, and where it is not built needs torch.
BY_ENGINE = ["predict model pairs.tsv --column 1", "score model pairs.tsv", "align model pairs.tsv", "doctor model"]
NO_ENGINE = engine_missing() is not None
REFUSED = {  # with the library that is met first
    **(dict.fromkeys(BY_ENGINE, "torch") if NO_ENGINE else {}),
    "train pairs.tsv -o new": "torch",
    "evaluate model pairs.tsv": "torch" if NO_ENGINE else "jiwer",
    "compare model model pairs.tsv": "torch" if NO_ENGINE else "jiwer",
    "inspect model ab": "torch",
    "verify model": "torch",
    "tune model pairs.tsv": "torch" if NO_ENGINE else "jiwer",
    "bench model": "torch",
    "demo": "babel",
    "info model --plot curve.png": "matplotlib",
}
Results = dict[str, tuple[int, str, str]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Exit code, stdout and stderr of all commands, run in a folder with pairs.tsv and a model trained on it."""
    folder = tmp_path_factory.mktemp("core")
    data = write_pairs(folder / "pairs.tsv")
    assert main(["train", str(data), "-o", str(folder / "model"), *SETTINGS]) == 0
    commands = [*WORKING, *{**dict.fromkeys(BY_ENGINE), **REFUSED}]
    done = without_train(RUN_ALL, folder, json.dumps([command.split() for command in commands]))
    assert done.returncode == 0, done.stderr
    assert {path.name for path in folder.iterdir()} == {"pairs.tsv", "model", "parts", ".model.lock"}
    return dict(zip(commands, map(tuple, json.loads(done.stdout)), strict=True))


def without_train(program: str, folder: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", HIDE + program]
    return subprocess.run(command, capture_output=True, text=True, check=False, input=text, cwd=folder)


@pytest.mark.parametrize("command", WORKING)
def test_what_needs_no_torch_works(results: Results, command: str) -> None:
    code, out, err = results[command]
    assert (code, err) == (0, "")
    assert out


@pytest.mark.skipif(NO_ENGINE, reason="the engine is not built here")
@pytest.mark.parametrize("command", BY_ENGINE)
def test_what_the_engine_does_needs_no_torch(results: Results, command: str) -> None:
    code, out, err = results[command]
    assert (code, err) == (1 if command == "doctor model" else 0, ""), err  # a model of two steps is ill
    assert out


@pytest.mark.parametrize("command", REFUSED)
def test_a_verb_that_needs_a_library_says_so(results: Results, command: str) -> None:
    says = f"seqweave: error: seqweave {command.split()[0]} {MISSING.format(REFUSED[command])}\n"
    assert results[command] == (2, "", says)


def test_every_verb_is_tried_here() -> None:
    assert {command.name for command in app.registered_commands} == {
        command.split()[0] for command in [*WORKING[1:], *BY_ENGINE, *REFUSED]
    }


def test_a_public_name_that_needs_torch_says_so(tmp_path: Path) -> None:
    tiny_folder(tiny_model(ModelConfig(embedding_size=4)), tmp_path / "model")
    result = without_train("import seqweave; seqweave.Config(); seqweave.Model; seqweave.train", tmp_path)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == f"ModuleNotFoundError: seqweave.train {MISSING.format('torch')}"
    result = without_train("import seqweave; seqweave.load('model', backend='torch').predict(['a'])", tmp_path)
    assert result.returncode == 1
    assert MISSING.format("torch") in result.stderr.splitlines()[-1]


def test_another_missing_module_is_no_matter_of_the_extra() -> None:
    assert missing_library(ModuleNotFoundError("No module named 'x'", name="x"), "seqweave train") is None


def test_the_libraries_are_those_of_the_extra(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split("[<>=~ ]", line)[0] for line in project["optional-dependencies"]["train"]]
    assert names == list(TRAIN_LIBRARIES)
    assert not set(names) & {re.split("[<>=~ ]", line)[0] for line in project["dependencies"]}
