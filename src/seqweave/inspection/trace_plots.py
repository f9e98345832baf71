"""A trace drawn with matplotlib: on axes that are given, or on a new figure outside pyplot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seqweave.errors import DataError
from seqweave.inspection import plots
from seqweave.inspection.gates import CANDIDATES
from seqweave.inspection.labels import label_of
from seqweave.inspection.trace import Array, Layer, Steps, Token, Trace, attention_of
from seqweave.wording import without_attention

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SOURCE_COLOUR, TARGET_COLOUR = "#0072b2", "#d55e00"  # of the palette of Okabe and Ito, told apart by everybody


def plot_attention(trace: Trace, ax: Axes | None = None, *, forced: bool = False, scores: bool = False) -> Axes:
    """Attention weights (or scores before the softmax) as an image; the mean where there are several matrices.

    Raises:
        DataError: when the model has no attention, shows no scores, or `forced` without a target.
    """
    steps = _steps(trace, forced)
    attention = attention_of(steps)
    if attention is None:
        raise DataError(without_attention("for it to be drawn", "plot_states works"))
    values = attention.weights
    if scores:
        if attention.scores is None:
            raise DataError("there must be scores to be drawn, but the trace has only weights: leave scores=False")
        values = attention.scores
    axes = plots.plot_attention(values, _texts(trace.source.tokens), _texts(steps.tokens), ax)
    if scores:
        axes.images[-1].set_clim(float(values.min()), float(values.max()))
    return axes


def plot_entropy(trace: Trace, ax: Axes | None = None) -> Axes:
    """Entropy of each step's distribution as bars (nats), the probability of what was taken as a line."""
    axes, steps = _axes(ax, len(trace.steps.tokens)), trace.steps
    places = np.arange(len(steps.tokens))
    axes.bar(places, steps.entropy, color=SOURCE_COLOUR, label="entropy (nats)")
    axes.plot(places, np.exp(steps.log_probs), color=TARGET_COLOUR, marker="o", label="probability taken")
    _name_positions(axes, _texts(steps.tokens))
    axes.set_ylim(bottom=0)
    axes.legend()
    return axes


def plot_gate(trace: Trace, gate: str, ax: Axes | None = None, *, layer: int = -1, side: str = "decoder") -> Axes:
    """One gate of a layer: a row for each unit, a column for each position.

    Raises:
        DataError: when there is no such gate, layer or side.
    """
    sides: dict[str, tuple[list[Layer], list[Token]]] = {
        "encoder": (trace.encoder.layers, trace.source.tokens),
        "decoder": (trace.steps.layers, trace.steps.tokens),
    }
    if side not in sides:
        raise DataError(f"side must be encoder or decoder, but it is {side}: choose one of them")
    layers, tokens = sides[side]
    if not -len(layers) <= layer < len(layers):
        raise DataError(f"layer must be one of the {len(layers)} of the {side}, counted from 0, but it is {layer}")
    gates = layers[layer].gates
    if gate not in gates:
        known = ", ".join(gates) or "none"
        raise DataError(f"gate must be one that the layer has ({known}), but it is {gate}: choose another")
    axes = _axes(ax, len(tokens))
    lowest = -1 if gate in CANDIDATES else 0
    colours = "RdBu_r" if gate in CANDIDATES else "viridis"
    axes.imshow(gates[gate].T, cmap=colours, vmin=lowest, vmax=1, aspect="auto", interpolation="nearest")
    _name_positions(axes, _texts(tokens))
    axes.set_ylabel(f"units of gate {gate}")
    return axes


def plot_norms(trace: Trace, ax: Axes | None = None) -> Axes:
    """The length of the last layer's state at each position, encoder and decoder."""
    encoder, decoder = _last_states(trace)
    axes = _axes(ax, max(len(encoder), len(decoder)))
    for states, name, colour in ((encoder, "encoder", SOURCE_COLOUR), (decoder, "decoder", TARGET_COLOUR)):
        axes.plot(np.linalg.norm(states, axis=1), color=colour, marker="o", label=name)
    axes.set_xlabel("position")
    axes.set_ylabel("norm of the state")
    axes.set_ylim(bottom=0)
    axes.legend()
    return axes


def plot_states(trace: Trace, ax: Axes | None = None) -> Axes:
    """The paths of the last layers' states, each on its own first two principal axes.

    Encoder and decoder have spaces of their own, so only the shapes of the paths can be compared.
    """
    encoder, decoder = _last_states(trace)
    axes = _axes(ax, 14)
    runs = ((encoder, trace.source.tokens, SOURCE_COLOUR), (decoder, trace.steps.tokens, TARGET_COLOUR))
    for (states, tokens, colour), name in zip(runs, ("encoder", "decoder"), strict=True):
        path = principal_axes(states)
        axes.plot(path[:, 0], path[:, 1], color=colour, marker="o", label=name)
        families = plots._font_families("".join(label_of(text) for text in _texts(tokens)))
        for point, text in zip(path, _texts(tokens), strict=True):
            axes.annotate(label_of(text), (point[0], point[1]), fontfamily=families)
    axes.set_xlabel("first principal axis")
    axes.set_ylabel("second principal axis")
    axes.legend()
    return axes


def principal_axes(states: Array, count: int = 2) -> Array:
    """States (N, H) on their first principal axes (N, count); missing axes are zero."""
    centred = np.asarray(states, dtype=np.float64) - states.mean(0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    projected = (left * singular)[:, :count]
    return np.pad(projected, ((0, 0), (0, count - projected.shape[1])))


def _steps(trace: Trace, forced: bool) -> Steps:
    if not forced:
        return trace.steps
    if trace.forced is None:
        raise DataError("a trace must have a target to show its teacher-forced twin, but it has none: trace with one")
    return trace.forced.steps


def _last_states(trace: Trace) -> tuple[Array, Array]:
    if not trace.steps.layers:
        raise DataError(
            "a model must have recurrent states to be drawn so, but this one has none: plot_attention works"
        )
    return trace.encoder.outputs, trace.steps.layers[-1].hidden


def _texts(tokens: Sequence[Token]) -> list[str]:
    return [token.text for token in tokens]


def _axes(ax: Axes | None, positions: int) -> Axes:
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=(2 + 0.38 * positions, 4), layout="constrained").add_subplot()  # inches


def _name_positions(axes: Axes, texts: Sequence[str]) -> None:
    labels = [label_of(text) for text in texts]
    axes.set_xticks(range(len(labels)), labels, fontfamily=plots._font_families("".join(labels)))
    for tick in axes.get_xticklabels():
        if len(tick.get_text()) > 2:
            tick.set_rotation(90)
