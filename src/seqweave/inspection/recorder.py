"""Run a network and keep what happens inside.

The recording is done on a copy of the modules which shares every parameter with the original: nothing
is hung on the network itself, so others may use it at the same time. The decoder takes one `step` an
item, whatever faster ways it has.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seqweave.data.source_batch import SourceBatch
from seqweave.inspection.changes import NO_CHANGES, Changes, Overwritten
from seqweave.inspection.gates import before, cell_states, gate_values
from seqweave.inspection.trace import Array, Attention, Encoder, Layer
from seqweave.model.input.one_hot import OneHotInput
from seqweave.model.recurrent.encoder import RecurrentEncoder, RecurrentLayer
from seqweave.model.seq2seq import Seq2Seq
from seqweave.model.state import Decoded, DecoderState, Encoded
from seqweave.model.transformer.encoder_decoder import TransformerDecoder, TransformerEncoder
from seqweave.model.transformer.layers import DecoderLayer, Looks
from seqweave.text.vocabulary import BOS

_Call = tuple[tuple[Any, ...], Any]  # arguments, result


@dataclass(frozen=True)
class Recording:
    """What a run of T steps left behind.

    Attributes:
        logits: (T, V). `embedding_norms`: of what each step read, (T,).
            Of a model that copies they are log-probabilities over its extended vocabulary, (T, V + S).
        layers, attention, self_attention: as in a trace. `context`: (T, E) or None. `readout`: (T, size).
        p_gen: (T,) of a model that copies, else None.
    """

    logits: Tensor
    embedding_norms: Array
    layers: list[Layer]
    attention: list[Attention]
    self_attention: list[Attention]
    context: Array | None
    readout: Array | None
    p_gen: Array | None


def recording_copy(network: Seq2Seq) -> Seq2Seq:
    """The same modules over the same parameters, in evaluation mode, on which hooks may be hung."""
    shared: dict[int, Any] = {id(part): part for part in (*network.parameters(), *network.buffers())}
    return copy.deepcopy(network, shared).eval()


def record_encoder(network: Seq2Seq, source: SourceBatch) -> tuple[Encoded, Encoder]:
    """Encode one source, and keep the states and gates of every layer."""
    twin = recording_copy(network)
    encoder, turned = twin.encoder, twin.reverse_source
    layers = _kept_forward(encoder)
    encoded = twin.encode(*source)
    values = source.values
    traced: list[Layer] = []
    attention: list[Attention] = []
    directions = 1
    if isinstance(encoder, RecurrentEncoder):
        directions = 2 if len(encoder.backwards) else 1
        for index, forward in enumerate(encoder.forwards):
            parts = [_encoder_layer(forward, layers, turned)]
            if directions == 2:
                parts.append(_encoder_layer(encoder.backwards[index], layers, not turned))
            traced.append(_side_by_side(parts))
    elif isinstance(encoder, TransformerEncoder):
        for layer in encoder.layers:
            hidden = layers[layer][1][0][0]  # (S, M)
            traced.append(Layer(to_array(hidden.flip(0) if turned else hidden), None, {}))
        read = values.flip(1) if turned else values
        looks = encoder.attention(twin.source_input(read), source.lengths, twin.source_input.places(read))
        attention = _by_head(Looks(*(part.flip(3, 4) for part in looks)) if turned else looks)
    return encoded, Encoder(
        directions=directions,
        embedding_norms=to_array(twin.source_input(values)[0].norm(dim=-1)),
        layers=traced,
        attention=attention,
        outputs=to_array(encoded.outputs[0]),
        final=[to_array(part[0]) for part in encoded.final],
    )


def record_positions(
    network: Seq2Seq, encoded: Encoded, ids: Sequence[int], changes: Changes = NO_CHANGES
) -> Recording:
    """Feed `<bos>` and all but the last of `ids` (T of them), one a step, to the decoder of one sentence.

    With `changes`, from their start and with their attention; what is fed is `ids` all the same.
    """
    twin = recording_copy(network)
    overwritten = Overwritten(twin, changes.attention)  # before the hook on scores, which keeps what is used
    decoder: Any = twin.decoder
    layers = _kept_steps(decoder)
    scores: list[Tensor] = []
    scorer = getattr(decoder, "scorer", None)
    if isinstance(scorer, nn.Module):
        scorer.register_forward_hook(lambda module, given, result: scores.append(result[0, 0]))  # (G, Q, S) -> (S,)
    fed = torch.tensor([BOS, *ids[:-1]], device=encoded.outputs.device)  # (T,)
    embedded = twin.target_input(twin.output.fed(fed[None]))  # (1, T, M)
    state = changes.start(twin, encoded)
    steps: list[Decoded] = []
    for step, item in enumerate(embedded[0].split(1)):
        overwritten.position = step
        decoded, state = decoder.step(item, state, True)  # as in `Seq2Seq.step`, but for the output
        steps.append(decoded)
    weights = [one.weights[0] for one in steps if one.weights is not None]
    attention = _matrices(weights, scores)
    self_attention: list[Attention] = []
    if isinstance(decoder, TransformerDecoder):
        overwritten.position = None
        own, cross = decoder.attention(embedded, twin.start(encoded))
        attention, self_attention = _by_head(cross), _by_head(own)
    whole = Decoded(
        torch.stack([one.readout for one in steps], 1),  # (1, T, size)
        torch.stack([one.hidden for one in steps], 1),  # (1, T, H)
        torch.stack(weights)[None] if weights else None,  # (1, T, S)
    )
    p_gen = twin.output.p_gen(whole, embedded, state.memory)  # (1, T)
    return Recording(
        logits=twin.output(whole, embedded, state.memory)[0],  # all at once is much quicker than one by one
        embedding_norms=to_array(embedded[0].norm(dim=-1)),
        layers=[_decoder_layer(layer, calls) for layer, calls in layers.items()],
        attention=attention,
        self_attention=self_attention,
        context=_contexts(weights, state),
        readout=to_array(whole.readout[0]),
        p_gen=None if p_gen is None else to_array(p_gen[0]),
    )


def to_array(values: Tensor) -> Array:
    """A tensor as an array; halves become single precision."""
    if values.dtype in (torch.bfloat16, torch.float16):
        values = values.float()
    array: Array = values.detach().cpu().numpy()
    return array


def _kept_forward(encoder: nn.Module) -> dict[nn.Module, _Call]:
    """Let every module of the encoder keep its last call."""
    calls: dict[nn.Module, _Call] = {}

    def keep(module: nn.Module, given: tuple[Any, ...], result: Any) -> None:
        calls[module] = (given, result)

    for module in encoder.modules():
        module.register_forward_hook(keep)
    return calls


def _kept_steps(decoder: nn.Module) -> dict[nn.Module, list[_Call]]:
    """Let every layer of the decoder keep all calls of its `step`."""
    kept: dict[nn.Module, list[_Call]] = {}
    for layer in decoder.modules():
        if isinstance(layer, RecurrentLayer | DecoderLayer):
            kept[layer] = _keep_step(layer)
    return kept


def _keep_step(layer: Any) -> list[_Call]:
    calls: list[_Call] = []
    step = layer.step

    def keeping(*given: Any) -> Any:
        result = step(*given)
        calls.append((given, result))
        return result

    layer.step = keeping
    return calls


def _encoder_layer(layer: nn.Module, calls: dict[nn.Module, _Call], turned: bool) -> dict[str, Tensor]:
    """Hidden, cell and gates of one direction in the order of the source. Shape: each (S, H)."""
    assert isinstance(layer, RecurrentLayer)
    given, result = calls[layer]
    read = given[0].embedded() if isinstance(given[0], OneHotInput) else given[0]  # (1, S, M)
    inputs, hidden = read[0], result[0][0]  # (S, M), (S, H)
    gates = gate_values(layer, inputs, before(hidden))
    parts = {"hidden": hidden, **gates}
    cell = cell_states(layer, inputs, hidden)
    if cell is not None:
        parts["cell"] = cell
    return {name: part.flip(0) for name, part in parts.items()} if turned else parts


def _side_by_side(directions: list[dict[str, Tensor]]) -> Layer:
    parts = {name: to_array(torch.cat([one[name] for one in directions], -1)) for name in directions[0]}
    hidden, cell = parts.pop("hidden"), parts.pop("cell", None)
    return Layer(hidden, cell, parts)


def _decoder_layer(layer: nn.Module, calls: list[_Call]) -> Layer:
    if not isinstance(layer, RecurrentLayer):
        return Layer(to_array(torch.cat([result[0] for _, result in calls])), None, {})
    inputs = torch.cat([given[0] for given, _ in calls])  # (T, M)
    hidden = torch.cat([given[1][0] for given, _ in calls])  # (T, H) before each step
    after = [torch.cat(parts) for parts in zip(*(result for _, result in calls), strict=True)]  # each (T, H)
    gates = {name: to_array(values) for name, values in gate_values(layer, inputs, hidden).items()}
    return Layer(to_array(after[0]), to_array(after[1]) if layer.state_parts > 1 else None, gates)


def _matrices(weights: list[Tensor], scores: list[Tensor]) -> list[Attention]:
    """The one matrix of a recurrent decoder."""
    if not weights:
        return []
    shown = to_array(torch.stack(scores)) if len(scores) == len(weights) else None
    return [Attention(None, None, shown, to_array(torch.stack(weights)))]


def _by_head(looks: Looks) -> list[Attention]:
    """The matrices of each layer and head. Shape: each (1, L, N, T, S)."""
    scores, weights = to_array(looks.scores[0]), to_array(looks.weights[0])
    places = np.ndindex(*weights.shape[:2])  # (L, N)
    return [Attention(layer, head, scores[layer, head], weights[layer, head]) for layer, head in places]


def _contexts(weights: list[Tensor], state: DecoderState) -> Array | None:
    values = state.memory.values
    if not weights or values is None:
        return None
    return to_array(torch.stack(weights).to(values.dtype) @ values[0])  # (T, S) (S, E) -> (T, E)
