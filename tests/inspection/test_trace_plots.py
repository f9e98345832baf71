"""Plots of a trace: what is drawn is what is in the trace."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from architectures import CASES
from seqweave.errors import DataError
from seqweave.inspection.trace import Trace
from seqweave.inspection.trace_plots import (
    plot_attention,
    plot_entropy,
    plot_gate,
    plot_norms,
    plot_states,
    principal_axes,
)
from seqweave.inspection.tracing import trace as traced
from tiny_model import tiny_model


@pytest.fixture(scope="module")
def trace() -> Trace:
    return traced(tiny_model(CASES["lstm-general-after"]), "abcag", "gf")


def test_attention(trace: Trace) -> None:
    before = dict(mpl.rcParams)
    axes = Figure().add_subplot()
    assert plot_attention(trace, axes) is axes
    attention = trace.steps.attention[0]
    assert np.array_equal(np.asarray(axes.images[0].get_array()), attention.weights)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list("abcag")
    scored = plot_attention(trace, scores=True)
    assert attention.scores is not None
    assert np.array_equal(np.asarray(scored.images[0].get_array()), attention.scores)
    assert scored.images[0].get_clim() == (attention.scores.min(), attention.scores.max())
    forced = plot_attention(trace, forced=True)
    assert [tick.get_text() for tick in forced.get_yticklabels()] == ["g", "f", "<eos>"]
    assert dict(mpl.rcParams) == before


def test_entropy_gates_norms_states(trace: Trace) -> None:
    heights = [patch.get_height() for patch in plot_entropy(trace).patches]  # type: ignore[attr-defined]
    assert heights == pytest.approx(trace.steps.entropy.tolist())
    for side, layers in (("encoder", trace.encoder.layers), ("decoder", trace.steps.layers)):
        image = plot_gate(trace, "f", side=side).images[0]
        assert np.array_equal(np.asarray(image.get_array()), layers[-1].gates["f"].T)
        assert image.get_clim() == (0, 1)
    assert plot_gate(trace, "g").images[0].get_clim() == (-1, 1)
    lines = plot_norms(trace).lines
    assert np.asarray(lines[0].get_ydata()) == pytest.approx(np.linalg.norm(trace.encoder.outputs, axis=1))
    texts = [text.get_text() for text in plot_states(trace).texts]
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
        plot_attention(blind)
    with pytest.raises(DataError, match="must have a target to show its teacher-forced twin"):
        plot_attention(blind, forced=True)
    with pytest.raises(DataError, match=r"one that the layer has \(i, f, g, o\), but it is z"):
        plot_gate(trace, "z")
    with pytest.raises(DataError, match=r"one that the layer has \(none\), but it is z"):
        plot_gate(blind, "z")
    with pytest.raises(DataError, match="one of the 1 of the decoder, counted from 0, but it is 4"):
        plot_gate(trace, "f", layer=4)
    with pytest.raises(DataError, match="side must be encoder or decoder, but it is left"):
        plot_gate(trace, "f", side="left")
