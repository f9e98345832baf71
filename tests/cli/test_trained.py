"""From files of text to a model, and every verb on that model: a user's way, through the command line."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quick import slow
from seqweave.cli.main import main
from tiny_run import write_pairs

Capture = pytest.CaptureFixture[str]
METRICS = {"pairs", "exact_match", "token_error_rate", "cer", "wer", "bleu", "chrf", "ter", "perplexity", "intervals"}
SETTINGS = (
    *("--preset", "tiny", "--device", "cpu"),
    *("--set", "training.max_steps=4", "--set", "training.validate_every=2", "--set", "training.precision=fp32"),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pairs.tsv; the same as source and target; and a small dev of each form."""
    folder = tmp_path_factory.mktemp("data")
    for name, pairs, seed in (("pairs", 80, 1), ("dev", 8, 2)):
        rows = write_pairs(folder / f"{name}.tsv", pairs, seed).read_text(encoding="utf-8").split("\n")[:-1]
        for side, ending in enumerate(("source", "target")):
            lines = "".join(row.split("\t")[side] + "\n" for row in rows)
            (folder / f"{name}.{ending}").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(data: Path) -> str:
    """A model trained on pairs.tsv, with a dev set held out of it."""
    assert main(["train", str(data / "pairs.tsv"), "-o", str(data / "model"), *SETTINGS]) == 0
    return str(data / "model")


@pytest.fixture(scope="module")
def from_two_files(data: Path) -> str:
    """A model trained on two parallel files with a dev set of two files, with other target units."""
    train = [str(data / f"pairs.{side}") for side in ("source", "target")]
    dev = [str(data / f"dev.{side}") for side in ("source", "target")]
    words = ["train", *train, "-o", str(data / "other"), "--target-units", "byte", *SETTINGS, "--dev", *dev]
    assert main(words) == 0
    return str(data / "other")


def output(capsys: Capture, *words: str) -> str:
    assert main(list(words)) == 0
    return capsys.readouterr().out


def rows_of(text: str) -> list[Any]:
    return [json.loads(line) for line in text.rstrip("\n").split("\n")]


def refused(capsys: Capture, *words: str) -> str:
    """The one sentence of a refusal; what training said before it is left out."""
    assert main(list(words)) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    *before, last = streams.err.rstrip("\n").split("\n")
    assert last.startswith("seqweave: error: ")
    assert all(line.endswith((" ...", ": TSV")) for line in before)
    return last


def test_train_says_what_it_does_and_leaves_a_model(capsys: Capture, data: Path, tmp_path: Path) -> None:
    assert main(["train", str(data / "pairs.tsv"), "-o", str(tmp_path / "model"), *SETTINGS]) == 0
    streams = capsys.readouterr()
    assert streams.out == ""
    for said in ("pairs to train on", "held out", "char (most texts have no blanks)", "parameters on cpu in fp32"):
        assert said in streams.err
    for said in ("step 2: token_error_rate", "finished at step 4", "seqweave predict", "  ->  "):
        assert said in streams.err
    assert "\x1b" not in streams.err  # no terminal, no colours
    there = {path.name for path in (tmp_path / "model").iterdir()}
    assert there >= {"config.json", "model.safetensors", "metrics.json", "README.md", "run.json", "MANIFEST.json"}
    assert "cache" not in there
    assert set(path.name for path in tmp_path.iterdir()) == {"model", ".model.lock"}


def test_the_same_command_again_trains_nothing(capsys: Capture, data: Path, trained: str) -> None:
    before = Path(trained, "model.safetensors").stat().st_mtime_ns
    assert main(["train", str(data / "pairs.tsv"), "-o", trained, *SETTINGS]) == 0
    assert "is already finished, at step 4" in capsys.readouterr().err
    assert Path(trained, "model.safetensors").stat().st_mtime_ns == before


def test_another_setting_is_named(capsys: Capture, data: Path, trained: str) -> None:
    said = refused(capsys, "train", str(data / "pairs.tsv"), "-o", trained, *SETTINGS, "--seed", "7")
    assert "training.seed (was 1, now 7)" in said


