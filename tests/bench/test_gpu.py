"""The GPU bench, at tiny sizes on the processor: it runs without git, and one failure leaves the others alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Load = Callable[[str], ModuleType]
TINY = ["--smoke", "--works", "w2", "--variants", "after,fp32", "before", "--seconds", "0.001"]


def without_git(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("PATH", "/nowhere")


def cells_of(report: str, start: str) -> list[list[str]]:
    """The rows of its tables that begin so."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in report.split("\n") if "|" in line]
    return [row for row in rows if row[0] == start]


def tiny_run(gpu: ModuleType, patch: pytest.MonkeyPatch, *more: str) -> None:
    patch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    gpu.main([*TINY, *more])


@pytest.mark.slow
def test_it_runs_without_git(
    speed: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_git(monkeypatch)
    tiny_run(speed("gpu"), monkeypatch, "--out", str(tmp_path / "gpu.md"))
    report = capsys.readouterr().out
    assert (tmp_path / "gpu.md").read_text(encoding="utf-8") == report
    assert "SMOKE RUN" in report
    assert "seqweave at unknown" in report
    assert "there is no TF32 here" in report
    assert "failed: " not in "".join("".join(row) for row in cells_of(report, "ours after,fp32"))
    training, decoding = cells_of(report, "ours after,fp32")
    assert training[1] == "fp32"
    assert training[6].endswith("%")
    assert len(decoding) == 7
    assert [row[1] for row in cells_of(report, "naive loop")] == ["bf16", "fp32"]


@pytest.mark.slow
def test_what_fails_is_said_in_its_row(
    speed: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu = speed("gpu")
    real_training = gpu.train_ours

    def training(data: Any, name: str, *more: Any) -> Any:
        if name == "before":
            raise RuntimeError("no kernel for this\nand much more")
        return real_training(data, name, *more)

    def decoding(*arguments: Any) -> Any:
        raise ValueError("no decoding")

    monkeypatch.setattr(gpu, "train_ours", training)
    monkeypatch.setattr(gpu, "decode", decoding)
    tiny_run(gpu, monkeypatch)
    captured = capsys.readouterr()
    before, after = cells_of(captured.out, "ours before"), cells_of(captured.out, "ours after,fp32")
    assert before[0][-1] == before[1][1] == "failed: RuntimeError: no kernel for this"
    assert after[0][6].endswith("%")
    assert after[1][1] == "failed: ValueError: no decoding"
    assert len(cells_of(captured.out, "naive loop")) == 2
    assert "Traceback" in captured.err


def test_a_work_that_fails_leaves_the_others(
    speed: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu = speed("gpu")

    def tables(shape: Any, options: argparse.Namespace, *more: Any) -> str:
        if shape.work.name == "w1":
            raise RuntimeError("no data")
        return "## w2 as ever"

    monkeypatch.setattr(gpu, "work_tables", tables)
    tiny_run(gpu, monkeypatch, "--works", "w1", "w2")
    assert capsys.readouterr().out.endswith("## w1\n\nfailed: RuntimeError: no data\n\n## w2 as ever\n")


@pytest.mark.parametrize(("allowed", "expected"), [(True, 3.0), (False, 1.0)])
def test_the_peak_of_fp32_is_with_tf32_where_it_is_used(
    speed: Load, monkeypatch: pytest.MonkeyPatch, allowed: bool, expected: float
) -> None:
    gpu = speed("gpu")
    monkeypatch.setattr(gpu.torch.backends.cudnn, "allow_tf32", allowed)
    peaks = {"bf16": 9.0, "fp32": 1.0, "tf32": 3.0}
    assert gpu.fp32_peak(peaks) == expected
    assert gpu.fp32_peak({"bf16": 9.0, "fp32": 1.0}) == 1.0
    line = gpu.peaks_line(peaks)
    assert "fp32 without TF32 1.0 TFLOP/s, fp32 with TF32 3.0 TFLOP/s" in line
    assert ("uses TF32" in line) == allowed
