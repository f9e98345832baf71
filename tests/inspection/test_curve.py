"""The curve of exposure bias from a run's log: by hand, damaged lines left out, as text, data and picture."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from seqweave.cli.main import main
from seqweave.errors import ModelFolderError
from seqweave.inspection.curve import CurvePoint, curve_json, curve_text, plot_curve, read_curve

ROWS = [
    {"event": "step", "step": 5, "loss": 1.0},
    {"event": "validation", "step": 10, "perplexity": math.exp(2.0), "free_running_perplexity": math.exp(3.5)},
    {"event": "validation", "step": 20, "perplexity": math.exp(1.0), "free_running_perplexity": None},
    {"event": "validation", "step": 20, "perplexity": 1.0, "free_running_perplexity": 1.0, "averaged": [10, 20]},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [json.dumps(row) for row in ROWS]
    (tmp_path / "events.jsonl").write_text("\n".join([*lines, '{"event": "valid']), encoding="utf-8")
    return tmp_path


def test_a_curve_by_hand(folder: Path) -> None:
    first, second = read_curve(folder)
    assert (first.step, second.step) == (10, 20)
    assert (first.forced, first.free, first.gap) == pytest.approx((2.0, 3.5, 1.5))
    assert (second.forced, second.free, second.gap) == pytest.approx((1.0, math.inf, math.inf))
    assert [row["gap"] for row in curve_json([first, second])] == [pytest.approx(1.5), None]


def test_a_curve_as_text(folder: Path) -> None:
    points = [CurvePoint(10, 2.0, 3.5), CurvePoint(1200, 1.0, 1.75), CurvePoint(1300, 1.0, 0.5)]
    assert curve_text(points).split("\n") == [
        "      step  teacher-forced  free-running      gap   (nats per item)",
        "        10          2.0000        3.5000   1.5000   " + "#" * 30,
        "     1,200          1.0000        1.7500   0.7500   " + "#" * 15,
        "     1,300          1.0000        0.5000  -0.5000",
    ]
    assert "inf" in curve_text(read_curve(folder)).split("\n")[-1]


def test_a_curve_as_a_picture(folder: Path) -> None:
    axes = plot_curve(read_curve(folder))
    forced, free = (np.asarray(line.get_ydata(), dtype=float).tolist() for line in axes.get_lines())
    assert forced == pytest.approx([2.0, 1.0])
    assert free[0] == pytest.approx(3.5)
    assert math.isnan(free[1])
    assert plot_curve([CurvePoint(1, 0.0, 1.0)], ax=axes) is axes


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(folder), "--curve"]) == 0
    assert capsys.readouterr().out.rstrip("\n") == curve_text(read_curve(folder))
    assert main(["info", str(folder), "--curve", "--json"]) == 0
    assert [row["step"] for row in json.loads(capsys.readouterr().out)] == [10, 20]
    assert main(["info", str(folder), "--plot", str(folder / "curve.png")]) == 0
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert main(["info", str(folder), "--plot", str(folder / "curve.txt")]) == 2
    assert "the name of a picture must end in .png, .pdf, .svg, but it is" in capsys.readouterr().err
    assert main(["info", str(folder), "--plot", str(folder / "no" / "curve.png")]) == 2
    assert "No such file or directory; choose another place" in capsys.readouterr().err


def test_what_has_no_curve_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"must hold events\.jsonl, the log of a run, for a curve"):
        read_curve(tmp_path)
    (tmp_path / "events.jsonl").write_text(json.dumps(ROWS[0]) + "\n", encoding="utf-8")
    with pytest.raises(ModelFolderError, match="holds no validation yet: wait for the first one"):
        read_curve(tmp_path)
