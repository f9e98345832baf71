"""Attention as a plot and as text."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from seqweave.errors import ConfigError, DataError
from seqweave.inspection import plots
from seqweave.inspection.labels import label_of, width_of
from seqweave.inspection.plots import plot_attention
from seqweave.inspection.terminal import render_attention

TOKENS = st.lists(st.text(st.sampled_from("abc <>학교日가\t"), max_size=20), min_size=1, max_size=60)


def test_plot_draws_on_the_axes_it_is_given() -> None:
    before = dict(mpl.rcParams)
    given_axes = Figure().add_subplot()
    weights = np.array([[0.75, 0.25], [0.5, 0.5], [0, 1]])
    axes = plot_attention(weights, ["a", "long"], ["x", "y", "<eos>"], given_axes)
    assert axes is given_axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "long"]
    assert [tick.get_rotation() for tick in axes.get_xticklabels()] == [0, 90]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["x", "y", "<eos>"]
    image = axes.images[0]
    assert np.array_equal(np.asarray(image.get_array()), weights)
    assert image.get_clim() == (0, 1)
    assert dict(mpl.rcParams) == before


def test_plot_makes_a_figure_outside_pyplot(tmp_path: Path) -> None:
    axes = plot_attention(np.eye(2), ["a", "b"], ["c", "d"])
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "attention.png")
    assert (tmp_path / "attention.png").read_bytes().startswith(b"\x89PNG")


def test_plot_warns_once_of_glyphs_no_font_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "_candidates", lambda: [])
    with pytest.warns(
        UserWarning, match="no installed font has glyphs for 교 학 .2 characters.*Noto Sans CJK"
    ) as found:
        plot_attention(np.eye(2), ["학", "교"], ["school", "<eos>"])
    assert len(found) == 1
    assert found[0].filename == __file__


def test_plot_takes_a_second_font_when_it_has_the_glyphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "_candidates", lambda: [("Empty", "empty"), ("Hangul Font", "hangul"), ("Other", "x")])
    monkeypatch.setattr(
        plots, "_missing", lambda path, characters: set() if path == "hangul" else set(characters) - set("school")
    )
    assert plots._font_families("학교 school") == [*mpl.rcParams["font.family"], "Hangul Font"]


def test_terminal_matrix_by_hand() -> None:
    text = render_attention(np.array([[1.0, 0.0, 0.5], [0.25, 0.75, 0.0]]), ["학", "a", "bc"], ["x", "교교"])
    assert text == "\n".join(["         b", "     학a c", "   x ██  ▒▒", "교교 ░░▓▓"])


def test_terminal_columns_line_up_under_wide_tokens() -> None:
    tokens = ["저", "a", "는", "b", "日"]
    lines = render_attention(np.eye(5), tokens, tokens).split("\n")
    for index, line in enumerate(lines[1:]):
        assert width_of(line[: line.index("█")]) == 2 + 1 + 2 * index
        assert width_of(lines[0][: lines[0].index(tokens[index])]) == 2 + 1 + 2 * index


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(source=TOKENS, target=TOKENS, width=st.integers(19, 100))
def test_terminal_never_passes_the_width_and_shows_every_row(source: list[str], target: list[str], width: int) -> None:
    weights = np.full((len(target), len(source)), 1.0)
    text = render_attention(weights, source, target, width)
    assert all(width_of(line) <= width for line in text.split("\n"))
    assert text.count("█") == 2 * weights.size


def test_labels() -> None:
    assert [label_of(token) for token in (" ", "", "a\tb", "\x00", "<eos>")] == ["␣", "∅", "a␣b", "?", "<eos>"]
    assert [label_of(token) for token in ("a\u202eb", "\u200b\ufeff", "\u0301a", "e\u0301")] == [
        "a?b",
        "??",
        "◌\u0301a",
        "e\u0301",
    ]
    assert label_of("👩\u200d👧") == "👩\u200d👧"
    assert "".join(label_of(jamo) for jamo in unicodedata.normalize("NFD", "값")) == "ㄱㅏㅄ"
    assert [width_of(text) for text in ("a", "학", "é", unicodedata.normalize("NFD", "é학"), "ａ")] == [1, 2, 1, 3, 2]


@pytest.mark.parametrize("shape", [(2, 3), (3,), (0, 2)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    for draw in (render_attention, plot_attention):
        with pytest.raises(DataError, match=r"one row for each target token .* \(3, 2\) .*but their shape is"):
            draw(np.zeros(shape), ["a", "b"], ["c", "d", "e"])


def test_too_narrow_a_terminal_is_refused() -> None:
    with pytest.raises(ConfigError, match="width must be 19 columns or more to draw attention, but it is 5"):
        render_attention(np.eye(1), ["a"], ["b"], 5)


def test_importing_does_not_import_matplotlib() -> None:
    code = "import sys, seqweave.inspection.plots; sys.exit('matplotlib' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], check=False, env=environment).returncode == 0
