"""`seqweave predict`: what comes in is answered line by line as it comes, or refused with what was meant."""

from __future__ import annotations

import gzip
import io
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import seqweave
from architectures import CASES
from seqweave.cli.main import main
from seqweave.config import ModelConfig, TextConfig
from seqweave.loading import load
from seqweave.text.tokenizers import train_tokenizer
from tiny_model import tiny_folder, tiny_model

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """It knows the letters a to g."""
    return str(tiny_folder(tiny_model(CASES["gru-additive-after"]), tmp_path_factory.mktemp("predict") / "model"))


@pytest.fixture
def running(model: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "seqweave", "predict", model, "--device", "cpu"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def ask(process: subprocess.Popen[bytes], text: str) -> str:
    """Write a text, and wait for a line."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(text.encode())
    process.stdin.flush()
    assert select.select([process.stdout], [], [], 120)[0], "no answer"
    return process.stdout.readline().decode()


def answers(capsys: Capture, *words: str) -> list[str]:
    assert main(list(words)) == 0
    return capsys.readouterr().out.split("\n")[:-1]


def refused(capsys: Capture, *words: str) -> str:
    """The one sentence of a refusal before any answer."""
    assert main(list(words)) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.count("\n") == 1
    return streams.err


def pipe_in(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))


def test_a_program_is_answered_line_by_line_and_ctrl_c_says_how_many(running: subprocess.Popen[bytes]) -> None:
    first = ask(running, "abc\n")
    assert ask(running, "\n") == "\n"
    assert ask(running, "abc\n") == first
    assert running.stdin is not None
    running.stdin.write(b"ab")  # no line yet
    running.stdin.flush()
    assert ask(running, "c\n") == first
    running.send_signal(signal.SIGINT)
    out, said = running.communicate(timeout=60)
    assert (out, running.returncode) == (b"", 130)
    assert b"4 sources answered" in said
    assert b"Traceback" not in said


@pytest.mark.slow
def test_a_stray_end_is_answered_too(running: subprocess.Popen[bytes]) -> None:
    first = ask(running, "abc\n")
    out, _ = running.communicate(b"abc\nabc", timeout=60)
    assert out.decode() == 2 * first
    assert running.returncode == 0


def test_blanks_at_the_ends_change_no_answer(capsys: Capture, model: str, tmp_path: Path) -> None:
    lines = ["cat", "cat ", " cat", "cat\u00a0 ", "cat\u200b", "\ufeffcat", "cat\u00ad", "cat\t"]
    path = tmp_path / "sources.txt"
    path.write_text("\n".join(lines[:-1]), encoding="utf-8")
    assert len(set(answers(capsys, "predict", model, str(path)))) == 1
    loaded = load(model, "cpu")
    assert len({one.text for one in loaded.predict(lines)}) == 1
    pairs = [(line, line.replace("cat", "fed")) for line in lines]
    assert len({round(one.score, 4) for one in loaded.score(pairs)}) == 1
    traces = [seqweave.trace(loaded, line, "fed") for line in lines]
    assert {trace.source.text for trace in traces} == {"cat"}
    assert loaded.predict(["\u200b \ufeff"])[0].text == ""


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbfabc\r\nbad\r\n\r\nfed", b"abc\r\r\nbad\r\r\n\r\r\nfed\r\r\n", gzip.compress(b"abc\nbad\n\nfed\n")],
    ids=["bom and crlf", "cr cr lf", "gzip"],
)
def test_line_ends_marks_and_gzip_of_a_file(capsys: Capture, model: str, tmp_path: Path, content: bytes) -> None:
    plain, path = tmp_path / "plain", tmp_path / "sources.gz"
    plain.write_bytes(b"abc\nbad\n\nfed\n")
    path = path if content[0] == 0x1F else tmp_path / "sources"
    path.write_bytes(content)
    assert answers(capsys, "predict", model, str(path)) == answers(capsys, "predict", model, str(plain))


WRONG = {
    "tab": (b"cat\tx\ndog\ty\n", "has 2 columns", "--column 1`"),
    "json": (b'{"source":"cat","target":"x"}\n', "JSON", "--column source`"),
    "json array": (b'[{"source": "cat"},\n{"source": "dog"}]\n', "JSON document", "save its sources"),
    "json object": (b'{"data": [{"source": "cat"}]}\n', "JSON document", "save its sources"),
    "csv": (b"source,target\ncat,x\n", "CSV", "--column source`"),
    "quoted csv": (b'"cat","x, y"\n', "CSV", "--column 1`"),
    "csv of other names": (b"Q,A,label\nhow are you,fine,0\nand you,too,0\nbye,see you,1\n", "CSV", "--column Q`"),
    "csv with numbers of rows": (b"id,question,answer\n1,cat,x\n2,dog,y\n", "CSV", "--column question`"),
    "a header alone": (b"label,question,answer\n", "CSV", "--column question`"),
    "json of texts": (b'["cat", "dog"]\n', "JSON document", "save its sources"),
    "json inside of json": (b'{"id": 1, "translation": {"en": "cat", "ko": "x"}}\n', "JSON", "translation.en`"),
    "gzip": (gzip.compress(b"cat\n"), "gzip", "gunzip -c"),
    "utf-16": ("cat\ndog\n".encode("utf-16"), "UTF-16", "--encoding utf-16`"),
    "utf-16 without a mark": ("cat\ndog\n".encode("utf-16-be"), "UTF-16", "--encoding utf-16-be`"),
    "utf-16 of few zeros": (
        "\u732b\u5728\u8fd9\u91cc\n\u72d7\n".encode("utf-16-le"),
        "UTF-16",
        "--encoding utf-16-le`",
    ),
    "latin-1": ("caf\u00e9\no\u00f9\n".encode("latin-1"), "UTF-8", "--encoding cp1252`"),
    "cp949": ("고양이\n개\n".encode("cp949"), "UTF-8", "--encoding"),
    "zip": (b"PK\x03\x04" + bytes(40), "a zip archive", "unpack it"),
    "pickle": (b"\x80\x04\x95\x0b" + bytes(20), "a pickle", "never opened"),
    "binary": (bytes(range(32)) * 20, "binary", "save its texts"),
    "cr alone": (b"cat\rdog\rsun", r"\r alone", "tr "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_sources_is_refused(
    capsys: Capture, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    content, what, command = WRONG[name]
    path = tmp_path / "test.txt"
    path.write_bytes(content)
    pipe_in(monkeypatch, content)
    said = [refused(capsys, "predict", model, "--device", "cpu")]
    if name != "gzip":  # a file is unpacked
        said.append(refused(capsys, "predict", model, str(path), "--device", "cpu"))
        assert str(path) in said[1]
    for sentence in said:
        assert what in sentence
        assert command in sentence


@pytest.mark.parametrize(
    ("content", "column"),
    [
        (b"abc\tx\nbad\ty\n", "1"),
        (b"x\tabc\nx\tbad\n", "2"),
        (b"source\ttarget\nabc\tx\nbad\ty\n", "source"),
        (b"source\ttarget\nabc\tx\nbad\ty\n", "1"),
        (b'{"en": "abc"}\n{"en": "bad"}\n', "en"),
        (b'{"t": {"en": "abc"}}\n{"t": {"en": "bad"}}\n', "t.en"),
        (b'target,source\n"x\ny","abc"\nz,bad\n', "source"),
        (b'"x, ""y""";abc\n"z";"bad"\n', "2"),
    ],
)
def test_a_column_of_a_table(capsys: Capture, model: str, tmp_path: Path, content: bytes, column: str) -> None:
    table, plain = tmp_path / "table.csv", tmp_path / "plain"
    table.write_bytes(content)
    plain.write_bytes(b"abc\nbad\n")
    wanted = answers(capsys, "predict", model, str(plain))
    assert answers(capsys, "predict", model, str(table), "--column", column) == wanted


