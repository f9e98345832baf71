"""One step of each recurrent decoder, with optimized weights.

`seqweave.model.recurrent.decoders` has the readable twins.

Each gives the readout, which the generator maps to logits; a tanh readout as the sigmoid of
twice its argument (see `cells.py`), which the generator's weights make good.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from seqweave.model.optimized.cells import OptimizedStack
from seqweave.model.optimized.int8 import HALVED, UNIT, Span
from seqweave.model.optimized.linear import Linear, Product, Table, linear
from seqweave.model.optimized.lookup import Context, OptimizedScorer
from seqweave.model.optimized.state import OptimizedMemory, OptimizedState
from seqweave.model.recurrent.decoders import AfterDecoder, BeforeDecoder, BetweenDecoder, ContextDecoder
from seqweave.model.recurrent.readouts import MaxoutReadout, PlainReadout, TanhReadout
from seqweave.model.state import Encoded

Step = tuple[Tensor, OptimizedState, Tensor | None]  # readout (R, size), state, weights (G, width, S) or None


class OptimizedDecoder(Protocol):
    """The role of a fast decoder.

    Attributes:
        scale, shift: the network's readout is `scale * readout + shift`.
        span: between which numbers the readout lies, where that is known.
    """

    scale: float
    shift: float
    span: Span | None

    def start(self, encoded: Encoded, recurrent: tuple[Tensor, ...]) -> OptimizedState:
        """The state before the first step, from the network's first recurrent states."""
        ...

    def step(self, ids: Tensor, state: OptimizedState) -> Step:
        """Shape: ids (R,) -> readout (R, size)."""
        ...


class OptimizedAfter:
    """`AfterDecoder`."""

    scale, shift = 2.0, -1.0
    span: Span | None = UNIT

    def __init__(self, decoder: AfterDecoder, vectors: Tensor | None, width: int, *, int8: bool):
        self.stack = OptimizedStack(decoder.stack, int8=int8)
        first, scale = self.stack.first, self.stack.scale
        weight, bias = first.input_weight, first.input_bias
        self.feed: Product | None = None
        self.feed_size = decoder.size
        if decoder.input_feeding:  # it is fed as a sigmoid
            fed = weight[:, width:]
            self.feed, bias = linear(fed * 2, None, UNIT, int8=int8), bias - fed.sum(1)
        self.table = Table(vectors, weight[:, :width], bias)
        self.scorer = OptimizedScorer(decoder.scorer, scale, self.stack.span, int8=int8)
        assert isinstance(decoder.readout, TanhReadout)
        readout = decoder.readout.linear.weight.detach() * 2  # (size, E + H)
        split = readout.shape[1] - decoder.stack.output_size
        self.context = Context(readout[:, :split], int8=int8)
        self.readout = linear(readout[:, split:] * scale, None, self.stack.span, int8=int8)

    def start(self, encoded: Encoded, recurrent: tuple[Tensor, ...]) -> OptimizedState:
        """The state before the first step."""
        parts = self.stack.begin(recurrent)
        if self.feed is not None:
            parts += (torch.full((parts[0].shape[0], self.feed_size), 0.5),)  # of a zero
        return OptimizedState(parts, self.context.memory(encoded, self.scorer), 1, self.context.multiplied)

    def step(self, ids: Tensor, state: OptimizedState) -> Step:
        """One position."""
        given = self.table(ids)  # (R, gates * H)
        if self.feed is not None:
            given = self.feed.add(state.parts[-1], given)
        output, parts = self.stack.step(given, state.parts)
        weights = self.scorer.weights(output, state.memory, state.width)
        readout = self.context.add(weights, state.memory, self.readout(output)).sigmoid_()
        if self.feed is not None:
            parts += (readout,)
        return readout, state.moved(parts), weights


