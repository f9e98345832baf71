"""From the modules of a stepping decoder to the tensors of `loops`.

Where the loop does not apply (residual connections, layer normalisation, a cell without a derivative written out,
scorers without a `ScoreForm`, windows, other types than fp32 and fp64), decoders fall back to `looped`.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor

from seqweave.model.attention.base import ScoreForm, Scorer, Window
from seqweave.model.cells.base import tell_slow_path
from seqweave.model.input.one_hot import OneHotInput, linear, rows_of, with_rows
from seqweave.model.kernels.cells import StartLoop
from seqweave.model.kernels.loops import LoopInputs, Plan, run_loop
from seqweave.model.kernels.stacks import LayerParts
from seqweave.model.recurrent.encoder import RecurrentLayer, RecurrentStack
from seqweave.model.state import DecoderState

_Part = TypeVar("_Part")


def loop_applies(
    stack: RecurrentStack,
    scorer: Scorer,
    embedded: Tensor | OneHotInput,
    state: DecoderState,
    window: Window | None = None,
) -> bool:
    """Whether `loops` can run these modules on this input (B, T, M)."""
    rows = rows_of(embedded)
    plain = stack.norms is None and not stack.residual and window is None and scorer.form() is not None
    applies = plain and state.width == 1 and rows.shape[1] > 0 and _exact(rows.dtype)
    cell = stack.stack_layers()[0].cell
    if applies and cell.loop is None:
        tell_slow_path(cell.name, "derivative written out for a decoder that steps")
    return applies and cell.loop is not None


def before_features(
    stack: RecurrentStack, scorer: Scorer, embedded: Tensor | OneHotInput, state: DecoderState
) -> tuple[Tensor, Tensor, Tensor]:
    """The previous state queries, the context enters the cell.

    Shape: embedded (B, T, M) or items (B, T, V) -> hidden states (B, T, H), contexts (B, T, E), weights (B, T, S).
    """
    values = _present(state.memory.values)
    bottom = stack.stack_layers()[0]
    size = values.shape[2]
    word, context = bottom.weight_ih.split([bottom.input_size - size, size], 1)  # (G, M), (G, E)
    given = _first_sums(bottom, word, embedded)  # (T, B, G)
    form = _present(scorer.form())
    plan = Plan(_loop(bottom), len(stack.layers), _scale(form, state), feeding=False)
    hidden, contexts, weights, _ = run_loop(plan, _inputs(stack, form, given, context, state))
    return hidden.to(contexts.dtype).transpose(0, 1), contexts.transpose(0, 1), weights.transpose(0, 1)


def feeding_features(
    stack: RecurrentStack, scorer: Scorer, readout: Tensor, embedded: Tensor | OneHotInput, state: DecoderState
) -> tuple[Tensor, Tensor, Tensor]:
    """The new state queries, the readout is fed to the next step.

    Shape: weight of a `TanhReadout` (size, E + H), embedded (B, T, M) or items (B, T, V) ->
    readouts (B, T, size), hidden states (B, T, H), weights (B, T, S).
    """
    values, feed = _present(state.memory.values), _present(state.feed)
    bottom = stack.stack_layers()[0]
    word, fed = bottom.weight_ih.split([bottom.input_size - feed.shape[1], feed.shape[1]], 1)  # (G, M), (G, size)
    context, hidden = readout.split([values.shape[2], stack.output_size], 1)  # (size, E), (size, H)
    given = _first_sums(bottom, word, embedded)  # (T, B, G)
    form = _present(scorer.form())
    plan = Plan(_loop(bottom), len(stack.layers), _scale(form, state), feeding=True)
    inputs = _inputs(stack, form, given, context, state, hidden, fed, feed)
    readouts, _, weights, hidden = run_loop(plan, inputs)
    return readouts.transpose(0, 1), _present(hidden).transpose(0, 1), weights.transpose(0, 1)


def _inputs(
    stack: RecurrentStack,
    form: ScoreForm,
    given: Tensor,
    context: Tensor,
    state: DecoderState,
    readout: Tensor | None = None,
    feed: Tensor | None = None,
    first: Tensor | None = None,
) -> LoopInputs:
    """Casts and joins: types are decided here. Shape: see `LoopInputs`."""
    exact, narrow = _types(_present(state.memory.values))
    keys, direction = _present(state.memory.keys).to(exact), None
    beside = [] if readout is None else [readout]
    if form.direction is not None:
        keys, direction = 2 * keys, 2 * form.direction.to(exact)
        beside.append(2 * _present(form.query))
    return LoopInputs(
        given.to(exact),
        _present(state.memory.mask),
        keys,
        direction,
        _present(state.memory.values).to(exact),
        context.to(narrow),
        None if feed is None else feed.to(narrow),
        None if first is None else first.to(exact),
        _layers(stack, given.shape[0], state, beside, exact, narrow),
    )


def _layers(
    stack: RecurrentStack,
    steps: int,
    state: DecoderState,
    beside: list[Tensor],
    exact: torch.dtype,
    narrow: torch.dtype,
) -> tuple[LayerParts, ...]:
    """`beside`: weights joined with the last layer's recurrence."""
    layers = stack.stack_layers()
    parts: list[LayerParts] = []
    taken = 0
    for index, layer in enumerate(layers):
        joined: Tensor = layer.weight_hh
        bias: Tensor = layer.bias_hh
        if index + 1 == len(layers) and beside:
            joined = torch.cat([joined, *beside])  # (G + ..., H)
            bias = torch.cat([bias, bias.new_zeros(len(joined) - len(bias))])  # (G + ...,)
        first = tuple(part.to(exact) for part in state.recurrent[taken : taken + layer.state_parts])
        taken += layer.state_parts
        above = layer.weight_ih.to(narrow) if index else None
        above_bias = layer.bias_ih.to(narrow) if index else None
        dropout = stack.dropout.factors(len(first[0]), steps, layer.input_size, like=first[0]) if index else None
        if dropout is not None:
            dropout = dropout.transpose(0, 1)  # (T, B, H) or (1, B, H)
        parts.append(LayerParts(joined.to(narrow), bias.to(narrow), above, above_bias, dropout, first))
    return tuple(parts)


def _first_sums(layer: RecurrentLayer, weight: Tensor, embedded: Tensor | OneHotInput) -> Tensor:
    """The embedding's part of the first layer's gates. Shape: (B, T, M) or items (B, T, V) -> (T, B, G)."""
    turned = rows_of(embedded).transpose(0, 1).contiguous()  # (T, B, M) or (T, B, V)
    return linear(with_rows(embedded, turned), weight, layer.bias_ih)


def _loop(layer: RecurrentLayer) -> StartLoop:
    assert layer.cell.loop is not None
    return layer.cell.loop


def _scale(form: ScoreForm, state: DecoderState) -> float | None:
    if form.direction is not None:
        return None
    return 1 / math.sqrt(_present(state.memory.keys).shape[-1]) if form.scaled else 1.0


def _types(like: Tensor) -> tuple[torch.dtype, torch.dtype]:
    """Types of states and sums, and of products with weights."""
    device = like.device.type
    narrow = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else like.dtype
    return (torch.float64 if narrow == torch.float64 else torch.float32), narrow


def _exact(dtype: torch.dtype) -> bool:
    return dtype in (torch.float32, torch.float64)


def _present(part: _Part | None) -> _Part:
    assert part is not None
    return part
