"""The Transformer's encoder and decoder (Vaswani et al. 2017), behind the contract of the recurrent ones.

Both add positions to embeddings that are multiplied by sqrt(M) (section 3.4), and put dropout on the
sum (section 5.4). Layers with `norm=pre` end in one more normalisation (Xiong et al. 2020). Each goes
with a recurrent partner as well: the encoder gives a final state for its bridge, and the decoder takes
any encoder's outputs.

Padding never changes a result: no real position sees a padded one. What stands at padded positions of
the outputs means nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from seqweave.model.decoder import Step
from seqweave.model.layers import SequenceDropout, mask_of
from seqweave.model.state import Decoded, DecoderState, Encoded, Memory
from seqweave.model.transformer.cache import KeyValues
from seqweave.model.transformer.layers import DecoderLayer, EncoderLayer, Given, Looks, attendable
from seqweave.model.transformer.positions import Positions


class TransformerEncoder(nn.Module):
    """Reads the whole source at once.

    Args:
        layers: from the bottom to the top.
        positions: see `seqweave.model.transformer.positions`.
        norm: of the last layer's output; identity for post-norm layers.
        dropout: on the sum of embeddings and positions.
        size: width of embeddings and outputs (M = E).
        state_parts: tensors in a recurrent decoder's state (an LSTM: 2); 0 where nobody needs a final state.
    """

    def __init__(
        self,
        layers: Sequence[EncoderLayer],
        positions: Positions,
        norm: nn.Module,
        dropout: SequenceDropout,
        size: int,
        state_parts: int,
    ):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.positions = positions
        self.norm = norm
        self.dropout = dropout
        self.output_size = size
        self.state_parts = state_parts

    def forward(self, embedded: Tensor, lengths: Tensor, places: Tensor | None = None) -> Encoded:
        """Encode. Shape: embedded (B, S, M), lengths (B,) -> outputs (B, S, M), final each (B, M), mask (B, S).

        `places` (B, S) are the items' positions where they are not counted as they stand.

        The final state, which the bridge to a recurrent decoder needs, is the mean of the outputs over
        real positions, the same for each part of a state; zeros for an empty source.
        """
        mask = mask_of(lengths, embedded.shape[1])  # (B, S)
        values, _ = self._run(embedded, mask, places)
        outputs = self.norm(values)  # (B, S, M)
        final: tuple[Tensor, ...] = ()
        if self.state_parts:
            total = outputs.masked_fill(~mask[..., None], 0).sum(1)  # (B, M)
            final = (total / lengths.clamp(min=1)[:, None],) * self.state_parts
        return Encoded(outputs, final, mask)

    def attention(self, embedded: Tensor, lengths: Tensor, places: Tensor | None = None) -> Looks:
        """Where each source position looks, in each layer and head. Shape: (B, S, M), (B,) -> each (B, L, N, S, S)."""
        mask = mask_of(lengths, embedded.shape[1])  # (B, S)
        seen = (mask[:, :, None] & mask[:, None])[:, None]  # (B, 1, S, S)
        rotation = self.positions.rotation(0, embedded.shape[1], embedded, places)
        _, given = self._run(embedded, mask, places)
        return Looks.stacked(
            [layer.attention.looks(one, seen, rotation) for layer, one in zip(self._layers(), given, strict=True)]
        )

    def _layers(self) -> list[EncoderLayer]:
        return [layer for layer in self.layers if isinstance(layer, EncoderLayer)]

    def _run(self, embedded: Tensor, mask: Tensor, places: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """Through all layers; gives what each attention was given as well."""
        values = self.dropout(self.positions(embedded * math.sqrt(embedded.shape[2]), places=places))
        rotation = self.positions.rotation(0, embedded.shape[1], embedded, places)
        seen = attendable(mask)  # (B, 1, 1, S)
        inputs: list[Tensor] = []
        for layer in self._layers():
            values, given = layer(values, seen, rotation)
            inputs.append(given)
        return values, inputs


class TransformerDecoder(nn.Module):
    """Writes the target: all positions at once when it is given (`forward`), one by one when it is not (`step`).

    Attention weights, where asked for, are those of the last layer to the source, averaged over the
    heads; `attention` gives those of every layer and head. The readout is the last layer's output.

    Args:
        layers: from the bottom to the top.
        positions: see `seqweave.model.transformer.positions`.
        norm: of the last layer's output; identity for post-norm layers.
        dropout: on the sum of embeddings and positions.
    """

    def __init__(self, layers: Sequence[DecoderLayer], positions: Positions, norm: nn.Module, dropout: SequenceDropout):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.positions = positions
        self.norm = norm
        self.dropout = dropout

    def start(self, encoded: Encoded, recurrent: tuple[Tensor, ...]) -> DecoderState:
        """Keys and values of the source for each layer, projected once for each sentence; none of the target yet."""
        layers = tuple(layer.cross.memory(encoded.outputs, encoded.mask) for layer in self._layers())
        memory = Memory(mask=encoded.mask, layers=layers, copies=encoded.copies)
        return DecoderState(recurrent, memory, cache=tuple(_nothing_like(part) for part in layers))

    def forward(self, embedded: Tensor, state: DecoderState, return_attention: bool = True) -> Decoded:
        """A whole target, from the first position. Shape: embedded (B, T, M) -> (B, T, M), (B, T, S) or None."""
        values, given = self._run(embedded, state)
        weights = self._weights(given[-1].cross, state.memory) if return_attention else None
        readout = self.norm(values)  # (B, T, M)
        return Decoded(readout, readout, weights)

    def step(self, embedded: Tensor, state: DecoderState, return_attention: bool = True) -> Step:
        """One position: each layer attends to the target so far and to the source, and updates what it was given; the
        last one's is read out.

        Shape: embedded (R, M) -> readout (R, M), weights (R, S) or None.
        """
        first = state.cache[0].length
        values = self._placed(embedded[:, None], first)[:, 0]  # (R, M)
        rotation = self.positions.rotation(first, 1, embedded)
        seen = attendable(_mask(state.memory))  # (G, 1, 1, S)
        cache = []
        for layer, memory, past in zip(self._layers(), state.memory.layers, state.cache, strict=True):
            values, grown, asked = layer.step(values, past, memory, seen, rotation)
            cache.append(grown)
        # The rows of a sentence queried together: (G, R / G, S).
        weights = self._weights(asked, state.memory).flatten(0, 1) if return_attention else None  # (R, S)
        readout = self.norm(values)  # (R, M)
        return Decoded(readout, readout, weights), replace(state, cache=tuple(cache))

    def attention(self, embedded: Tensor, state: DecoderState) -> tuple[Looks, Looks]:
        """Where each target position looks, in each layer and head: at the target, and at the source.

        Shape: embedded (B, T, M) -> each (B, L, N, T, T), each (B, L, N, T, S).
        """
        size = embedded.shape[1]
        earlier = torch.ones(size, size, dtype=torch.bool, device=embedded.device).tril()  # (T, T)
        rotation = self.positions.rotation(0, size, embedded)
        own: list[Looks] = []
        cross: list[Looks] = []
        _, inputs = self._run(embedded, state)
        for layer, given, memory in zip(self._layers(), inputs, state.memory.layers, strict=True):
            own.append(layer.own.looks(given.own, earlier, rotation))  # (B, N, T, T)
            cross.append(layer.cross.looks(given.cross, memory, _mask(state.memory)))  # (B, N, T, S)
        return Looks.stacked(own), Looks.stacked(cross)

    def _layers(self) -> list[DecoderLayer]:
        return [layer for layer in self.layers if isinstance(layer, DecoderLayer)]

    def _placed(self, embedded: Tensor, first: int) -> Tensor:
        placed: Tensor = self.dropout(self.positions(embedded * math.sqrt(embedded.shape[2]), first))
        return placed

    def _run(self, embedded: Tensor, state: DecoderState) -> tuple[Tensor, list[Given]]:
        """Through all layers; gives what their attentions were given as well."""
        assert not any(part.length for part in state.cache)
        values = self._placed(embedded, 0)
        rotation = self.positions.rotation(0, embedded.shape[1], embedded)
        seen = attendable(_mask(state.memory))  # (B, 1, 1, S)
        inputs: list[Given] = []
        for layer, memory in zip(self._layers(), state.memory.layers, strict=True):
            values, given = layer(values, memory, seen, rotation)
            inputs.append(given)
        return values, inputs

    def _weights(self, asked: Tensor, memory: Memory) -> Tensor:
        """Of the last layer, averaged over the heads. Shape: asked (G, Q, M) -> (G, Q, S)."""
        looks = self._layers()[-1].cross.looks(asked, memory.layers[-1], _mask(memory))  # (G, N, Q, S)
        return looks.weights.mean(1)


def _nothing_like(pairs: Tensor) -> KeyValues:
    """Keys and values of no position. Shape: as those of the source (B, 2, N, S, D)."""
    return KeyValues.of(pairs.new_empty(*pairs.shape[:3], 0, pairs.shape[4]))


def _mask(memory: Memory) -> Tensor:
    assert memory.mask is not None
    return memory.mask
