"""The parts of a Transformer's layers: attention with many heads, feed-forward, residual connections.

Vaswani et al. 2017, sections 3.1 to 3.3 and 5.4. Attention runs through torch's fused
`scaled_dot_product_attention`, which gives no weights; `explicit_attention` computes them where
somebody asks. The four maps of an attention have no bias, as in the paper's equations. Dropout is
where the paper has it, on the output of each sub-layer and not on the attention weights. The
initial weights are Glorot's, each of the maps on its own.

Shape letters here: N heads of width D each (N * D = M), Q positions that query.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqweave.config import Norm
from seqweave.model.layers import SequenceDropout
from seqweave.model.transformer.cache import KeyValues
from seqweave.model.transformer.positions import Rotation, rotate


def attendable(mask: Tensor) -> Tensor:
    """The mask for the fused attention; a sentence without a real position opens all, so that it gives no NaN.

    Shape: mask (G, S) True at real positions -> (G, 1, 1, S).
    """
    return (mask | ~mask.any(-1, keepdim=True))[:, None, None]


class Looks(NamedTuple):
    """Where heads look: `scores` before the softmax and before any mask, `weights` after both, of one shape."""

    scores: Tensor
    weights: Tensor

    @classmethod
    def stacked(cls, layers: Sequence[Looks]) -> Looks:
        """Those of all layers. Shape: each (B, N, T, S) -> (B, L, N, T, S)."""
        return cls(torch.stack([one.scores for one in layers], 1), torch.stack([one.weights for one in layers], 1))


def explicit_attention(query: Tensor, keys: Tensor, mask: Tensor) -> Looks:
    """`softmax(Q K^T / sqrt(D))` (Vaswani et al. 2017, eq. 1), explicitly; zeros where there is nothing to see.

    Shape: query (G, N, Q, D), keys (G, N, S, D), mask broadcast to (G, N, Q, S) True at what may be seen ->
    scores and weights (G, N, Q, S).
    """
    scores = query @ keys.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (G, N, Q, S)
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1)  # (G, N, Q, S)
    return Looks(scores, weights.masked_fill(~mask, 0))


def linear(input_size: int, size: int, maps: int = 1) -> nn.Linear:
    """A linear map without bias, or `maps` of them side by side, each with Glorot & Bengio's (2010) weights."""
    made = nn.Linear(input_size, maps * size, bias=False)
    for rows in made.weight.split(size):
        nn.init.xavier_uniform_(rows)
    return made