def test_a_failed_restart_keeps_the_model(capsys: Capture, data: Path, trained: str, tmp_path: Path) -> None:
    model = shutil.copytree(trained, tmp_path / "model")
    (tmp_path / "bad.tsv").write_text("no tab\n", encoding="utf-8")
    refused(capsys, "train", str(tmp_path / "bad.tsv"), "-o", str(model), *SETTINGS, "--restart")
    assert "every file is as it was written" in output(capsys, "info", str(model))


def test_two_files_with_dev(capsys: Capture, data: Path, from_two_files: str) -> None:
    facts = json.loads(output(capsys, "info", from_two_files, "--json"))
    assert facts["target_vocabulary"] == 260
    run = json.loads(Path(from_two_files, "run.json").read_text(encoding="utf-8"))
    assert (run["facts"]["pairs"], run["facts"]["dev_pairs"]) == (80, 8)


def test_precision_of_decoding(capsys: Capture, data: Path, trained: str) -> None:
    outputs = [output(capsys, "predict", trained, str(data / "dev.source"), "--precision", p) for p in ("fp32", "int8")]
    assert [text.count("\n") for text in outputs] == [8, 8]
    assert "'fp32' or 'int8'" in refused(capsys, "evaluate", trained, str(data / "dev.tsv"), "--precision", "int4")


def test_predict_from_a_file_and_from_stdin(
    capsys: Capture, data: Path, trained: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = output(capsys, "predict", trained, str(data / "dev.source"))
    assert lines.count("\n") == 8
    for words in (["predict", trained], ["predict", trained, "-"]):
        content = (data / "dev.source").read_bytes()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
        assert output(capsys, *words) == lines


def test_predict_n_best_and_json(capsys: Capture, data: Path, trained: str) -> None:
    source = str(data / "dev.source")
    rows = [line.split("\t") for line in output(capsys, "predict", trained, source, "--n-best", "2").split("\n")[:-1]]
    assert [row[:2] for row in rows] == [[str(number), rank] for number in range(1, 9) for rank in "12"]
    found = rows_of(output(capsys, "predict", trained, source, "--n-best", "2", "--json"))
    texts = [hypothesis["text"] for row in found for hypothesis in row["hypotheses"]]
    assert texts == [row[3] for row in rows]


def test_predict_keeps_lines_whatever_they_hold(capsys: Capture, trained: str, tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_bytes(b"ab\xffc\n\n   \na\0b\r\n" + "x\u2028y\x0cz\n안녕\n".encode() + b"abc" * 5000 + b"\nlast")
    assert output(capsys, "predict", trained, str(path), "--beam-size", "1").count("\n") == 8


def test_evaluate(capsys: Capture, data: Path, trained: str) -> None:
    metrics = json.loads(output(capsys, "evaluate", trained, str(data / "dev.tsv"), "--json"))
    assert metrics.keys() >= METRICS
    assert metrics["pairs"] == 8
    of_training = json.loads(Path(trained, "metrics.json").read_text(encoding="utf-8"))
    assert of_training.keys() >= METRICS
    two = [str(data / f"dev.{side}") for side in ("source", "target")]
    assert json.loads(output(capsys, "evaluate", trained, *two, "--json")) == metrics


def test_score(capsys: Capture, data: Path, trained: str) -> None:
    rows = rows_of(output(capsys, "score", trained, str(data / "dev.tsv"), "--json"))
    assert len(rows) == 8
    for row in rows:
        assert sum(row["token_log_probs"]) == pytest.approx(row["log_prob"], abs=1e-4)
        assert row["log_prob"] < 0


def test_compare_models_of_other_units(capsys: Capture, data: Path, trained: str, from_two_files: str) -> None:
    result = json.loads(output(capsys, "compare", trained, from_two_files, str(data / "dev.tsv"), "--json"))
    assert result["pairs"] == 8
    assert {"exact_match", "chrf", "token_error_rate"} <= {row["metric"] for row in result["metrics"]}
    assert result["left_out"] == {"bleu": "no reference of 4 tokens"}  # the targets are single words


def test_info(capsys: Capture, trained: str) -> None:
    facts = json.loads(output(capsys, "info", trained, "--json"))
    assert facts["config"]["training.max_steps"] == 4
    assert facts["metrics"].keys() >= METRICS
    assert f"{facts['parameters']:,} parameters" in output(capsys, "info", trained)


def test_check(capsys: Capture, data: Path) -> None:
    split = f"dev={data / 'dev.tsv'}"
    found = json.loads(output(capsys, "check", str(data / "pairs.tsv"), "--split", split, "--json"))
    assert (found["lines"], found["kept"], found["dropped"]) == (80, 80, {})
    assert [leak["second"] for leak in found["leakage"]] == ["dev"]


@pytest.mark.slow
def test_demo(capsys: Capture, tmp_path: Path) -> None:
    words = ["demo", "-o", str(tmp_path / "demo"), "--steps", "3", "--pairs", "60", "--device", "cpu"]
    shown = output(capsys, *words)
    for said in ("before, after", "after training:", "exactly right", "where it looks", "seqweave predict"):
        assert said in shown
    assert json.loads((tmp_path / "demo" / "metrics.json").read_text(encoding="utf-8")).keys() >= METRICS
    assert (tmp_path / "demo" / "attention.png").is_file()
    assert "every file is as it was written" in output(capsys, "info", str(tmp_path / "demo"))


@pytest.mark.parametrize("words", [["--steps", "0"], ["--pairs", "-1"]])
def test_demo_refuses_nothing_to_do(capsys: Capture, tmp_path: Path, words: list[str]) -> None:
    assert words[0] in refused(capsys, "demo", "-o", str(tmp_path / "demo"), *words)
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate", "{model}", "{empty}"], "it is empty"),
        (["evaluate", "{model}", "{no_tab}"], "none of 2 lines is usable: missing_column (2)"),
        (["score", "{model}", "{no_source}"], "empty_source (1)"),
        (["compare", "{model}", "{model}", "{empty}"], "it is empty"),
        (["predict", "{model}", "{utf16}"], "UTF-16"),
        (["check", "{pairs}", "--split", "data={pairs}"], "'data' is already DATA itself"),
        (["check", "{pairs}", "--split", "a={pairs}", "--split", "a={empty}"], "'a' is already"),
        (["info", "{pairs}"], "is a file"),
        (["info", "{data}"], "no MANIFEST.json"),
        (["predict", "{model}", "--beam-size", "many"], "--beam-size"),
        (["info", "{model}", "--jsn"], "--jsn"),
        (["train", "{pairs}", "-o", "{data}/x", "--source-units", ""], "data.source.units"),
        (["train", "{pairs}"], "-o"),
        (["trian"], "did you mean 'train'"),
    ],
)
def test_refusals(capsys: Capture, data: Path, trained: str, tmp_path: Path, words: list[str], said: str) -> None:
    contents = {"empty": b"", "no_tab": b"a\nb\n", "no_source": b"\tb\n", "utf16": "a\tb\n".encode("utf-16")}
    places = {"model": trained, "data": str(data), "pairs": str(data / "pairs.tsv")}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        places[name] = str(tmp_path / name)
    there = sorted(path.name for path in data.iterdir())
    assert said.lower() in refused(capsys, *(word.format(**places) for word in words)).lower()
    assert sorted(path.name for path in data.iterdir()) == there


