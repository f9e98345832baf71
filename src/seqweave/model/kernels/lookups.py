"""Attention at one position after the other, and its derivative, written out.

Mirrors `seqweave.model.attention.base`: scores, masked softmax, context. Gradients of keys and values are gathered
over the positions, and made in one product or sum at the end.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class ScoreSteps(Protocol):
    """The role of a scorer over the positions of one target."""

    def forward(self, query: Tensor) -> Tensor:
        """Shape: query (B, A) -> scores (B, S)."""
        ...

    def start_backward(self) -> None:
        """Before the first of the derivatives."""
        ...

    def backward(self, step: int, grad: Tensor) -> Tensor:
        """Shape: grad of the scores (B, S) -> of the query (B, A). Positions come last to first."""
        ...

    def memory_grads(self, grads: Tensor) -> tuple[Tensor, Tensor | None]:
        """Gradients of the keys and of `direction`. Shape: of all scores (T, B, S) -> (B, S, A), (A,) or None."""
        ...


class DotSteps:
    """`score = scale * (q . k)` (Luong et al. 2015, section 3.1).

    Args:
        keys: Shape: (B, S, A).
        scale: 1, or 1 / sqrt(A).
    """

    def __init__(self, keys: Tensor, scale: float = 1.0):
        self.keys = keys
        self.scale = scale
        self.queries: list[Tensor] = []

    def forward(self, query: Tensor) -> Tensor:
        """Shape: see `ScoreSteps`."""
        self.queries.append(query)
        scores = torch.bmm(query[:, None], self.keys.transpose(1, 2))[:, 0]  # (B, S)
        return scores if self.scale == 1 else scores * self.scale

    def start_backward(self) -> None:
        """Nothing is gathered in the loop."""

    def backward(self, step: int, grad: Tensor) -> Tensor:
        """Shape: see `ScoreSteps`."""
        return torch.bmm(grad[:, None] * self.scale, self.keys)[:, 0]  # (B, A)

    def memory_grads(self, grads: Tensor) -> tuple[Tensor, None]:
        """Shape: see `ScoreSteps`."""
        queries = torch.stack(self.queries, 1)  # (B, T, A)
        return torch.bmm(grads.permute(1, 2, 0) * self.scale, queries), None  # (B, S, A)


class AdditiveSteps:
    """`score = 2v . sigmoid(2q + 2k)`, which gives the weights of `v . tanh(q + k)` (Bahdanau et al. 2014, A.1.2).

    As tanh(x) = 2 * sigmoid(2x) - 1, the two differ by the sum of v, the same for every source position,
    and the softmax does not see it. The (B, S, A) sigmoids are computed again in the derivative: to keep
    those of all positions takes T times the memory and saves an eighth of their time.

    Args:
        keys: `2k`. Shape: (B, S, A).
        direction: `2v`. Shape: (A,).
    """

    def __init__(self, keys: Tensor, direction: Tensor):
        self.keys = keys
        self.direction = direction
        self.queries: list[Tensor] = []
        self.room = torch.empty_like(keys)
        self.keys_grad = self.direction_grad = direction

    def forward(self, query: Tensor) -> Tensor:
        """Shape: see `ScoreSteps`; the query is `2q`."""
        self.queries.append(query)
        return self._sigmoids(query) @ self.direction  # (B, S)

    def start_backward(self) -> None:
        """Nothing is gathered yet."""
        self.keys_grad = torch.zeros_like(self.keys)
        self.direction_grad = torch.zeros_like(self.direction)

    def backward(self, step: int, grad: Tensor) -> Tensor:
        """Shape: see `ScoreSteps`."""
        sigmoids = self._sigmoids(self.queries[step])  # (B, S, A)
        self.direction_grad += grad.flatten() @ sigmoids.flatten(0, 1)  # (A,)
        slopes = sigmoids.addcmul_(sigmoids, sigmoids, value=-1)  # (B, S, A)
        self.keys_grad.addcmul_(slopes, grad[..., None])
        return torch.bmm(grad[:, None], slopes)[:, 0] * self.direction  # (B, A)

    def memory_grads(self, grads: Tensor) -> tuple[Tensor, Tensor]:
        """Shape: see `ScoreSteps`."""
        return self.keys_grad * self.direction, self.direction_grad

    def _sigmoids(self, query: Tensor) -> Tensor:
        return torch.add(self.keys, query[:, None], out=self.room).sigmoid_()  # (B, S, A)


class LookupSteps:
    """Attention over the positions of one target.

    Args:
        scores: the scorer.
        values: encoder outputs. Shape: (B, S, E).
        mask: True at real positions. Shape: (B, S).
        steps: positions T.
    """

    def __init__(self, scores: ScoreSteps, values: Tensor, mask: Tensor, steps: int):
        self.scores = scores
        self.values = values
        self.padding = ~mask
        self.weights = values.new_empty(steps, *mask.shape)  # (T, B, S)
        self.context_grads = self.score_grads = self.weights

    def forward(self, step: int, query: Tensor) -> Tensor:
        """Shape: query (B, A) -> context (B, E)."""
        scores = self.scores.forward(query)  # (B, S)
        scores.masked_fill_(self.padding, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, -1, out=self.weights[step])
        weights.masked_fill_(self.padding, 0)  # a sentence without any real position
        return torch.bmm(weights[:, None], self.values)[:, 0]  # (B, E)

    def start_backward(self) -> None:
        """Make room for what is gathered."""
        steps, rows, _ = self.weights.shape
        self.context_grads = self.values.new_empty(steps, rows, self.values.shape[2])  # (T, B, E)
        self.score_grads = torch.empty_like(self.weights)  # (T, B, S)
        self.scores.start_backward()

    def backward(self, step: int, context_grad: Tensor, weights_grad: Tensor | None) -> Tensor:
        """Shape: grads of the context (B, E), and of the weights, if used elsewhere (B, S) -> query (B, A)."""
        grad = self.context_grads[step].copy_(context_grad)
        through = torch.bmm(grad[:, None], self.values.transpose(1, 2))[:, 0]  # (B, S)
        if weights_grad is not None:
            through += weights_grad
        weights = self.weights[step]
        bent = through.mul_(weights)
        grad = torch.addcmul(bent, weights, bent.sum(-1, keepdim=True), value=-1, out=self.score_grads[step])
        return self.scores.backward(step, grad)

    def memory_grads(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Gradients of values, keys and direction. Shape: (B, S, E), (B, S, A), (A,) or None."""
        values = torch.bmm(self.weights.permute(1, 2, 0), self.context_grads.transpose(0, 1))  # (B, S, E)
        return values, *self.scores.memory_grads(self.score_grads)
