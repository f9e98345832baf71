"""Run a network and keep what happens inside.

The recording is done on a copy of the modules which shares every parameter with the original: nothing
is hung on the network itself, so others may use it at the same time. Every step goes through
`Seq2Seq.step`, one item after the other.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seqweave.inspection.gates import before, cell_states, gate_values
from seqweave.inspection.trace import Array, Attention, Encoder, Layer
from seqweave.model.recurrent import RecurrentEncoder, RecurrentLayer
from seqweave.model.seq2seq import Seq2Seq
from seqweave.model.state import DecoderState, Encoded
from seqweave.text.vocabulary import BOS

_Call = tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]  # inputs, state before, state after


@dataclass(frozen=True)
class Recording:
    """What a run of T steps left behind.

    Attributes:
        logits: (T, V). `embedding_norms`: of what each step read, (T,).
        layers, attention: as in a trace. `context`: (T, E) or None. `readout`: (T, size).
    """

    logits: Tensor
    embedding_norms: Array
    layers: list[Layer]
    attention: list[Attention]
    context: Array | None
    readout: Array | None


def recording_copy(network: Seq2Seq) -> Seq2Seq:
    """The same modules over the same parameters, in evaluation mode, on which hooks may be hung."""
    shared: dict[int, Any] = {id(part): part for part in (*network.parameters(), *network.buffers())}
    return copy.deepcopy(network, shared).eval()


def record_encoder(network: Seq2Seq, source: Tensor) -> tuple[Encoded, Encoder]:
    """Encode one source (1, S) and keep the states and gates of every layer."""
    twin = recording_copy(network)
    calls: dict[int, tuple[Tensor, Tensor]] = {}
    layers = [part for part in twin.encoder.modules() if isinstance(part, RecurrentLayer)]
    for layer in layers:
        layer.register_forward_hook(_keep_call(calls))
    encoded = twin.encode(source, torch.tensor([source.shape[1]], device=source.device))
    directions = 1
    traced: list[Layer] = []
    encoder = twin.encoder
    if isinstance(encoder, RecurrentEncoder):
        directions = 2 if len(encoder.backwards) else 1
        for index, forward in enumerate(encoder.forwards):
            parts = [_encoder_layer(forward, calls, turned=twin.reverse_source)]
            if directions == 2:
                parts.append(_encoder_layer(encoder.backwards[index], calls, turned=not twin.reverse_source))
            traced.append(_side_by_side(parts))
    return encoded, Encoder(
        directions=directions,
        embedding_norms=to_array(twin.source_embedding(source)[0].norm(dim=-1)),
        layers=traced,
        attention=[],
        outputs=to_array(encoded.outputs[0]),
        final=[to_array(part[0]) for part in encoded.final],
    )


def record_steps(network: Seq2Seq, encoded: Encoded, ids: Sequence[int]) -> Recording:
    """Feed `<bos>` and all but the last of `ids` (T of them), one a step, to the decoder of one sentence."""
    twin = recording_copy(network)
    layers = [part for part in twin.decoder.modules() if isinstance(part, RecurrentLayer)]  # type: ignore[attr-defined]
    calls: list[list[_Call]] = [[] for _ in layers]
    for layer, kept in zip(layers, calls, strict=True):
        _record_steps_of(layer, kept)
    scores: list[Tensor] = []
    readouts: list[Tensor] = []
    scorer = getattr(twin.decoder, "scorer", None)
    if isinstance(scorer, nn.Module):
        scorer.register_forward_hook(lambda module, given, result: scores.append(result[0, 0]))  # (G, Q, S) -> (S,)
    twin.generator.register_forward_pre_hook(lambda module, given: readouts.append(given[0][0]))  # (R, size)
    fed = torch.tensor([BOS, *ids[:-1]], device=encoded.outputs.device)  # (T,)
    state = twin.start(encoded)
    logits, weights = [], []
    for item in fed.split(1):
        output = twin.step(item, state, return_attention=True)
        state = output.state
        logits.append(output.logits[0])
        if output.attention is not None:
            weights.append(output.attention[0])
    return Recording(
        logits=torch.stack(logits),  # (T, V)
        embedding_norms=to_array(twin.target_embedding(fed[None])[0].norm(dim=-1)),
        layers=[_decoder_layer(layer, kept) for layer, kept in zip(layers, calls, strict=True)],
        attention=_matrices(weights, scores),
        context=_contexts(weights, state),
        readout=to_array(torch.stack(readouts)),
    )


def to_array(values: Tensor) -> Array:
    """A tensor as an array of its own; halves become single precision."""
    if values.dtype in (torch.bfloat16, torch.float16):
        values = values.float()
    array: Array = values.detach().cpu().numpy()
    return array


def _keep_call(calls: dict[int, tuple[Tensor, Tensor]]) -> Callable[..., None]:
    def hook(module: nn.Module, given: tuple[Any, ...], result: tuple[Tensor, Any]) -> None:
        calls[id(module)] = (given[0][0], result[0][0])  # inputs (S, M), outputs (S, H)

    return hook


def _record_steps_of(layer: RecurrentLayer, kept: list[_Call]) -> None:
    step = layer.step

    def recorded(inputs: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        after = step(inputs, state)
        kept.append((inputs, tuple(state), after))
        return after

    layer.step = recorded  # type: ignore[method-assign]


def _encoder_layer(layer: nn.Module, calls: dict[int, tuple[Tensor, Tensor]], turned: bool) -> dict[str, Tensor]:
    """Hidden, cell and gates of one direction in the order of the source. Shape: each (S, H)."""
    assert isinstance(layer, RecurrentLayer)
    inputs, hidden = calls[id(layer)]
    gates = gate_values(layer, inputs, before(hidden))
    parts = {"hidden": hidden, **gates}
    cell = cell_states(gates) if layer.cell == "lstm" else None
    if cell is not None:
        parts["cell"] = cell
    return {name: part.flip(0) for name, part in parts.items()} if turned else parts


def _side_by_side(directions: list[dict[str, Tensor]]) -> Layer:
    parts = {name: to_array(torch.cat([one[name] for one in directions], -1)) for name in directions[0]}
    hidden, cell = parts.pop("hidden"), parts.pop("cell", None)
    return Layer(hidden, cell, parts)


def _decoder_layer(layer: RecurrentLayer, calls: list[_Call]) -> Layer:
    inputs = torch.cat([given for given, _, _ in calls])  # (T, M)
    hidden = torch.cat([state[0] for _, state, _ in calls])  # (T, H) before each step
    after = [torch.cat(parts) for parts in zip(*(new for _, _, new in calls), strict=True)]  # each (T, H)
    gates = {name: to_array(values) for name, values in gate_values(layer, inputs, hidden).items()}
    return Layer(to_array(after[0]), to_array(after[1]) if layer.cell == "lstm" else None, gates)


def _matrices(weights: list[Tensor], scores: list[Tensor]) -> list[Attention]:
    if not weights:
        return []
    shown = to_array(torch.stack(scores)) if len(scores) == len(weights) else None
    return [Attention(None, None, shown, to_array(torch.stack(weights)))]


def _contexts(weights: list[Tensor], state: DecoderState) -> Array | None:
    values = state.memory.values
    if not weights or values is None:
        return None
    return to_array(torch.stack(weights).to(values.dtype) @ values[0])  # (T, S) (S, E) -> (T, E)