@pytest.mark.parametrize(
    ("words", "closed", "code"),
    [
        ("predict", "<&-", 2),
        slow("predict", "</dev/null >&-", 0),
        slow("info", "2>&-", 0),
        ("nothing", "2</dev/null", 2),
    ],
)
def test_closed_streams_are_no_traceback(trained: str, words: str, closed: str, code: int) -> None:
    """What a daemon or a cron job may give."""
    command = f"{sys.executable} -m seqweave.cli.main {words} '{trained}' {closed}"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert result.returncode == code
    assert ("stdin" in result.stderr) == (closed == "<&-")
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_python_runs_the_package(trained: str) -> None:
    result = subprocess.run([sys.executable, "-m", "seqweave", "info", trained], capture_output=True, check=False)
    assert result.returncode == 0


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")])
def test_no_memory_is_one_sentence(
    capsys: Capture, data: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("seqweave.data.check.check_data", fails)
    assert "fit into memory" in refused(capsys, "check", str(data / "pairs.tsv"))


def test_other_runtime_errors_are_bugs(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("seqweave.data.check.check_data", fails)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["check", str(data / "pairs.tsv")])


def test_no_words_show_the_help(capsys: Capture) -> None:
    assert main([]) == 2
    assert "predict" in capsys.readouterr().out
