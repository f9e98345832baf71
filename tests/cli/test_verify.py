"""`seqweave verify`: what it prints, its exit codes, and its sentences for bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from architectures import CASES
from seqweave.cli import verify as verb
from seqweave.cli.main import main
from seqweave.model.seq2seq import Seq2Seq
from seqweave.proofs import verify as verify_module
from tiny_model import tiny_folder, tiny_model

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tiny_model(CASES["gru-additive-after"]), tmp_path_factory.mktemp("verify") / "model")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.tsv"
    path.write_text("abc\tg\nabc\tgf\nfed\tg\ng\tg\ncafe\tg\n", encoding="utf-8")
    return path


def test_the_table(folder: Path, pairs: Path, capsys: Capture) -> None:
    assert main(["verify", str(folder), str(pairs), "--device", "cpu", "--beams", "1,3"]) == 0
    lines = capsys.readouterr().out.rstrip("\n").split("\n")
    assert lines[0] == "4 sources, greedy and beam 5, on cpu, optimized network"
    assert sum(line.endswith("1.0e-04    holds") for line in lines) == 7
    assert "every proof holds" in lines
    assert [line.split()[0] for line in lines[-5:-2]] == ["beam", "1", "3"]
    assert lines[-1].startswith("The best output is known for ")


def test_json(folder: Path, pairs: Path, capsys: Capture) -> None:
    words = ["verify", str(folder), str(pairs), "--device", "cpu", "--json", "--tolerance", "0.01", "--samples", "2"]
    assert main(words) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["passed"], facts["sources"], facts["optimized"], facts["beam_size"]) == (True, 2, True, 5)
    assert {proof["tolerance"] for proof in facts["proofs"]} == {0.01}
    assert all(proof["worst_source"] in ("abc", "fed", "g", "cafe") for proof in facts["proofs"])
    errors = facts["search_errors"]
    assert [row["beam"] for row in errors["beams"]] == [1, 2, 5, 10]
    assert errors["sources"] == 2
    assert main([*words, "--seed", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == facts


def test_a_proof_that_fails(folder: Path, pairs: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = Seq2Seq.decode

    def ill(self: Seq2Seq, *arguments: Any, **options: Any) -> Any:
        output = healthy(self, *arguments, **options)
        return replace(output, logits=output.logits * 1.1)

    monkeypatch.setattr(Seq2Seq, "decode", ill)
    assert main(["verify", str(folder), str(pairs), "--device", "cpu", "--beams", "1"]) == 1
    text = capsys.readouterr().out
    assert "3 of 7 proofs failed" in text
    failing = [line for line in text.split("\n") if "FAILS: " in line]
    assert [line.split("  ")[0] for line in failing] == [
        "searched score = forced score",
        "decode = repeated step",
        "decode = repeated optimized step",
    ]
    assert main(["verify", str(folder), str(pairs), "--device", "cpu", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["passed"] is False


def test_sources_of_the_folder(tmp_path: Path, capsys: Capture) -> None:
    folder = tiny_folder(tiny_model(CASES["gru-none-first"]), tmp_path / "model")
    words = ["verify", str(folder), "--device", "cpu", "--beams", "1", "--json"]
    assert main(words) == 2
    assert "samples.jsonl: there must be sources to verify with" in capsys.readouterr().err
    samples = folder / "samples.jsonl"
    for wrong in ("", "abc\n", '{"target": "g"}\n', "[1]\n", '{"source": 3}\n'):
        samples.write_text(wrong, encoding="utf-8")
        assert main(words) == 2
        assert "must hold a JSON object with a source on every line" in capsys.readouterr().err
    rows = [{"step": step, "source": source} for step in (1, 2) for source in ("abc", "fed")]
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["sources"] == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--beams", "1,x"], "--beams takes numbers separated by commas"),
        (["--beams", "5,1"], "beams must be ascending beam sizes of 1 or more, at most 1,000, but they are 5,1"),
        (["--beams", "1,2000"], "at most 1,000, but they are 1,2000"),
        (["--samples", "0"], "--samples must be 1 or more, but it is 0"),
        (["--tolerance", "-1"], "tolerance must be a number of 0 or more, but it is -1.0"),
    ],
)
def test_wrong_options(folder: Path, pairs: Path, capsys: Capture, words: list[str], sentence: str) -> None:
    assert main(["verify", str(folder), str(pairs), "--device", "cpu", *words]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert sentence in streams.err


def test_defaults_are_those_of_the_library() -> None:
    """They are written twice so that `--help` loads nothing heavy."""
    assert tuple(verb._sizes(verb.DEFAULT_BEAMS)) == verify_module.BEAMS
    assert verb.DEFAULT_TOLERANCE == verify_module.TOLERANCE