@pytest.mark.parametrize(
    ("content", "column", "said"),
    [
        (b"abc\tx\nbad\n", "2", "table.csv:2: a line must have a column 2"),
        (b"source\ttarget\nabc\tx\n", "sorce", "one of the names in line 1 (source, target)"),
        (b'{"en": "abc"}\n', "ko", "must have a text 'ko'"),
        (b"abc\tx\n", "1,2", "--column must name 1 (source), but it is 1,2"),
        (b'source,target\n"abc,x\n', "source", "a quoted cell must end"),
    ],
)
def test_a_wrong_column(capsys: Capture, model: str, tmp_path: Path, content: bytes, column: str, said: str) -> None:
    table = tmp_path / "table.csv"
    table.write_bytes(content)
    assert main(["predict", model, str(table), "--column", column]) == 2
    assert said in capsys.readouterr().err


def test_other_encodings_and_lines_as_they_are(capsys: Capture, model: str, tmp_path: Path) -> None:
    path = tmp_path / "sources"
    path.write_bytes("abc\nbad\n".encode("utf-16"))
    wanted = [one.text for one in load(model, "cpu").predict(["abc", "bad"])]
    assert answers(capsys, "predict", model, str(path), "--encoding", "utf-16") == wanted
    assert "--encoding must be one that Python knows" in refused(
        capsys, "predict", model, str(path), "--encoding", "utf-99"
    )
    path.write_bytes(b"caf\xe9\n")
    assert len(answers(capsys, "predict", model, str(path), "--encoding", "latin-1")) == 1
    assert "must be text in ascii" in refused(capsys, "predict", model, str(path), "--encoding", "ascii")
    path.write_bytes(b'{"a": "b"}\nx,y\tz\n')
    assert len(answers(capsys, "predict", model, str(path), "--plain")) == 2