class OptimizedBefore:
    """`BeforeDecoder`."""

    scale, shift = 1.0, 0.0
    span: Span | None = None

    def __init__(self, decoder: BeforeDecoder, vectors: Tensor | None, width: int, *, int8: bool):
        self.stack = OptimizedStack(decoder.stack, int8=int8)
        self.query_index = decoder.query_index
        self.scorer = OptimizedScorer(decoder.scorer, 2.0, HALVED, int8=int8)
        self.gates = self.stack.first.input_weight.shape[0]
        self.maxout = Maxout(decoder.readout, decoder.stack.output_size, width, self.stack, int8=int8)
        self.table, rest = _joint_table(self.stack, self.maxout, vectors, width)
        self.context = Context(rest, int8=int8)

    def start(self, encoded: Encoded, recurrent: tuple[Tensor, ...]) -> OptimizedState:
        """The state before the first step."""
        memory = self.context.memory(encoded, self.scorer)
        return OptimizedState(self.stack.begin(recurrent), memory, 1, self.context.multiplied)

    def step(self, ids: Tensor, state: OptimizedState) -> Step:
        """One position."""
        weights = self.scorer.weights(state.parts[self.query_index], state.memory, state.width)
        given = self.context.add(weights, state.memory, self.table(ids))  # (R, gates * H + 2 * size)
        output, parts = self.stack.step(given[:, : self.gates], state.parts)
        return self.maxout(output, given[:, self.gates :]), state.moved(parts), weights


class OptimizedBetween:
    """`BetweenDecoder`."""

    scale, shift = 2.0, -1.0
    span: Span | None = UNIT

    def __init__(self, decoder: BetweenDecoder, vectors: Tensor | None, width: int, *, int8: bool):
        self.bottom, self.above = OptimizedStack(decoder.bottom, int8=int8), OptimizedStack(decoder.above, int8=int8)
        first = self.bottom.first
        self.table = Table(vectors, first.input_weight, first.input_bias)
        self.scorer = OptimizedScorer(decoder.scorer, self.bottom.scale, self.bottom.span, int8=int8)
        given, size = self.above.first, decoder.bottom.output_size
        self.gates = given.input_weight.shape[0]
        assert isinstance(decoder.readout, TanhReadout)
        readout = decoder.readout.linear.weight.detach() * 2  # (size, E + H)
        split = readout.shape[1] - decoder.above.output_size
        self.context = Context(torch.cat([given.input_weight[:, size:], readout[:, :split]]), int8=int8)
        own = torch.cat([given.input_weight[:, :size], readout.new_zeros(len(readout), size)]) * self.bottom.scale
        below = torch.cat([given.input_bias, readout.new_zeros(len(readout))])
        self.below = linear(own, below, self.bottom.span, int8=int8)
        self.readout = linear(readout[:, split:] * self.above.scale, None, self.above.span, int8=int8)

    def start(self, encoded: Encoded, recurrent: tuple[Tensor, ...]) -> OptimizedState:
        """The state before the first step."""
        lower = self.bottom.begin(recurrent[: self.bottom.parts])
        parts = lower + self.above.begin(recurrent[self.bottom.parts :])
        return OptimizedState(parts, self.context.memory(encoded, self.scorer), 1, self.context.multiplied)

    def step(self, ids: Tensor, state: OptimizedState) -> Step:
        """One position."""
        query, lower = self.bottom.step(self.table(ids), state.parts[: self.bottom.parts])
        weights = self.scorer.weights(query, state.memory, state.width)
        given = self.context.add(weights, state.memory, self.below(query))  # (R, gates * H + size)
        output, upper = self.above.step(given[:, : self.gates], state.parts[self.bottom.parts :])
        readout = self.readout(output).add_(given[:, self.gates :]).sigmoid_()
        return readout, state.moved(lower + upper), weights


