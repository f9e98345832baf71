"""Medians, fits, intervals and tables of the speed bench."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Load = Callable[[str], ModuleType]


def test_medians_leave_noisy_runs_out(speed: Load) -> None:
    tables = speed("tables")
    lines = [{"v": 1.0}, {"v": 3.0}, {"v": 2.0}, {"v": 99.0, "noisy": True}]
    assert tables.median(lines, "v") == 2.0
    assert tables.median(lines[3:], "v") == 99.0  # nothing else is there
    assert tables.median(lines, "w") is None


def test_the_best_group_is_that_of_the_best_median(speed: Load) -> None:
    tables = speed("tables")
    groups = tables.grouped([{"name": "a", "v": 1}, {"name": "b", "v": 5}, {"name": "a", "v": 8}], "name")
    assert tables.best(groups, "v") == 5
    assert tables.best(groups, "v", largest=False) == 4.5
    assert tables.best({}, "v") is None


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_growth_finds_the_exponent(speed: Load, exponent: float) -> None:
    sizes = [10, 30, 100, 300]
    assert speed("tables").growth(sizes, [7 * size**exponent for size in sizes]) == pytest.approx(exponent)


def test_a_paired_interval(speed: Load) -> None:
    middle, half = speed("tables").paired_interval([1.0, 2.0, 3.0], [2.0, 3.5, 3.5])
    assert middle == pytest.approx(1.0)
    assert half == pytest.approx(4.303 * 0.5 / 3**0.5)


def test_lines_of_a_missing_file(speed: Load, tmp_path: Path) -> None:
    tables = speed("tables")
    assert tables.read_lines(tmp_path / "none.jsonl") == []
    (tmp_path / "two.jsonl").write_text('{"a": 1}\n{"a": "\\u2028"}\n', encoding="utf-8")
    assert tables.read_lines(tmp_path / "two.jsonl") == [{"a": 1}, {"a": "\u2028"}]


def test_a_table(speed: Load) -> None:
    assert speed("tables").markdown(["x", "y"], [["a", "1"]]) == "| x | y |\n|---|---:|\n| a | 1 |"


def test_kinds_of_operators(speed: Load) -> None:
    hotspots = speed("hotspots")
    assert hotspots.kind_of("aten::mkldnn_rnn_layer_backward") == "recurrent kernels"
    assert hotspots.kind_of("aten::addmm") == "matrix products"
    assert hotspots.kind_of("aten::tanh") == "tanh, sigmoid"
    assert hotspots.by_kind([("aten::mm", 1.0), ("aten::bmm", 2.0), ("aten::sort", 4.0)]) == {
        "the rest": 4.0,
        "matrix products": 3.0,
    }


def test_made_up_texts(speed: Load) -> None:
    synthetic = speed("synthetic")
    assert [len(text.split(" ")) for text in synthetic.texts([3, 1, 7], 50, 1)] == [3, 1, 7]
    items = {item for text in synthetic.all_items(250) for item in text.split(" ")}
    assert len(items) == 250
    lengths = synthetic.drawn_lengths(400, 12, 3, 40, 1)
    assert len(lengths) == 400
    assert all(max(run) - min(run) <= 8 for run in (lengths[i : i + 40] for i in range(0, 400, 40)))