class SelfAttention(nn.Module):
    """Positions of one sequence look at each other (Vaswani et al. 2017, section 3.2.2).

    Args:
        size: width of what comes in and goes out (M).
        heads: number of heads (N).
    """

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.heads = heads
        self.project = linear(size, size, maps=3)  # queries, keys, values
        self.output = linear(size, size)

    def forward(self, given: Tensor, mask: Tensor | None, rotation: Rotation | None) -> Tensor:
        """All positions see the real ones; without a mask, each sees itself and those before it.

        Shape: given (B, T, M), mask (B, 1, 1, T) or None -> (B, T, M).
        """
        query, keys, values = self._heads(given, rotation)
        seen = functional.scaled_dot_product_attention(query, keys, values, mask, is_causal=mask is None)
        return self._joined(seen)

    def step(self, given: Tensor, past: KeyValues, rotation: Rotation | None) -> tuple[Tensor, KeyValues]:
        """One position more, which sees itself and the past. Shape: given (R, M) -> (R, M)."""
        query, key, value = self._heads(given[:, None], rotation)  # each (R, N, 1, D)
        pair = torch.stack([key[:, :, 0], value[:, :, 0]], 1)  # (R, 2, N, D)
        past = past.append(pair)
        seen = functional.scaled_dot_product_attention(query, past.keys(), past.values())  # (R, N, 1, D)
        return self._joined(seen)[:, 0], past

    def looks(self, given: Tensor, mask: Tensor, rotation: Rotation | None) -> Looks:
        """Where each position looks. Shape: (B, T, M), mask broadcast to (B, N, T, T) -> each (B, N, T, T)."""
        query, keys, _ = self._heads(given, rotation)
        return explicit_attention(query, keys, mask)

    def _heads(self, given: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        parts = self.project(given).unflatten(-1, (3, self.heads, -1))  # (B, T, 3, N, D)
        query, keys, values = parts.transpose(1, 3).unbind(2)  # each (B, N, T, D)
        if rotation is not None:
            query, keys = rotate(query, rotation), rotate(keys, rotation)
        return query, keys, values

    def _joined(self, seen: Tensor) -> Tensor:
        joined: Tensor = self.output(seen.transpose(1, 2).flatten(2))  # (B, T, M)
        return joined


class CrossAttention(nn.Module):
    """Target positions look at the source (Vaswani et al. 2017, section 3.2.3).

    Args:
        size: width of what comes in and goes out (M).
        source_size: width of the encoder's outputs (E).
        heads: number of heads (N).
    """

    def __init__(self, size: int, source_size: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = linear(size, size)
        self.project = linear(source_size, size, maps=2)  # keys, values
        self.output = linear(size, size)

    def memory(self, outputs: Tensor, mask: Tensor) -> Tensor:
        """Keys and values, once for each sentence; values of padding are zeros, so that an empty sentence gives zeros.

        Shape: outputs (G, S, E), mask (G, S) -> (G, 2, N, S, D).
        """
        parts = self.project(outputs).unflatten(-1, (2, self.heads, -1))  # (G, S, 2, N, D)
        memory: Tensor = parts.permute(0, 2, 3, 1, 4).masked_fill(~mask[:, None, None, :, None], 0)  # (G, 2, N, S, D)
        return memory

    def forward(self, given: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Shape: given (G, Q, M), memory (G, 2, N, S, D), mask (G, 1, 1, S) -> (G, Q, M)."""
        keys, values = memory.unbind(1)
        seen = functional.scaled_dot_product_attention(self._heads(given), keys, values, mask)  # (G, N, Q, D)
        joined: Tensor = self.output(seen.transpose(1, 2).flatten(2))  # (G, Q, M)
        return joined

    def looks(self, given: Tensor, memory: Tensor, mask: Tensor) -> Looks:
        """Where each position looks. Shape: (G, Q, M), mask (G, S) -> each (G, N, Q, S)."""
        return explicit_attention(self._heads(given), memory[:, 0], mask[:, None, None])

    def _heads(self, given: Tensor) -> Tensor:
        query: Tensor = self.query(given).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (G, N, Q, D)
        return query


class FeedForward(nn.Module):
    """`max(0, x W1 + b1) W2 + b2` (Vaswani et al. 2017, eq. 2)."""

    def __init__(self, size: int, inner_size: int):
        super().__init__()
        self.inner = nn.Linear(size, inner_size)
        self.output = nn.Linear(inner_size, size)
        for part in (self.inner, self.output):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)

    def forward(self, given: Tensor) -> Tensor:
        """Shape: (..., M) -> (..., M)."""
        made: Tensor = self.output(functional.relu(self.inner(given)))
        return made


class Residual(nn.Module):
    """What stands around a sub-layer f: dropout, residual connection, layer normalisation.

    `post`: norm(x + dropout(f(x))) (Vaswani et al. 2017, section 5.4); `pre`: x + dropout(f(norm(x)))
    (Xiong et al. 2020, table 1), which trains without a long warm-up.
    """

    def __init__(self, size: int, norm: Norm, dropout: SequenceDropout):
        super().__init__()
        self.pre = norm == "pre"
        self.norm = nn.LayerNorm(size)
        self.dropout = dropout

    def before(self, values: Tensor) -> Tensor:
        """What the sub-layer is given. Shape: (B, T, M) -> (B, T, M)."""
        given: Tensor = self.norm(values) if self.pre else values
        return given

    def after(self, values: Tensor, made: Tensor) -> Tensor:
        """What is passed on, from what came in and what the sub-layer made of it. Shape: (B, T, M) -> (B, T, M)."""
        joined: Tensor = values + self.dropout(made)
        return joined if self.pre else self.norm(joined)


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward (Vaswani et al. 2017, section 3.1)."""

    def __init__(self, size: int, heads: int, inner_size: int, norm: Norm, dropout: SequenceDropout):
        super().__init__()
        self.attention = SelfAttention(size, heads)
        self.feed_forward = FeedForward(size, inner_size)
        self.around_attention = Residual(size, norm, dropout)
        self.around_feed_forward = Residual(size, norm, dropout)

    def forward(self, values: Tensor, mask: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor]:
        """Shape: values (B, S, M), mask (B, 1, 1, S) -> values, and what the attention was given, (B, S, M)."""
        given = self.around_attention.before(values)
        values = self.around_attention.after(values, self.attention(given, mask, rotation))
        made = self.feed_forward(self.around_feed_forward.before(values))
        return self.around_feed_forward.after(values, made), given


class Given(NamedTuple):
    """What the two attentions of a decoder layer were given: all that their weights need."""

    own: Tensor
    cross: Tensor


class DecoderLayer(nn.Module):
    """Self-attention, attention to the source, feed-forward (Vaswani et al. 2017, section 3.1)."""

    def __init__(self, size: int, source_size: int, heads: int, inner_size: int, norm: Norm, dropout: SequenceDropout):
        super().__init__()
        self.own = SelfAttention(size, heads)
        self.cross = CrossAttention(size, source_size, heads)
        self.feed_forward = FeedForward(size, inner_size)
        self.around_own = Residual(size, norm, dropout)
        self.around_cross = Residual(size, norm, dropout)
        self.around_feed_forward = Residual(size, norm, dropout)

    def forward(self, values: Tensor, memory: Tensor, mask: Tensor, rotation: Rotation | None) -> tuple[Tensor, Given]:
        """A whole target. Shape: values (B, T, M), memory (B, 2, N, S, D), mask (B, 1, 1, S) -> (B, T, M)."""
        given = self.around_own.before(values)
        values = self.around_own.after(values, self.own(given, None, rotation))
        values, asked = self._upper(values, memory, mask)
        return values, Given(given, asked)

    def step(
        self, values: Tensor, past: KeyValues, memory: Tensor, mask: Tensor, rotation: Rotation | None
    ) -> tuple[Tensor, KeyValues, Tensor]:
        """One position; the rows of a sentence query its memory together.

        Shape: values (R, M), memory (G, 2, N, S, D), mask (G, 1, 1, S) ->
        values (R, M), the past with this position, what attention to the source was given (G, R / G, M).
        """
        made, past = self.own.step(self.around_own.before(values), past, rotation)
        values = self.around_own.after(values[:, None], made[:, None])[:, 0]  # (R, M)
        grouped = values.unflatten(0, (memory.shape[0], -1))  # (G, R / G, M)
        grouped, asked = self._upper(grouped, memory, mask)
        return grouped.flatten(0, 1), past, asked

    def _upper(self, values: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        asked = self.around_cross.before(values)
        values = self.around_cross.after(values, self.cross(asked, memory, mask))
        made = self.feed_forward(self.around_feed_forward.before(values))
        return self.around_feed_forward.after(values, made), asked
