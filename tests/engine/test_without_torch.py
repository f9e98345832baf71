"""Predictions, scores and a look at folder and data need no torch, where the engine is built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seqweave.config import ModelConfig
from seqweave.engine import engine_missing
from tiny_model import tiny_folder, tiny_model

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "sacrebleu", "jiwer"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
from seqweave.__main__ import main
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if missing := engine_missing():
        pytest.skip(f"the engine cannot be used: {missing}")
    model = tiny_model(ModelConfig(embedding_size=5, encoder_hidden_size=4, decoder_hidden_size=6))
    return tiny_folder(model, tmp_path_factory.mktemp("tiny") / "model")


def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BLOCKED, *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


def test_predict_score_info_and_check(folder: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("abc\tcba\nbad\tdab\ncab\tbac\n")
    for arguments, given in (
        (("predict", str(folder)), "abc\nbad\n"),
        (("predict", str(folder), "--json", "--n-best", "2"), "abc\n"),
        (("score", str(folder), str(pairs)), ""),
        (("info", str(folder)), ""),
        (("check", str(pairs)), ""),
    ):
        done = run(*arguments, given=given)
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_what_needs_torch_says_so(folder: Path) -> None:
    for arguments in (("predict", str(folder), "--backend", "torch"), ("verify", str(folder), str(folder))):
        done = run(*arguments, given="abc\n")
        assert done.returncode == 2
        assert 'needs the library torch, which is not installed: install it with pip install "seqweave[train]"' in (
            done.stderr
        )
