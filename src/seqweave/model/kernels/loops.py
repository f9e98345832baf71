"""A whole teacher-forced target through a decoder that must step, as one differentiable function.

The readable twin is `looped` in `seqweave.model.recurrent.decoders`, and tests hold the two together. What this one
saves:

- products which do not depend on the loop are made before it, for all positions at once (the embedding's
  part of the gates, keys);
- all products with one hidden state are joined (see `stacks`);
- gradients of weights, keys and values are one product each after the loop, not a sum over positions;
- weights are cast to bf16 once for each call;
- with bf16 only products with weights are in bf16. States, attention and gates are in fp32: more exact, and
  on processors also faster, since they convert bf16 before each operation.

What is left is mostly the matrix products themselves, which both have: where those fill the time (one thread,
batches of 64 and more, 256 units and more) both take about as long.

Written in plain torch, for every device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from seqweave.model.kernels.activations import fast_tanh
from seqweave.model.kernels.cells import StartLoop
from seqweave.model.kernels.lookups import AdditiveSteps, DotSteps, LookupSteps
from seqweave.model.kernels.products import Product
from seqweave.model.kernels.stacks import LayerParts, StackSteps


@dataclass(frozen=True)
class Plan:
    """What a loop is, apart from tensors.

    Attributes:
        cell: makes the cell of each layer from its first state.
        layers: their number.
        scale: of dot scores; None for additive ones.
        feeding: the attentional state enters the next step (Luong et al. 2015, section 3.3), and the
            new state queries; else the context enters the step, and the previous state queries
            (Bahdanau et al. 2014).
    """

    cell: StartLoop
    layers: int
    scale: float | None
    feeding: bool


@dataclass(frozen=True)
class LoopInputs:
    """The tensors of a loop, in this order. States, keys and values are in fp32 (or fp64), weights may be in bf16.

    Attributes:
        given: the embedding's part of the first layer's gates. Shape: (T, B, G).
        mask: True at real source positions. Shape: (B, S).
        keys: of attention; twice the keys with additive scores. Shape: (B, S, A).
        direction: twice the direction of additive scores, else None. Shape: (A,).
        values: encoder outputs. Shape: (B, S, E).
        context: weight from the context to the first layer's gates, or with feeding to the readout.
            Shape: (G, E) or (size, E).
        feed: weight from the fed readout to the first layer's gates, or None. Shape: (G, size).
        first: what is fed to the first step, or None. Shape: (B, size).
        layers: see `LayerParts`. The last layer's joined weight has the rows of the recurrence, then of
            the readout (with feeding), then of the additive query (twice the weights).
    """

    given: Tensor
    mask: Tensor
    keys: Tensor
    direction: Tensor | None
    values: Tensor
    context: Tensor
    feed: Tensor | None
    first: Tensor | None
    layers: tuple[LayerParts, ...]


def run_loop(plan: Plan, inputs: LoopInputs) -> LoopOutputs:
    """Run it.

    Shape: -> last hidden states (T, B, H) or with feeding readouts (T, B, size), contexts (T, B, E), weights (T, B, S),
    and with feeding the last hidden states (T, B, H), else None.

    Contexts, and the hidden states beside readouts, have the type of the weights, the rest that of the states.
    """
    flat: list[Tensor | None] = [inputs.given, inputs.mask, inputs.keys, inputs.direction]
    flat += [inputs.values, inputs.context, inputs.feed, inputs.first]
    for layer in inputs.layers:
        flat += [layer.joined, layer.joined_bias, layer.above, layer.above_bias, layer.dropout, *layer.state]
    outputs: LoopOutputs = _Loop.apply(plan, *flat)  # type: ignore[no-untyped-call]
    return outputs


def _unflat(plan: Plan, flat: tuple[Any, ...]) -> LoopInputs:
    size = (len(flat) - 8) // plan.layers
    layers = [flat[8 + index * size : 8 + (index + 1) * size] for index in range(plan.layers)]
    parts = tuple(LayerParts(a, b, c, d, e, tuple(state)) for a, b, c, d, e, *state in layers)
    given, mask, keys, direction, values, context, feed, first = flat[:8]
    return LoopInputs(given, mask, keys, direction, values, context, feed, first, parts)


# Hidden states or readouts, contexts, weights, hidden states beside readouts: see `run_loop`.
LoopOutputs = tuple[Tensor, Tensor, Tensor, Tensor | None]
# Of the first layer's sums (T, B, G), of what is fed first (B, size) or None, of each layer's first state.
_LoopGrads = tuple[Tensor, Tensor | None, list[tuple[Tensor, ...]]]


class _Loop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, *flat: Any) -> LoopOutputs:
        ctx.set_materialize_grads(False)
        steps = ctx.steps = _Steps(plan, _unflat(plan, flat))
        with torch.autocast(flat[0].device.type, enabled=False):
            return steps.forward()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        with torch.autocast(ctx.steps.inputs.given.device.type, enabled=False):
            return None, *ctx.steps.backward(*grads)


@dataclass(frozen=True)
class _OutputGrads:
    """Gradients of outputs (T, B, H or size), contexts (T, B, E), weights (T, B, S), hidden states (T, B, H) beside
    readouts; None: not used elsewhere.
    """

    outputs: Tensor
    contexts: Tensor | None
    weights: Tensor | None
    hidden: Tensor | None


class _Steps:
    """One call of the loop: forward, then backward."""

    def __init__(self, plan: Plan, inputs: LoopInputs):
        self.plan = plan
        self.inputs = inputs
        steps, rows, self.gates = inputs.given.shape
        self.stack = StackSteps(plan.cell, inputs.layers, steps, steps + 1 if plan.feeding else steps)
        scores = (
            DotSteps(inputs.keys, 1.0 if plan.scale is None else plan.scale)
            if inputs.direction is None
            else AdditiveSteps(inputs.keys, inputs.direction)
        )
        dtype = inputs.given.dtype
        self.lookup = LookupSteps(scores, inputs.values, inputs.mask, steps)
        self.context = Product(inputs.context, None, steps, rows, dtype)
        self.feed = None if inputs.feed is None else Product(inputs.feed, None, steps, rows, dtype)

    def forward(self) -> LoopOutputs:
        run = self._feeding if self.plan.feeding else self._before
        self.outputs = run()  # (T, B, H) or (T, B, size)
        # Aliases: the tensors returned get this call as their history, and would keep each other alive.
        hidden = self.stack.joined[-1].inputs[1:].detach() if self.plan.feeding else None
        return self.outputs.detach(), self.context.inputs.detach(), self.lookup.weights.detach(), hidden

    def backward(
        self, grad: Tensor | None, contexts: Tensor | None, weights: Tensor | None, hidden: Tensor | None
    ) -> list[Tensor | None]:
        """From the gradients of what `forward` gave, where it was used, to those of its inputs."""
        for part in (self.stack, self.lookup, self.context, self.feed):
            if part is not None:
                part.start_backward()
        self.grads = _OutputGrads(torch.zeros_like(self.outputs) if grad is None else grad, contexts, weights, hidden)
        run = self._feeding_backward if self.plan.feeding else self._before_backward
        given, first, states = run()
        values, keys, direction = self.lookup.memory_grads()
        feed = None if self.feed is None else self.feed.weight_grads()[0]
        flat: list[Tensor | None] = [given, None, keys, direction, values, self.context.weight_grads()[0], feed, first]
        for joined, above, state in zip(self.stack.joined, self.stack.above, states, strict=True):
            flat += [*joined.weight_grads(), *((None, None) if above is None else above.weight_grads()), None, *state]
        return flat

    @property
    def _additive(self) -> bool:
        return self.inputs.direction is not None

    def _context(self, step: int, query: Tensor) -> Tensor:
        """Look up, and map the context. Shape: (B, A) -> (B, G) or (B, size)."""
        return self.context.forward(step, self.lookup.forward(step, query))

    def _context_backward(self, step: int, grad: Tensor) -> Tensor:
        """Shape: (B, G) or (B, size) -> query (B, A)."""
        context = self.context.backward(step, grad)  # (B, E)
        if self.grads.contexts is not None:
            context = context + self.grads.contexts[step]
        return self.lookup.backward(step, context, None if self.grads.weights is None else self.grads.weights[step])

    def _before(self) -> Tensor:
        outputs = []
        hidden = self.stack.hidden[-1]
        for step, given in enumerate(self.inputs.given):
            query = self.stack.extra(self.gates) if self._additive else hidden  # (B, A)
            hidden = self.stack.forward(step, given + self._context(step, query))
            outputs.append(hidden)
        return torch.stack(outputs)

    def _before_backward(self) -> _LoopGrads:
        sums = torch.empty_like(self.inputs.given)  # (T, B, G)
        query: Tensor | None = None
        for step in reversed(range(len(sums))):
            arrived = self.grads.outputs[step] if query is None or self._additive else self.grads.outputs[step] + query
            extra = (query,) if self._additive and query is not None else ()
            gates = self.stack.backward(step, arrived, *extra)
            sums[step] = gates
            query = self._context_backward(step, gates)
        assert query is not None
        states = self.stack.state_grads(*((query,) if self._additive else ()))
        if not self._additive:
            states[-1] = (states[-1][0] + query, *states[-1][1:])
        return sums, None, states

    def _feeding(self) -> Tensor:
        assert self.feed is not None
        assert self.inputs.first is not None
        outputs = []
        size = self.inputs.context.shape[0]  # of the readout, not of the context
        fed = self.inputs.first  # (B, size)
        for step, given in enumerate(self.inputs.given):
            hidden = self.stack.forward(step, given + self.feed.forward(step, fed))
            extra = self.stack.extra(self.gates)  # (B, size + A)
            query = extra[:, size:] if self._additive else hidden
            fed = fast_tanh(extra[:, :size] + self._context(step, query))  # (B, size)
            outputs.append(fed)
        return torch.stack(outputs)

    def _feeding_backward(self) -> _LoopGrads:
        assert self.feed is not None
        sums = torch.empty_like(self.inputs.given)  # (T, B, G)
        fed: Tensor | None = None
        for step in reversed(range(len(sums))):
            output = self.outputs[step]
            arrived = self.grads.outputs[step] if fed is None else self.grads.outputs[step] + fed  # (B, size)
            inner = torch.addcmul(arrived, arrived * output, output, value=-1)  # (B, size)
            query = self._context_backward(step, inner)  # (B, A)
            if self._additive:
                gates = self.stack.backward(step, self._beside(step, output.new_zeros(1)), inner, query)
            else:
                gates = self.stack.backward(step, self._beside(step, query), inner)
            sums[step] = gates
            fed = self.feed.backward(step, gates)
        extra = self.stack.sums[-1].new_zeros(sums.shape[1], self.stack.sums[-1].shape[1] - self.gates)
        return sums, fed, self.stack.state_grads(extra)

    def _beside(self, step: int, grad: Tensor) -> Tensor:
        """With the gradient of the hidden state that was given beside the readout. Shape: (B, H) or (1,)."""
        hidden = self.grads.hidden
        return grad if hidden is None else grad + hidden[step].to(grad.dtype)
