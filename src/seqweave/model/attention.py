"""Attention as one function of query, keys and values: scores -> masked softmax -> weights -> context.

A scorer says what a key is (`keys`, computed once a sentence) and how well a query fits it
(`forward`). Everything else is shared. Scorers:

- `dot`, `general`, `concat`: Luong et al. 2015, section 3.1;
- `additive`: Bahdanau et al. 2014, section 3.1 and appendix A.1.2;
- `scaled_dot`: `dot` divided by the square root of the width (Vaswani et al. 2017, eq. 1).
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor, nn

from seqweave.config import AttentionKind


class Scorer(Protocol):
    """The role of a scorer: any module with these two methods."""

    def keys(self, values: Tensor) -> Tensor:
        """What queries are compared with. Shape: values (G, S, E) -> (G, S, A)."""
        ...

    def __call__(self, query: Tensor, keys: Tensor) -> Tensor:
        """Scores before the softmax. Shape: query (G, Q, H), keys (G, S, A) -> (G, Q, S)."""
        ...


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over real positions; a row without any gives zeros, not NaN.

    Shape: scores (G, Q, S), mask (G, S) True at real positions -> weights (G, Q, S).
    """
    real = mask[:, None]  # (G, 1, S)
    lowest = torch.finfo(scores.dtype).min
    weights = scores.masked_fill(~real, lowest).softmax(-1)  # (G, Q, S)
    return weights.masked_fill(~real, 0)


def attend(scorer: Scorer, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Look values up with a query.

    Shape: query (G, Q, H), keys (G, S, A), values (G, S, E), mask (G, S) ->
    context (G, Q, E), weights (G, Q, S).
    """
    weights = masked_softmax(scorer(query, keys), mask)  # (G, Q, S)
    return torch.bmm(weights.to(values.dtype), values), weights  # (G, Q, E)


class DotScorer(nn.Module):
    """`score = q . k` (Luong et al. 2015, section 3.1); `scaled`: divided by sqrt(width) (Vaswani et al. 2017)."""

    def __init__(self, scaled: bool = False):
        super().__init__()
        self.scaled = scaled

    def keys(self, values: Tensor) -> Tensor:
        """The values themselves. Shape: (G, S, E) -> (G, S, E)."""
        return values

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Shape: (G, Q, E), (G, S, E) -> (G, Q, S)."""
        if self.scaled:
            query = query / math.sqrt(query.shape[-1])
        return torch.bmm(query, keys.transpose(1, 2))  # (G, Q, S)


class GeneralScorer(nn.Module):
    """`score = q . W k` (Luong et al. 2015, section 3.1, general); W is applied to the keys, once a sentence."""

    def __init__(self, query_size: int, value_size: int):
        super().__init__()
        self.project = nn.Linear(value_size, query_size, bias=False)
        nn.init.xavier_uniform_(self.project.weight)

    def keys(self, values: Tensor) -> Tensor:
        """Shape: (G, S, E) -> (G, S, H)."""
        keys: Tensor = self.project(values)  # (G, S, H)
        return keys

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Shape: (G, Q, H), (G, S, H) -> (G, Q, S)."""
        return torch.bmm(query, keys.transpose(1, 2))  # (G, Q, S)


class AdditiveScorer(nn.Module):
    """`score = v . tanh(W q + U k)`.

    Without a bias this is Luong's `concat` (section 3.1: W [q; k] is W q + U k); with a bias on U k it is
    Bahdanau's alignment model (A.1.2), as his code had it.
    """

    def __init__(self, query_size: int, value_size: int, size: int, bias: bool):
        super().__init__()
        self.query = nn.Linear(query_size, size, bias=False)
        self.key = nn.Linear(value_size, size, bias=bias)
        self.direction = nn.Linear(size, 1, bias=False)
        for part in (self.query, self.key, self.direction):
            nn.init.xavier_uniform_(part.weight)

    def keys(self, values: Tensor) -> Tensor:
        """Shape: (G, S, E) -> (G, S, A)."""
        keys: Tensor = self.key(values)  # (G, S, A)
        return keys

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Shape: (G, Q, H), (G, S, A) -> (G, Q, S)."""
        both = self.query(query)[:, :, None] + keys[:, None]  # (G, Q, S, A)
        scores: Tensor = self.direction(torch.tanh(both))[..., 0]  # (G, Q, S)
        return scores


ATTENTION_KINDS: tuple[AttentionKind, ...] = ("additive", "dot", "scaled_dot", "general", "concat")


def build_scorer(kind: AttentionKind, query_size: int, value_size: int, size: int) -> Scorer:
    """The scorer of a name; `size` is the width of `additive` and `concat`."""
    match kind:
        case "dot" | "scaled_dot":
            return DotScorer(scaled=kind == "scaled_dot")
        case "general":
            return GeneralScorer(query_size, value_size)
        case "additive" | "concat":
            return AdditiveScorer(query_size, value_size, size, bias=kind == "additive")
        case _:
            raise ValueError(f"no scorer is called {kind}; there are {', '.join(ATTENTION_KINDS)}")
