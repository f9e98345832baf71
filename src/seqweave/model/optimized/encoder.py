"""The recurrent encoder with optimized weights: tables for the first layer's inputs, packed recurrences.

`seqweave.model.recurrent.encoder.RecurrentEncoder` is the readable twin.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from seqweave.model.input.embeddings import Embedding, OneHot
from seqweave.model.layers import mask_of, reverse_by_length
from seqweave.model.optimized.cells import OptimizedLayer, has_optimized_step
from seqweave.model.optimized.int8 import WHOLE
from seqweave.model.optimized.linear import Product, Table, linear
from seqweave.model.recurrent.encoder import RecurrentEncoder, RecurrentLayer
from seqweave.model.state import Encoded


class OptimizedEncoder:
    """`RecurrentEncoder` without residual connections and layer normalisation, from ids on."""

    def __init__(self, encoder: RecurrentEncoder, embedding: Embedding | OneHot, *, int8: bool):
        vectors = embedding.weight.detach() if isinstance(embedding, Embedding) else None
        self._layers: list[list[_Direction]] = []
        for index in range(len(encoder.forwards)):
            directions = [encoder.forwards[index], *([encoder.backwards[index]] if len(encoder.backwards) else [])]
            self._layers.append([_Direction(layer, vectors, index == 0, int8=int8) for layer in directions])

    def __call__(self, source: Tensor, lengths: Tensor) -> Encoded:
        """Shape: source (B, S) ids, lengths (B,) -> outputs (B, S, E), final each (B, E), mask (B, S)."""
        mask = mask_of(lengths, source.shape[1])  # (B, S)
        whole = bool(mask.all())
        final: list[Tensor] = []
        values = source
        for directions in self._layers:
            outputs: list[Tensor] = []
            ends: list[tuple[Tensor, ...]] = []
            for number, direction in enumerate(directions):
                given = reverse_by_length(values, lengths) if number else values
                hidden, end = direction.run(given, lengths, whole)
                outputs.append(reverse_by_length(hidden, lengths) if number else hidden)
                ends.append(end)
            values = torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0]  # (B, S, E)
            final += [torch.cat(parts, -1) for parts in zip(*ends, strict=True)]  # (B, E)
        return Encoded(values, tuple(final), mask)


class _Direction:
    """One layer in one direction."""

    def __init__(self, layer: object, vectors: Tensor | None, lowest: bool, *, int8: bool):
        assert isinstance(layer, RecurrentLayer)
        self.layer = OptimizedLayer(layer, int8=int8)
        weight, bias = self.layer.input_weight, self.layer.input_bias
        self.given: Product | Table
        self.given = Table(vectors, weight, bias) if lowest else linear(weight, bias, WHOLE, int8=int8)

    def run(self, values: Tensor, lengths: Tensor, whole: bool) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Outputs (B, S, H), and the state at each sequence's own end (each (B, H)); zeros for an empty one."""
        rows, positions = values.shape[:2]
        turned = values.transpose(0, 1).contiguous()  # (S, B) or (S, B, N)
        if isinstance(self.given, Table):  # a position at a time stays in the cache
            given: Iterable[Tensor] = map(self.given, turned.unbind(0))
        else:
            given = self.given(turned.flatten(0, 1)).view(positions, rows, -1).unbind(0)  # (B, gates * H) each
        parts: tuple[Tensor, ...] = (self.layer.input_bias.new_zeros(rows, self.layer.size),) * self.layer.parts
        states: list[tuple[Tensor, ...]] = []
        step = self.layer.step
        for item in given:
            parts = step(item, parts)
            states.append(parts)
        hidden = torch.stack([state[0] for state in states], 1) * 2  # (B, S, H), no longer halved
        if whole:
            return hidden, self._as_network(parts)
        last = (lengths - 1).clamp(min=0)
        empty = lengths[:, None] == 0  # (B, 1)
        ends = []
        for part in zip(*states, strict=True):
            at_end = torch.stack(part, 0)[last, torch.arange(rows)]  # (S, B, H) -> (B, H)
            ends.append(at_end.masked_fill(empty, 0))
        return hidden, self._as_network(tuple(ends))

    def _as_network(self, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (parts[0] * 2, *(part * 0.5 for part in parts[1:]))


def optimized_encoder(encoder: object, embedding: object, *, int8: bool) -> OptimizedEncoder | None:
    """The fast form of an encoder, where there is one."""
    if not isinstance(encoder, RecurrentEncoder) or not isinstance(embedding, Embedding | OneHot):
        return None
    if encoder.residual or encoder.norms is not None:
        return None
    layers = [layer for layer in encoder.modules() if isinstance(layer, RecurrentLayer)]
    return OptimizedEncoder(encoder, embedding, int8=int8) if all(map(has_optimized_step, layers)) else None