def test_lines_before_a_refused_one_are_answered(capsys: Capture, model: str, tmp_path: Path) -> None:
    path = tmp_path / "sources"
    path.write_text("abc\nbad\ncat\tx\nfed\n", encoding="utf-8")
    assert main(["predict", model, str(path)]) == 2
    streams = capsys.readouterr()
    assert streams.out.count("\n") == 2
    assert "sources:3: a line must be a source" in streams.err
    assert "2 sources answered" in streams.err


def test_a_model_that_learned_tabs_is_given_them(capsys: Capture, tmp_path: Path) -> None:
    learned = tiny_model(CASES["gru-additive-after"])
    learned._source_tokenizer = train_tokenizer(["abcdef\t"], TextConfig(units="char"))
    folder = tiny_folder(learned, tmp_path / "model")
    path = tmp_path / "sources"
    path.write_text("ab\tc\nab\n", encoding="utf-8")
    assert answers(capsys, "predict", str(folder), str(path)) == [
        one.text for one in load(folder, "cpu").predict(["ab\tc", "ab"])
    ]


def test_text_that_only_looks_odd_is_answered(capsys: Capture, model: str, tmp_path: Path) -> None:
    path = tmp_path / "sources"
    lines = [
        "Question, answer",
        "hello, world",
        "no, it",
        "[laughter]",
        "[3, 1, 2]",
        "{",
        '"quoted"',
        "1,000",
        "",
        "a\x00b",
        "\x1b[31m",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert len(answers(capsys, "predict", model, str(path))) == len(lines)


def test_output_into_a_file(capsys: Capture, model: str, tmp_path: Path) -> None:
    source, out = tmp_path / "sources", tmp_path / "out"
    source.write_text("abc\nbad\n", encoding="utf-8")
    wanted = "".join(f"{line}\n" for line in answers(capsys, "predict", model, str(source)))
    assert answers(capsys, "predict", model, str(source), "-o", str(out)) == []
    assert out.read_text(encoding="utf-8") == wanted
    assert f"{out} exists" in refused(capsys, "predict", model, str(source), "-o", str(out))
    assert out.read_text(encoding="utf-8") == wanted
    assert "is a folder" in refused(capsys, "predict", model, str(source), "-o", str(tmp_path))
    assert "does not: make it" in refused(capsys, "predict", model, str(source), "-o", str(tmp_path / "a" / "b"))
    assert answers(capsys, "predict", model, str(source), "-o", os.devnull) == []
    source.write_text("cat\tx\n", encoding="utf-8")
    refused(capsys, "predict", model, str(source), "-o", str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_unknown_items_are_said_and_marked(capsys: Capture, model: str, tmp_path: Path) -> None:
    source, pairs = tmp_path / "sources", tmp_path / "pairs.tsv"
    source.write_text("abc\nabcxyz\n", encoding="utf-8")
    assert main(["predict", model, str(source), "--json"]) == 0
    streams = capsys.readouterr()
    first, second = map(json.loads, streams.out.rstrip("\n").split("\n"))
    assert (first["unknown"], first["unknown_share"]) == ([], 0)
    assert (second["unknown"], second["unknown_share"]) == (["x", "y", "z"], 0.5)
    assert "33% of the source items (3 of 9 char items) are unknown to the model, such as 'x', 'y', 'z'" in streams.err
    source.write_text("abcdefg\nabcdefgx\n", encoding="utf-8")
    assert main(["predict", model, str(source)]) == 0
    assert capsys.readouterr().err == ""
    pairs.write_text("xyz\tabc\nxy\tabx\n", encoding="utf-8")
    for words in (["evaluate"], ["score"], ["align"], ["verify"], ["tune"], ["compare", model]):
        assert main([*words, model, str(pairs)]) in (0, 1)
        said = capsys.readouterr().err
        assert "100% of the source items (5 of 5" in said
        assert ("17% of the target items (1 of 6" in said) == (words != ["verify"])
    assert main(["inspect", model, "xyz", "-o", str(tmp_path / "trace.json")]) == 0
    assert "100% of the source items" in capsys.readouterr().err


def test_rows_name_their_line_and_hold_no_tabs_of_texts(capsys: Capture, tmp_path: Path, model: str) -> None:
    pairs = tmp_path / "p.tsv"
    pairs.write_text("abc\tfed\nbad\t\n\ncab\tged\n", encoding="utf-8")
    rows = [line.split("\t") for line in answers(capsys, "score", model, str(pairs))]
    assert [(row[0], row[3], row[4]) for row in rows] == [("1", "abc", "fed"), ("4", "cab", "ged")]
    found = [json.loads(line) for line in answers(capsys, "score", model, str(pairs), "--json")]
    assert [row["line"] for row in found] == [1, 4]
    assert [line.split("\t")[0] for line in answers(capsys, "align", model, str(pairs))] == ["1", "2", "3", "4"]
    pairs.write_text('{"source": "a\\tb", "target": "f\\te"}\n', encoding="utf-8")
    jsonl = pairs.rename(tmp_path / "p.jsonl")
    [row] = answers(capsys, "score", model, str(jsonl))
    assert row.split("\t")[3:] == ["a b", "f e"]


def test_n_best_rows_have_four_columns(capsys: Capture, tmp_path: Path) -> None:
    whole = tiny_model(ModelConfig(embedding_size=4, encoder_hidden_size=4, decoder_hidden_size=8, dropout=0.0))
    whole.target_tokenizer = train_tokenizer(["a\tb\ncd\r"], TextConfig(units="char"))
    assert whole.target_tokenizer.size == 4 + 7
    with torch.no_grad():
        whole.single.output.bias[whole.target_tokenizer.encode("\t")] += 2.0
    folder = str(tiny_folder(whole, tmp_path / "tabs"))
    source = tmp_path / "sources"
    source.write_text("abc\nbad\ncab\n", encoding="utf-8")
    outputs = load(folder, "cpu").predict_n_best(["abc", "bad", "cab"], n_best=5, beam_size=5)
    assert any("\t" in one.text for found in outputs for one in found)
    rows = [line.split("\t") for line in answers(capsys, "predict", folder, str(source), "--n-best", "5")]
    assert {len(row) for row in rows} == {4}
    assert len(rows) == 15


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_read_as_it_comes(model: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "seqweave", "predict", model, str(pipe), "--device", "cpu"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        with pipe.open("wb", buffering=0) as writer:
            writer.write(b"abc\n")
            assert process.stdout is not None
            assert process.stdout.readline().endswith(b"\n")
        assert process.wait(60) == 0
