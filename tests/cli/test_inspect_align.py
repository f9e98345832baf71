"""`seqweave inspect` and `seqweave align`: what they write and print, and their sentences for bad input."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from architectures import CASES
from seqweave.cli.main import main
from seqweave.evaluation.corpus import corpus_rows, edit_distance
from seqweave.inspection import trace_page
from seqweave.inspection.server import PageServer
from seqweave.inspection.trace_json import trace_from_json
from seqweave.model.output.pointer_generator import PointerGenerator
from tiny_model import tiny_folder, tiny_model

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tiny_model(CASES["gru-additive-after"]), tmp_path_factory.mktemp("cli") / "model")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.tsv"
    path.write_text("ab c\tgf e\n\nabc\tg\n", encoding="utf-8")
    return path


def test_inspect_writes_data(folder: Path, tmp_path: Path, pairs: Path, capsys: Capture) -> None:
    out = tmp_path / "trace.json"
    words = [
        "inspect",
        str(folder),
        "abcag",
        "--target",
        "gf",
        "-o",
        str(out),
        "--corpus",
        str(pairs),
        "--attributions",
    ]
    assert main(words) == 0
    assert "trace.json, 0.0" in capsys.readouterr().err
    text = out.read_text(encoding="utf-8")
    trace = trace_from_json(text)
    assert (trace.source.text, trace.forced is None, len(trace.attributions)) == ("abcag", False, 3)
    rows = json.loads(text)["corpus"]["rows"]
    assert [(row["source"], row["reference"]) for row in rows] == [("ab c", "gf e"), ("abc", "g")]
    for row in rows:
        assert row["exact"] == (row["error_rate"] == 0)
        assert 0 <= row["coverage_gaps"] <= 1
        assert row["entropy"] >= 0
        assert row["surprisal"] > 0
    assert json.loads(text)["timelapse"] is None


def test_inspect_fills_the_page(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.html"
    page.write_text('<script type="application/json" id="trace">null</script>', encoding="utf-8")
    monkeypatch.setattr(trace_page, "PAGE", page)
    out = tmp_path / "trace.html"
    assert main(["inspect", str(folder), "a</script>", "-o", str(out)]) == 0
    content = out.read_text(encoding="utf-8").split(">", 1)[1].removesuffix("</script>")
    assert trace_from_json(content).source.text == "a</script>"


def test_inspect_shows_what_training_kept(tmp_path: Path, capsys: Capture) -> None:
    folder = tiny_folder(tiny_model(CASES["gru-additive-after"]), tmp_path / "model")
    sample = {
        "source": "ab",
        "target": "g",
        "output": "g",
        "source_tokens": ["a", "b"],
        "target_tokens": ["g", "<eos>"],
    }
    lines = [{"step": step, **sample, "attention": [[1, 0], [0, step]]} for step in (1, 2)]
    lines.append({"step": 2, "source": "b", "target": "g", "output": "g"})
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    out = tmp_path / "trace.json"
    assert main(["inspect", str(folder), "ab", "-o", str(out)]) == 0
    timelapse = json.loads(out.read_text(encoding="utf-8"))["timelapse"]
    frames = [{"step": step, "weights": [[1, 0], [0, step]], "loss": None} for step in (1, 2)]
    assert timelapse == {"samples": [{"source": ["a", "b"], "target": ["g", "<eos>"], "frames": frames}]}


@pytest.mark.slow
def test_inspect_serves_until_interrupted(folder: Path, tmp_path: Path) -> None:
    start = (  # a shell's background job would be deaf to Ctrl-C
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from seqweave.cli.main import main; raise SystemExit(main())"
    )
    command = [sys.executable, "-c", start, "inspect", str(folder), "abcag", "--serve", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, encoding="utf-8")
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        port = int(re.findall(r"http://127\.0\.0\.1:(\d+)/", said)[0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/")
        page = connection.getresponse().read().decode("utf-8")
        assert re.search(r'<script[^>]* id="trace"[^>]* data-server="/api/trace">\{"format"', page)
        question = json.dumps({"source": "abcag", "forced": {"0": "g"}})
        connection.request("POST", "/api/trace", question, {"Content-Type": "application/json"})
        forced = trace_from_json(connection.getresponse().read().decode("utf-8"))
        connection.close()
        assert (forced.steps.tokens[0].text, forced.beam.beam_size) == ("g", 5)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr.read() == "seqweave: ended\n"
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
    assert not list(tmp_path.iterdir())


def test_inspect_without_a_text_serves_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_folder(tiny_model(CASES["gru-additive-after"]), tmp_path / "model")
    sample = {"step": 1, "source": "bag", "target": "g", "output": "g"}
    (folder / "samples.jsonl").write_text(json.dumps(sample) + "\n", encoding="utf-8")
    pages: list[str] = []

    def look(server: PageServer) -> None:
        pages.append(server.page.decode())
        server.server_close()

    monkeypatch.setattr(PageServer, "run", look)
    assert main(["inspect", str(folder), "--serve", "--port", "0"]) == 0
    assert '"text": "bag"' in pages[0]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "inspect needs a text, but there is none"),
        (["--serve"], "inspect needs a text, but there is none"),
        (["a", "--serve", "--port", "70000"], "a port must be free and from 0 to 65535"),
        (["a", "-o", "trace.png"], "ending with .html or .json, but the name is trace.png"),
        ([" ", "-o", "trace.json"], "a source must have an item to be traced"),
        (["a", "-o", "trace.json", "--beam-size", "0"], "beam_size must be 1 or more"),
    ],
)
def test_inspect_tells_mistakes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", str(folder), *words]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_align_prints_a_line_for_each(folder: Path, pairs: Path, capsys: Capture) -> None:
    assert main(["align", str(folder), str(pairs)]) == 0
    numbered = [line.split("\t") for line in capsys.readouterr().out.rstrip("\n").split("\n")]
    assert [(number, len(links.split())) for number, links in numbered] == [("1", 4), ("2", 0), ("3", 1)]
    assert main(["align", str(folder), str(pairs), "--pharaoh"]) == 0
    assert capsys.readouterr().out == "".join(f"{links}\n" for _, links in numbered)
    assert main(["align", str(folder), str(pairs), "--words", "--json", "--method", "mutual"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.strip().split("\n")]
    assert [(row["line"], row["source"]) for row in rows] == [(1, "ab c"), (2, ""), (3, "abc")]
    assert {tuple(link) for row in rows for link in row["links"]} <= {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_align_gives_a_header_no_row(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text('id,source,target\n1,abc,g\n2,,g\n3,"ab\nc",gf\n4,abc,gfe\n', encoding="utf-8")
    assert main(["align", str(folder), str(table), "--words"]) == 0
    links = capsys.readouterr().out
    assert [line.split("\t")[0] for line in links.rstrip("\n").split("\n")] == ["2", "3", "4", "6"]
    assert links.split("\n")[1] == "3\t"
    gold = tmp_path / "gold"
    gold.write_text(links, encoding="utf-8")
    assert main(["align", str(folder), str(table), "--words", "--gold", str(gold), "--gold-first", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["pairs"], found["aer"]) == (3, 0)


def test_align_measures(folder: Path, pairs: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["align", str(folder), str(pairs), "--words", "--reverse", str(folder), "--also", str(folder), "--shift"]
    assert main(words) == 0
    links = capsys.readouterr().out
    gold = tmp_path / "gold"
    gold.write_text(links, encoding="utf-8")
    assert main([*words, "--gold", str(gold), "--gold-first", "0", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["pairs"], figures["aer"], figures["precision"], figures["recall"]) == (2, 0, 100, 100)
    assert main([*words, "--gold", str(gold), "--gold-first", "0"]) == 0
    assert "AER          0.0  [0.0, 0.0]" in capsys.readouterr().out


def test_align_tells_mistakes(folder: Path, pairs: Path, tmp_path: Path, capsys: Capture) -> None:
    gold = tmp_path / "gold"
    gold.write_text("1-1\n\n", encoding="utf-8")
    for more, sentence in (
        (["--method", "best"], "a method of alignment must be one of argmax"),
        (["--symmetrise", "both"], "put together by one of union"),
        (["--threshold", "2"], "must lie between 0 and 1, but it is 2.0"),
        (["--gold", str(gold)], "gold: the gold must have one line for each pair (3), but it has 2"),
    ):
        assert main(["align", str(folder), str(pairs), *more]) == 2
        assert sentence in capsys.readouterr().err
    gold.write_text("1-1\n\nx\n", encoding="utf-8")
    assert main(["align", str(folder), str(pairs), "--gold", str(gold)]) == 2
    assert "gold:3: a gold link must be" in capsys.readouterr().err


def test_edit_distance_by_hand() -> None:
    for ours, theirs, distance in (("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0)):
        assert edit_distance([ord(c) for c in ours], [ord(c) for c in theirs]) == distance


def test_unknown_items_are_not_all_the_same() -> None:
    """The model puts out what it copied; the reference has another item that the vocabulary lacks."""
    model = tiny_model(CASES["lstm-copies"])
    with torch.no_grad():
        model.single.output.bias[3] = -50.0  # no <eos>
        assert isinstance(model.single.output, PointerGenerator)
        model.single.output.gate.bias.fill_(-50.0)
    [row] = corpus_rows(model, ["g"], ["z"], beam_size=1)
    assert set(row["output"]) == {"g"}
    assert row["error_rate"] >= 100
