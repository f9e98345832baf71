"""Attention as one function of query, keys and values: scores -> masked softmax -> weights -> context.

A scorer says what a key is (`keys`, computed once a sentence) and how well a query fits it
(`forward`). Everything else is shared. Scorers:

- `dot`, `general`, `concat`: Luong et al. 2015, section 3.1;
- `additive`: Bahdanau et al. 2014, section 3.1 and appendix A.1.2;
- `scaled_dot`: `dot` divided by the square root of the width (Vaswani et al. 2017, eq. 1);
- `location`: from the query alone (Luong et al. 2015, section 3.1);
- `location_aware` and coverage, which read earlier weights: Chorowski et al. 2015, See et al. 2017.

Windows around a position are in `windows.py`.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqweave.config import AttentionKind
from seqweave.model.attention.windows import Window
from seqweave.model.state import AttentionState


class Scorer(Protocol):
    """The role of a scorer: any module with these two methods.

    An `AwareScorer` is also given what attention remembers.
    """

    def keys(self, values: Tensor) -> Tensor:
        """What queries are compared with. Shape: values (G, S, E) -> (G, S, A)."""
        ...

    def __call__(self, query: Tensor, keys: Tensor) -> Tensor:
        """Scores before the softmax. Shape: query (G, Q, H), keys (G, S, A) -> (G, Q, S)."""
        ...


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over real positions; a row without any gives zeros, not NaN.

    Shape: scores (G, Q, S), mask (G, S) or (G, Q, S) True at real positions -> weights (G, Q, S).
    """
    real = mask[:, None] if mask.dim() == 2 else mask  # (G, 1, S) or (G, Q, S)
    lowest = torch.finfo(scores.dtype).min
    weights = scores.masked_fill(~real, lowest).softmax(-1)  # (G, Q, S)
    return weights.masked_fill(~real, 0)


def attend(
    scorer: Scorer,
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor,
    window: Window | None = None,
    past: AttentionState | None = None,
) -> tuple[Tensor, Tensor]:
    """Look values up with a query, inside a window where there is one.

    Shape: query (G, Q, H), keys (G, S, A), values (G, S, E), mask (G, S), past (G, Q, ...) ->
    context (G, Q, E), weights (G, Q, S).
    """
    scores = scorer(query, keys, past) if isinstance(scorer, AwareScorer) else scorer(query, keys)  # (G, Q, S)
    if window is None:
        weights = masked_softmax(scores, mask)  # (G, Q, S)
    else:
        inside, factor = window(query, mask, past)  # (G, Q, S)
        weights = masked_softmax(scores, inside)
        weights = weights if factor is None else weights * factor
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

    `normalized`: `g v / |v|` stands for v (weight normalisation: Salimans & Kingma 2016, eq. 2), with a learned
    number g that begins at 1 / sqrt(A).
    """

    def __init__(self, query_size: int, value_size: int, size: int, bias: bool, normalized: bool = False):
        super().__init__()
        self.query = nn.Linear(query_size, size, bias=False)
        self.key = nn.Linear(value_size, size, bias=bias)
        self.direction = nn.Linear(size, 1, bias=False)
        for part in (self.query, self.key, self.direction):
            nn.init.xavier_uniform_(part.weight)
        self.gain = nn.Parameter(torch.tensor(1 / math.sqrt(size))) if normalized else None

    def keys(self, values: Tensor) -> Tensor:
        """Shape: (G, S, E) -> (G, S, A)."""
        keys: Tensor = self.key(values)  # (G, S, A)
        return keys

    def vector(self) -> Tensor:
        """The v of the scores, normalised where it is to be. Shape: (A,)."""
        vector: Tensor = self.direction.weight[0]
        return vector if self.gain is None else self.gain * vector / vector.norm()

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Shape: (G, Q, H), (G, S, A) -> (G, Q, S)."""
        both = self.query(query)[:, :, None] + keys[:, None]  # (G, Q, S, A)
        return self.score(both)

    def score(self, sums: Tensor) -> Tensor:
        """`v . tanh(sums)`. Shape: (..., A) -> (...)."""
        return functional.linear(torch.tanh(sums), self.vector()[None])[..., 0]


