"""Attention with optimized weights: scores, and what the weighted sum adds to those who read the context."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from seqweave.model.attention.base import Scorer
from seqweave.model.optimized.int8 import Int8Linear, Span
from seqweave.model.optimized.linear import Product, linear
from seqweave.model.optimized.state import OptimizedMemory
from seqweave.model.state import Encoded

_FEW = 4  # sentences; then reading weights costs more than longer sums


class OptimizedScorer:
    """`scores (G, Q, S)` of queries; `scale` is what a query lacks to be the network's, `span` where it lies."""

    def __init__(self, scorer: Scorer, scale: float, span: Span | None, *, int8: bool):
        form = scorer.form()
        assert form is not None
        self._scale, self._scaled = scale, form.scaled
        self._key: Product | None = None
        self._query: Product | None = None
        self._direction: Tensor | None = None
        if form.direction is not None:
            assert form.query is not None
            # v . tanh(x) = 2 v . sigmoid(2x) - sum(v), and a softmax does not see the sum.
            self._scale = 2
            self._query = linear(form.query * (2 * scale), None, span, int8=int8)
            self._direction = form.direction.detach() * 2  # (A,)
        if form.key is not None:
            factor = self._factor(form.key.shape[0])
            bias = None if form.key_bias is None else form.key_bias * factor
            self._key = linear(form.key * factor, bias, int8=int8)

    def keys(self, outputs: Tensor) -> Tensor:
        """Shape: (G, S, E) -> (G, S, A)."""
        if self._key is not None:
            keys: Tensor = self._key(outputs.flatten(0, 1)).unflatten(0, outputs.shape[:2])
            return keys
        return outputs * self._factor(outputs.shape[2])

    def _factor(self, width: int) -> float:
        return self._scale / math.sqrt(width) if self._scaled else self._scale

    def weights(self, query: Tensor, memory: OptimizedMemory, width: int) -> Tensor:
        """Shape: query (R, H) -> attention weights (G, width, S)."""
        keys, bias = memory.keys, memory.bias
        assert keys is not None
        if self._query is None:
            turned = query.view(-1, width, query.shape[1]).transpose(1, 2)  # (G, H, width)
            scores = torch.bmm(keys, turned) if bias is None else torch.baddbmm(bias, keys, turned)  # (G, S, width)
            return scores.transpose(1, 2).softmax(-1)
        asked = self._query(query).view(-1, width, 1, keys.shape[2])
        assert self._direction is not None
        scores = torch.matmul((asked + keys[:, None]).sigmoid_(), self._direction)  # (G, width, S)
        if bias is not None:
            scores += bias.transpose(1, 2)
        return scores.softmax(-1)


class Context:
    """What the context adds to those who read it, `W c` with all their weights below each other, (N, E).

    Either the context c is summed and multiplied, or the values are multiplied once and their sums
    (N wide) are it already. The second is less work where several rows share a sentence, where
    sentences are few, or where N is no wider than c. In 8 bits the two round differently, and a sentence must
    not get other numbers because few stand beside it: there their count does not matter.
    """

    def __init__(self, weight: Tensor, *, int8: bool):
        self._linear = linear(weight, int8=int8)
        self._always = weight.shape[0] <= weight.shape[1]
        self._few = 0 if isinstance(self._linear, Int8Linear) else _FEW

    def memory(self, encoded: Encoded, scorer: OptimizedScorer) -> OptimizedMemory:
        """What the steps look up."""
        values, bias = encoded.outputs, None
        if not bool(encoded.mask.all()):
            padding = ~encoded.mask[:, :, None]  # (G, S, 1)
            bias = torch.zeros(padding.shape).masked_fill_(padding, torch.finfo(torch.float32).min)
            if not bool(encoded.mask.any(1).all()):  # weights of an empty sentence are not 0
                values = values.masked_fill(padding, 0)
        memory = OptimizedMemory(values=values, keys=scorer.keys(encoded.outputs), bias=bias)
        return self.multiplied(memory) if self._always or values.shape[0] <= self._few else memory

    def multiplied(self, memory: OptimizedMemory) -> OptimizedMemory:
        """The values, multiplied once."""
        values = memory.values
        if memory.multiplied or values is None:
            return memory
        values = self._linear(values.flatten(0, 1)).unflatten(0, values.shape[:2])  # (G, S, N)
        return replace(memory, values=values, multiplied=True)

    def add(self, weights: Tensor, memory: OptimizedMemory, other: Tensor) -> Tensor:
        """`other + W c`. Shape: weights (G, width, S), other (R, N) -> (R, N)."""
        assert memory.values is not None
        if memory.multiplied:
            grouped = other.view(*weights.shape[:2], -1)  # (G, width, N)
            return torch.baddbmm(grouped, weights, memory.values).view_as(other)
        return self._linear.add(torch.bmm(weights, memory.values).flatten(0, 1), other)


def shown(weights: Tensor, memory: OptimizedMemory) -> Tensor:
    """Weights as the network gives them: 0 at padding, also for an empty sentence. Shape: (G, width, S) -> (R, S)."""
    if memory.bias is not None:
        weights = weights.masked_fill(memory.bias.transpose(1, 2) != 0, 0)
    return weights.flatten(0, 1)