class OptimizedContext:
    """`ContextDecoder`."""

    shift = 0.0

    def __init__(self, decoder: ContextDecoder, vectors: Tensor | None, width: int, *, int8: bool):
        self.stack = OptimizedStack(decoder.stack, int8=int8)
        self.every_step = decoder.every_step
        self.final_index = decoder.final_index
        self.gates = self.stack.first.input_weight.shape[0]
        self.linear: Product | None = None
        self.scale = 1.0
        self.span: Span | None = None
        if self.every_step:
            self.maxout = Maxout(decoder.readout, decoder.stack.output_size, width, self.stack, int8=int8)
            self.table, rest = _joint_table(self.stack, self.maxout, vectors, width)
            self.context = Linear(rest)
            return
        self.table = Table(vectors, self.stack.first.input_weight, self.stack.first.input_bias)
        assert isinstance(decoder.readout, PlainReadout)
        if isinstance(decoder.readout.linear, torch.nn.Linear):
            weight = decoder.readout.linear.weight * self.stack.scale
            self.linear = linear(weight, decoder.readout.linear.bias, self.stack.span, int8=int8)
        else:
            self.scale, self.span = self.stack.scale, self.stack.span

    def start(self, encoded: Encoded, recurrent: tuple[Tensor, ...]) -> OptimizedState:
        """The state before the first step."""
        added = self.context(encoded.final[self.final_index]) if self.every_step else None  # (G, N)
        return OptimizedState(self.stack.begin(recurrent), OptimizedMemory(context=added))

    def step(self, ids: Tensor, state: OptimizedState) -> Step:
        """One position."""
        given = self.table(ids)
        added = state.memory.context
        if added is None:
            output, parts = self.stack.step(given, state.parts)
            return output if self.linear is None else self.linear(output), state.moved(parts), None
        given.view(-1, state.width, given.shape[1]).add_(added[:, None])  # (R, gates * H + 2 * size)
        output, parts = self.stack.step(given[:, : self.gates], state.parts)
        return self.maxout(output, given[:, self.gates :]), state.moved(parts), None


class Maxout:
    """`MaxoutReadout` of [output; embedding; context], the first of all pairs before the second ones."""

    def __init__(self, readout: object, output_size: int, embedded: int, stack: OptimizedStack, *, int8: bool):
        assert isinstance(readout, MaxoutReadout)
        order = torch.arange(2 * readout.size).view(-1, 2).t().flatten()
        weight = readout.linear.weight.detach()[order]  # (2 * size, H + M + E)
        self.size = readout.size
        self.bias = readout.linear.bias.detach()[order]
        self.embedded = weight[:, output_size : output_size + embedded]
        self.context = weight[:, output_size + embedded :]
        self._output = linear(weight[:, :output_size] * stack.scale, None, stack.span, int8=int8)

    def __call__(self, output: Tensor, rest: Tensor) -> Tensor:
        """Shape: output (R, H), rest (R, 2 * size): what embedding and context add -> (R, size)."""
        both = self._output(output).add_(rest)
        return torch.maximum(both[:, : self.size], both[:, self.size :])


def _joint_table(stack: OptimizedStack, maxout: Maxout, vectors: Tensor | None, width: int) -> tuple[Table, Tensor]:
    """What an item adds to the gates and to the readout, and the weights (N, E) of both for the context."""
    weight = stack.first.input_weight
    table = Table(
        vectors, torch.cat([weight[:, :width], maxout.embedded]), torch.cat([stack.first.input_bias, maxout.bias])
    )
    return table, torch.cat([weight[:, width:], maxout.context])


def optimized_decoder(decoder: object, vectors: Tensor | None, width: int, *, int8: bool) -> OptimizedDecoder | None:
    """The fast form of a decoder, where there is one; `vectors` (V, M) are None for one-hot inputs."""
    if isinstance(decoder, AfterDecoder):
        return OptimizedAfter(decoder, vectors, width, int8=int8)
    if isinstance(decoder, BeforeDecoder):
        return OptimizedBefore(decoder, vectors, width, int8=int8)
    if isinstance(decoder, BetweenDecoder):
        return OptimizedBetween(decoder, vectors, width, int8=int8)
    if isinstance(decoder, ContextDecoder):
        return OptimizedContext(decoder, vectors, width, int8=int8)
    return None
