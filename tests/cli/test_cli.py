"""Every verb on a tiny model folder: what it prints, its exit code, and its sentence for bad input."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from seqweave import folder as folders
from seqweave.cli import main as cli
from seqweave.cli.main import main, two_dev_files
from seqweave.config import TextConfig, build_config, config_to_json, fields_of
from seqweave.folder import save_weights, write_manifest
from seqweave.loading import load
from seqweave.model.build import build_model
from seqweave.text.tokenizers import train_tokenizer
from seqweave.text.vocabulary import EOS

METRIC_KEYS = {
    "pairs",
    "exact_match",
    "token_error_rate",
    "cer",
    "wer",
    "bleu",
    "chrf",
    "ter",
    "perplexity",
    "intervals",
}
Capture = pytest.CaptureFixture[str]


def make_folder(folder: Path, seed: int) -> Path:
    """A model folder with random weights that ends its outputs soon."""
    config = build_config(
        {
            "model.embedding_size": 5,
            "model.encoder_hidden_size": 4,
            "model.decoder_hidden_size": 8,
            "data.source.units": "char",
            "data.target.units": "char",
            "search.max_length_ratio": 1.0,
            "search.max_length": 15,
            "search.beam_size": 2,
        }
    )
    source = train_tokenizer(["abcdefg"], TextConfig(units="char"))
    target = train_tokenizer(["xyzwv"], TextConfig(units="char"))
    torch.manual_seed(seed)
    network = build_model(config.model, source.size, target.size)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.7)
        network.output.bias[EOS] += 2.0
    folder.mkdir()
    (folder / folders.CONFIG).write_text(config_to_json(config), encoding="utf-8")
    source.save(folder / folders.SOURCE_TOKENIZER)
    target.save(folder / folders.TARGET_TOKENIZER)
    save_weights(network, folder / folders.WEIGHTS)
    write_manifest(folder, folders.model_files(folder))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_folder(tmp_path_factory.mktemp("cli") / "model", 5))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_folder(tmp_path_factory.mktemp("cli") / "other", 6))


@pytest.fixture
def pairs(tmp_path: Path) -> str:
    path = tmp_path / "pairs.tsv"
    path.write_text("abc\txyz\nabc\txy\nbad\tzwv\ncab\tv\n", encoding="utf-8")
    return str(path)


def run_json(capsys: Capture, *words: str) -> Any:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: Capture, *words: str) -> str:
    """The one sentence of a refusal."""
    assert main(list(words)) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "Traceback" not in streams.err
    lines = streams.err.rstrip("\n").split("\n")
    assert len(lines) == 1
    assert lines[0].startswith("seqweave: error: ")
    return lines[0]


def test_predict_gives_a_line_for_every_line(capsys: Capture, model: str, tmp_path: Path) -> None:
    path = tmp_path / "sources.txt"
    path.write_text("abc\n\nbad\n   \nfedg", encoding="utf-8")
    assert main(["predict", model, str(path)]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert len(lines) == 6
    assert lines[-1] == ""
    assert lines[1] == lines[3] == ""
    assert all(lines[place] for place in (0, 2, 4))


def test_predict_reads_stdin(capsys: Capture, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"abc\n\nbad\n"), encoding="utf-8"))
    assert main(["predict", model, "--beam-size", "1"]) == 0
    assert capsys.readouterr().out.count("\n") == 3


def test_predict_in_chunks_is_the_same(
    capsys: Capture, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sources.txt"
    path.write_text("abc\nbad\nfedg\na\nbb\n", encoding="utf-8")
    assert main(["predict", model, str(path)]) == 0
    whole = capsys.readouterr().out
    monkeypatch.setattr("seqweave.data.pipes.MOST_LINES", 2)
    assert main(["predict", model, str(path)]) == 0
    assert capsys.readouterr().out == whole


def test_n_best_lines(capsys: Capture, model: str, tmp_path: Path) -> None:
    path = tmp_path / "sources.txt"
    path.write_text("abc\nbad\n", encoding="utf-8")
    assert main(["predict", model, str(path), "--n-best", "3"]) == 0  # above the model's beam of 2: widened
    rows = [line.split("\t") for line in capsys.readouterr().out.rstrip("\n").split("\n")]
    assert [row[:2] for row in rows] == [[line, rank] for line in "12" for rank in "123"]
    expected = load(model, "cpu").predict_n_best(["abc", "bad"], n_best=3, beam_size=3)
    assert [row[3] for row in rows] == [one.text for hypotheses in expected for one in hypotheses]


def test_predict_json(capsys: Capture, model: str, tmp_path: Path) -> None:
    path = tmp_path / "sources.txt"
    path.write_text("abc\n\n", encoding="utf-8")
    assert main(["predict", model, str(path), "--json", "--n-best", "2"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.rstrip("\n").split("\n"))
    assert first["source"] == "abc"
    assert len(first["hypotheses"]) == 2
    best = first["hypotheses"][0]
    assert {"text", "tokens", "score", "log_prob", "token_log_probs", "attention"} <= best.keys()
    assert sum(best["token_log_probs"]) == pytest.approx(best["log_prob"], abs=1e-4)
    assert len(best["attention"]) == len(best["token_log_probs"])
    assert all(len(row) == 3 and sum(row) == pytest.approx(1, abs=1e-4) for row in best["attention"])
    assert second["source"] == ""
    assert second["hypotheses"][0]["text"] == ""


def test_evaluate(capsys: Capture, model: str, pairs: str) -> None:
    metrics = run_json(capsys, "evaluate", model, pairs)
    assert metrics.keys() >= METRIC_KEYS
    assert metrics["pairs"] == 4
    assert metrics["sources"] == 3
    assert main(["evaluate", model, pairs, "--beam-size", "1"]) == 0
    assert "exact match" in capsys.readouterr().out


def test_evaluate_parallel_files_and_what_is_left_out(capsys: Capture, model: str, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("abc\n\nbad\n", encoding="utf-8")
    (tmp_path / "target").write_text("xy\nz\nzw\n", encoding="utf-8")
    assert main(["evaluate", model, str(tmp_path / "source"), str(tmp_path / "target"), "--json"]) == 0
    streams = capsys.readouterr()
    assert json.loads(streams.out)["pairs"] == 2
    assert "1 of 3 lines left out" in streams.err


def test_score_is_the_forced_score_of_what_was_found(capsys: Capture, model: str, tmp_path: Path) -> None:
    sources, found = tmp_path / "sources.txt", tmp_path / "found.tsv"
    sources.write_text("abc\nbad\n", encoding="utf-8")
    assert main(["predict", model, str(sources), "--json"]) == 0
    best = [json.loads(line)["hypotheses"][0] for line in capsys.readouterr().out.rstrip("\n").split("\n")]
    found.write_text("".join(f"{s}\t{b['text']}\n" for s, b in zip(["abc", "bad"], best, strict=True)), "utf-8")
    assert main(["score", model, str(found), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.rstrip("\n").split("\n")]
    for row, one in zip(rows, best, strict=True):
        assert row["tokens"] == one["tokens"]
        if one["finished"]:
            assert row["score"] == pytest.approx(one["score"], abs=1e-4)
    assert main(["score", model, str(found)]) == 0
    lines = capsys.readouterr().out.rstrip("\n").split("\n")
    assert [line.split("\t")[::3] for line in lines] == [["1", "abc"], ["2", "bad"]]


def test_compare(capsys: Capture, model: str, other: str, pairs: str) -> None:
    result = run_json(capsys, "compare", model, other, pairs)
    rows = {row["metric"]: row for row in result["metrics"]}
    assert {"exact_match", "chrf"} <= rows.keys()
    assert any(row["difference"] != 0 for row in rows.values())
    assert main(["compare", model, model, pairs]) == 0
    assert "not shown" in capsys.readouterr().out


def test_info(capsys: Capture, model: str) -> None:
    facts = run_json(capsys, "info", model)
    assert facts["config"]["model.decoder_hidden_size"] == 8
    assert (facts["source_vocabulary"], facts["target_vocabulary"]) == (11, 9)
    assert facts["parameters"] > 500
    assert facts["metrics"] is None
    assert set(facts["files"]) == {*folders.REQUIRED, folders.SOURCE_TOKENIZER}
    assert main(["info", model]) == 0
    said = capsys.readouterr().out
    assert f"{facts['parameters']:,} parameters" in said
    changed, others = said.split("as the defaults have it:")
    assert "model.decoder_hidden_size = 8\n" in changed
    assert "model.cell = " in others
    assert facts["changed"] == [line.split()[0] for line in changed.split("defaults:\n")[1].strip().split("\n")]
    assert facts["run"] is None


def test_info_names_a_changed_file(capsys: Capture, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "model", 5)
    with (folder / folders.CONFIG).open("a", encoding="utf-8") as file:
        file.write(" ")
    assert "config.json was changed" in refused(capsys, "info", str(folder))


def test_check_exit_codes(capsys: Capture, pairs: str, tmp_path: Path) -> None:
    found = run_json(capsys, "check", pairs)
    assert (found["lines"], found["kept"], found["dropped"]) == (4, 4, {})
    bad = tmp_path / "bad.tsv"
    bad.write_text("a\tb\nno tab\n\tempty\nc\td\n", encoding="utf-8")
    assert main(["check", str(bad), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["lines"], found["kept"]) == (4, 2)
    assert sorted(line for lines in found["dropped"].values() for line in lines) == [2, 3]
    assert main(["check", str(bad)]) == 1
    assert "4 lines, 2 kept, 2 dropped" in capsys.readouterr().out


def test_check_finds_leakage(capsys: Capture, pairs: str, tmp_path: Path) -> None:
    dev = tmp_path / "dev.tsv"
    dev.write_text("abc\tx\nnew\ty\n", encoding="utf-8")
    assert main(["check", pairs, "--split", f"dev={dev}"]) == 0
    assert "sources of dev that are also in data: 1 (50.0%)" in capsys.readouterr().out
    assert "NAME=FILE" in refused(capsys, "check", pairs, "--split", "dev")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predict", "nowhere"], "nowhere"),
        (["evaluate", "{model}", "nowhere.tsv"], "nowhere.tsv"),
        (["score", "{model}", "nowhere.tsv"], "nowhere.tsv"),
        (["compare", "{model}", "nowhere", "{pairs}"], "nowhere"),
        (["check", "nowhere.tsv"], "nowhere.tsv"),
        (["predict", "{model}", "{pairs}", "--n-best", "3", "--beam-size", "2"], "n_best"),
        (["evaluate", "{model}", "{pairs}", "--beam-size", "0"], "beam_size"),
        (["predict", "{model}", "{pairs}", "--device", "abacus"], "abacus"),
        (["train", "{pairs}", "-o", "{out}", "--preset", "huge"], "tiny, small, base"),
        (["train", "{pairs}", "-o", "{out}", "--set", "model.cel=gru"], "did you mean model.cell"),
        (["train", "{pairs}", "-o", "{out}", "--source-units", "letters"], "data.source.units"),
        (["train", "nowhere.tsv", "-o", "{out}"], "nowhere.tsv"),
    ],
)
def test_refusals(capsys: Capture, model: str, pairs: str, tmp_path: Path, words: list[str], said: str) -> None:
    out = tmp_path / "out"
    sentence = refused(capsys, *(word.format(model=model, pairs=pairs, out=out) for word in words))
    assert said in sentence
    assert not out.exists()


def test_usage_errors(capsys: Capture) -> None:
    assert main(["trian"]) == 2
    assert main(["predict"]) == 2
    assert main(["train", "pairs.tsv"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_debug_gives_the_error(model: str) -> None:
    with pytest.raises(Exception, match="nowhere"):
        main(["--debug", "evaluate", model, "nowhere.tsv"])


def test_interrupt(monkeypatch: pytest.MonkeyPatch, pairs: str) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("seqweave.data.check.check_data", interrupted)
    assert main(["check", pairs]) == cli.INTERRUPTED


@pytest.mark.parametrize(
    ("verb", "setting"),
    [("check", "a part of the file"), ("evaluate", "search.batch_tokens=N, --beam-size")],
)
def test_memory_says_which_setting(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, model: str, pairs: str, verb: str, setting: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    place = {"check": "data.check.check_data", "evaluate": "evaluation.evaluate.evaluate_model"}[verb]
    monkeypatch.setattr(f"seqweave.{place}", full)
    assert setting in refused(capsys, verb, *([] if verb == "check" else [model]), pairs)


def test_an_output_that_cannot_be_written_is_said(model: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    command = [sys.executable, "-m", "seqweave", "info", model]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == (
        "seqweave: error: the output: No space left on device; make room, and run the same command again\n"
    )


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("abc\txyz\n" * 3, encoding="utf-8")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "seqweave.cli.main", "check", str(path)]
        result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writer)
    assert result.stderr == ""


def test_version_and_help(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("seqweave 0.")
    assert main(["--help"]) == 0
    assert "..." not in capsys.readouterr().out.split("Commands:")[1], "the sentence of a verb is cut off"
    assert main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    assert [key for key, field in fields_of() if f"  {key}  " not in shown] == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("train d -o m --dev a b", "train d -o m --dev a --dev-target b"),
        ("train d -o m --dev a --seed 1", "train d -o m --dev a --seed 1"),
        ("train d -o m --dev a", "train d -o m --dev a"),
        ("train s t --dev a b --preset tiny", "train s t --dev a --dev-target b --preset tiny"),
        ("check d --dev a b", "check d --dev a b"),
    ],
)
def test_two_dev_files(words: str, expected: str) -> None:
    assert two_dev_files(words.split()) == expected.split()
