"""Plots of a trace: what is drawn is what is in the trace."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from architectures import CASES
from seqweave.errors import DataError
from seqweave.inspection.trace import Trace
from seqweave.inspection.trace_plots import principal_axes
from seqweave.inspection.tracing import trace as traced
from tiny_model import tiny_model


@pytest.fixture(scope="module")
def trace() -> Trace:
    return traced(tiny_model(CASES["lstm-general-after"]), "abcag", "gf")


def test_attention(trace: Trace) -> None:
    before = dict(mpl.rcParams)
    axes = Figure().add_subplot()
    assert trace.plot_attention(axes) is axes
    attention = trace.steps.attention[0]
    assert np.array_equal(np.asarray(axes.images[0].get_array()), attention.weights)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list("abcag")
    scored = trace.plot_attention(scores=True)
    assert attention.scores is not None
    assert np.array_equal(np.asarray(scored.images[0].get_array()), attention.scores)
    assert scored.images[0].get_clim() == (attention.scores.min(), attention.scores.max())
    forced = trace.plot_attention(forced=True)
    assert [tick.get_text() for tick in forced.get_yticklabels()] == ["g", "f", "<eos>"]
    assert dict(mpl.rcParams) == before


def test_entropy_gates_norms_states(trace: Trace) -> None:
    heights = [patch.get_height() for patch in trace.plot_entropy().patches]  # type: ignore[attr-defined]
    assert heights == pytest.approx(trace.steps.entropy.tolist())
    for side, layers in (("encoder", trace.encoder.layers), ("decoder", trace.steps.layers)):
        image = trace.plot_gate("f", side=side).images[0]
        assert np.array_equal(np.asarray(image.get_array()), layers[-1].gates["f"].T)
        assert image.get_clim() == (0, 1)
    assert trace.plot_gate("g").images[0].get_clim() == (-1, 1)
    lines = trace.plot_norms().lines
    assert np.asarray(lines[0].get_ydata()) == pytest.approx(np.linalg.norm(trace.encoder.outputs, axis=1))
    texts = [text.get_text() for text in trace.plot_states().texts]
    assert texts == [*"abcag", *(token.text for token in trace.steps.tokens)]


def test_principal_axes_keep_distances_of_a_plane() -> None:
    draw = np.random.default_rng(1)
    flat = draw.normal(size=(6, 2)) @ draw.normal(size=(2, 9)) + 3
    found = principal_axes(flat)
    gaps = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    assert np.linalg.norm(found[:, None] - found[None], axis=-1) == pytest.approx(gaps)
    assert principal_axes(flat[:1]).tolist() == [[0, 0]]


def test_mistakes_are_told(trace: Trace) -> None:
    blind = tiny_model(CASES["rnn-none-first"]).trace("abc")
    with pytest.raises(DataError, match="a model must have attention for it to be drawn"):
        blind.plot_attention()
    with pytest.raises(DataError, match="must have a target to show its teacher-forced twin"):
        blind.plot_attention(forced=True)
    with pytest.raises(DataError, match=r"one that the layer has \(i, f, g, o\), but it is z"):
        trace.plot_gate("z")
    with pytest.raises(DataError, match=r"one that the layer has \(none\), but it is z"):
        blind.plot_gate("z")
    with pytest.raises(DataError, match="one of the 1 of the decoder, counted from 0, but it is 4"):
        trace.plot_gate("f", layer=4)
    with pytest.raises(DataError, match="side must be encoder or decoder, but it is left"):
        trace.plot_gate("f", side="left")
