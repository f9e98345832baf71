"""Commands give texts to models; of one that reads frames they say so in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from seqweave.cli.main import main
from seqweave.config import build_config
from seqweave.model.build import build_model
from seqweave.text.tokenizers import train_tokenizer
from seqweave.training.record import Record
from tiny_run import write_pairs

SETTINGS = {
    "model.frame_size": 4,
    "model.embedding_size": 8,
    "model.encoder_hidden_size": 4,
    "model.decoder_hidden_size": 8,
    "data.target.units": "char",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = build_config(SETTINGS)
    tokenizer = train_tokenizer(["abc"], config.data.target)
    torch.manual_seed(1)
    record = Record(tmp_path / "model")
    record.folder.mkdir()
    record.prepared(config, None, tokenizer)
    record.keep_weights(build_model(config.model, 0, tokenizer.size))
    return record.folder


@pytest.mark.parametrize(
    "words",
    [
        ["predict", "DIR", "PAIRS"],
        ["score", "DIR", "PAIRS"],
        ["evaluate", "DIR", "PAIRS"],
        ["verify", "DIR", "PAIRS"],
        ["compare", "DIR", "DIR", "PAIRS"],
        ["tune", "DIR", "PAIRS"],
        ["align", "DIR", "PAIRS"],
        ["inspect", "DIR", "abc"],
        ["bench", "DIR", "PAIRS"],
    ],
    ids=lambda words: words[0],
)
def test_a_command_says_that_the_model_reads_frames(
    words: list[str], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = write_pairs(tmp_path / "pairs.tsv", 4, 1)
    places = {"DIR": str(folder), "PAIRS": str(pairs)}
    assert main([places.get(word, word) for word in words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "this model reads frames (model.frame_size=4), not text: give it arrays from Python" in said.err
    assert len(said.err.strip().splitlines()) == 1


def test_info_says_what_it_reads(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(folder)]) == 0
    assert "source    frames of 4 floats" in capsys.readouterr().out
    assert main(["info", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source_vocabulary"] is None


def test_no_file_trains_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = write_pairs(tmp_path / "pairs.tsv", 4, 1)
    words = ["train", str(pairs), "-o", str(tmp_path / "new"), "--set", "model.frame_size=4", "--device", "cpu"]
    assert main(words) == 2
    assert "model.frame_size=4 reads frames, but files of pairs hold texts" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