class AwareScorer(nn.Module):
    """`score = v . tanh(W q + U k + F f + w c)`, of a query, a key and what was looked at before.

    - f, with `filters`: the weights of the step before, convolved with `filters` learned filters of an odd
      `width` around each position (Chorowski et al. 2015, section 2.2). Before the first step, and beyond both
      ends of the source, the weights are zeros.
    - c, with `coverage`: the sum of all earlier weights of the position (See et al. 2017, eq. 10 and 11; Tu et
      al. 2016 have more general forms).

    The scores of a step depend on the weights of the steps before, so this attention runs position by
    position, also with teacher forcing.

    Args:
        additive: W, U and v.
        size: its width (A).
        filters, width: of the convolution; no filters, no convolution.
        coverage: whether c enters.
    """

    def __init__(self, additive: AdditiveScorer, size: int, filters: int = 0, width: int = 1, coverage: bool = False):
        super().__init__()
        self.additive = additive
        self.convolution = nn.Conv1d(1, filters, width, padding=width // 2, bias=False) if filters else None
        self.features = nn.Linear(filters, size, bias=False) if filters else None
        self.coverage = nn.Linear(1, size, bias=False) if coverage else None

    def keys(self, values: Tensor) -> Tensor:
        """Shape: (G, S, E) -> (G, S, A)."""
        return self.additive.keys(values)

    def forward(self, query: Tensor, keys: Tensor, past: AttentionState | None) -> Tensor:
        """Shape: query (G, Q, H), keys (G, S, A), past (G, Q, S) -> (G, Q, S)."""
        sums = self.additive.query(query)[:, :, None] + keys[:, None]  # (G, Q, S, A)
        if self.convolution is not None and self.features is not None:
            assert past is not None
            assert past.weights is not None
            convolved = self.convolution(past.weights.to(query.dtype).flatten(0, 1)[:, None])  # (G * Q, filters, S)
            sums = sums + self.features(convolved.transpose(1, 2)).unflatten(0, query.shape[:2])  # (G, Q, S, A)
        if self.coverage is not None:
            assert past is not None
            assert past.coverage is not None
            sums = sums + self.coverage(past.coverage.to(query.dtype)[..., None])  # (G, Q, S, A)
        return self.additive.score(sums)


class LocationScorer(nn.Module):
    """`scores = W q`, one for each source position, from the query alone (Luong et al. 2015, section 3.1).

    W has a row for each of the first `positions` source positions. Later ones have none: their score is
    -infinity, so their weight is 0.
    """

    def __init__(self, query_size: int, positions: int):
        super().__init__()
        self.project = nn.Linear(query_size, positions, bias=False)
        nn.init.xavier_uniform_(self.project.weight)

    def keys(self, values: Tensor) -> Tensor:
        """The values, of which only the number of positions is read. Shape: (G, S, E) -> (G, S, E)."""
        return values

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """Shape: (G, Q, H), (G, S, E) -> (G, Q, S)."""
        length = keys.shape[1]
        scores = functional.linear(query, self.project.weight[:length])  # (G, Q, at most S)
        return functional.pad(scores, (0, length - scores.shape[-1]), value=-math.inf)


ATTENTION_KINDS: tuple[AttentionKind, ...] = (
    "additive",
    "dot",
    "scaled_dot",
    "general",
    "concat",
    "location",
    "location_aware",
)


def build_scorer(
    kind: AttentionKind,
    query_size: int,
    value_size: int,
    size: int,
    *,
    normalized: bool = False,
    coverage: bool = False,
    positions: int = 1,
    filters: int = 1,
    width: int = 1,
) -> Scorer:
    """The scorer of a name.

    Args:
        kind: its name.
        query_size, value_size: widths of queries and values (H, E).
        size: width of additive scores (A).
        normalized: additive scores with weight normalisation.
        coverage: whether the sum of earlier weights enters additive scores.
        positions: source positions that `location` knows.
        filters, width: of the convolution of `location_aware`.
    """
    match kind:
        case "dot" | "scaled_dot":
            return DotScorer(scaled=kind == "scaled_dot")
        case "general":
            return GeneralScorer(query_size, value_size)
        case "location":
            return LocationScorer(query_size, positions)
        case "additive" | "concat" | "location_aware":
            additive = AdditiveScorer(query_size, value_size, size, kind != "concat", normalized)
            if kind == "location_aware":
                return AwareScorer(additive, size, filters, width, coverage)
            return AwareScorer(additive, size, coverage=True) if coverage else additive
        case _:
            raise ValueError(f"no scorer is called {kind}; there are {', '.join(ATTENTION_KINDS)}")
