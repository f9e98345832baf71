"""Word alignment without neural networks, in plain numpy: IBM model 1 and a diagonal prior.

- `ibm1`: Brown et al. 1993, section 4.1: every target word comes from one source word or from none,
  all places equally likely; EM over the whole corpus.
- `diagonal`: Dyer et al. 2013 (fast_align): places near the diagonal are likelier, by exp(lambda h) with
  h = -|i / m - j / n|; `none` has 0.08; lambda follows the data; translation probabilities have a
  Dirichlet prior of 0.01 by variational Bayes.

All pairs of words of all sentences stand in flat arrays, so an iteration is a few passes over them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Sentence = Sequence[str]
NONE_PROBABILITY = 0.08
DIRICHLET = 0.01
FIRST_LAMBDA, LAMBDA_RANGE, LAMBDA_UPDATES = 4.0, (0.1, 14.0), 8


@dataclass(frozen=True)
class Cells:
    """Each target word with each source word of its sentence, and with none.

    Attributes:
        token: the target word in the corpus, a number; rising. Shape: (C,).
        source: place in its sentence, -1: none. `target`: place in its sentence. Shape: (C,).
        kind: the pair of words, a number. Shape: (C,).
        source_of_kind: the source word of each kind. Shape: (kinds,).
        diagonal: h of the prior; 0 for none. Shape: (C,).
        first: cells of a sentence begin here. Shape: (sentences + 1,).
        target_words: distinct ones.
    """

    token: Array
    source: Array
    target: Array
    kind: Array
    source_of_kind: Array
    diagonal: Array
    first: Array
    target_words: int


def make_cells(pairs: Sequence[tuple[Sentence, Sentence]]) -> Cells:
    """Number the words and lay out the cells of all sentences."""
    source_ids: dict[str, int] = {}
    target_ids: dict[str, int] = {}
    parts: list[list[Array]] = [[] for _ in range(6)]
    first, tokens = [0], 0
    for source, target in pairs:
        s = np.array([0, *(source_ids.setdefault(word, len(source_ids) + 1) for word in source)])  # 0: none
        t = np.array([target_ids.setdefault(word, len(target_ids)) for word in target])
        m, n = len(source), len(target)
        i, j = np.tile(np.arange(-1, m), n), np.repeat(np.arange(n), m + 1)
        near = np.where(i < 0, 0.0, -np.abs((i + 1) / m - (j + 1) / n))
        for kept, new in zip(parts, (tokens + j, i, j, s[i + 1], t[j], near), strict=True):
            kept.append(new)
        first.append(first[-1] + len(i))
        tokens += n
    token, source_place, target_place, s_ids, t_ids, diagonal = (np.concatenate(part) for part in parts)
    kinds, kind = np.unique(s_ids.astype(np.int64) * len(target_ids) + t_ids, return_inverse=True)
    return Cells(
        token, source_place, target_place, kind, kinds // len(target_ids), diagonal, np.array(first), len(target_ids)
    )


def ibm1(cells: Cells, iterations: int = 10) -> Array:
    """The probability that each target word comes from each place. Shape: (C,)."""
    table = np.full(len(cells.source_of_kind), 1 / cells.target_words)
    for _ in range(iterations):
        counts = np.bincount(cells.kind, _shares(cells, table[cells.kind]), len(table))
        table = counts / np.bincount(cells.source_of_kind, counts)[cells.source_of_kind]
    return _shares(cells, table[cells.kind])


def diagonal(cells: Cells, iterations: int = 5) -> Array:
    """As `ibm1`, with the prior of fast_align. Shape: (C,)."""
    table = np.full(len(cells.source_of_kind), 1 / cells.target_words)
    words = np.bincount(cells.source_of_kind)  # kinds of each source word
    tension = FIRST_LAMBDA
    for iteration in range(iterations):
        shares = _shares(cells, table[cells.kind] * _prior(cells, tension))
        if iteration:
            tension = _new_tension(cells, tension, shares)
        counts = np.bincount(cells.kind, shares, len(table)) + DIRICHLET
        totals = np.bincount(cells.source_of_kind, counts, len(words))
        table = np.exp(_digamma(counts) - _digamma(totals)[cells.source_of_kind])
    return _shares(cells, table[cells.kind] * _prior(cells, tension))


def links_of(cells: Cells, shares: Array) -> list[frozenset[tuple[int, int]]]:
    """The likeliest source place of each target word, or none, for each sentence."""
    order = np.lexsort((-shares, cells.token))  # within a token, the likeliest first
    best = order[np.unique(cells.token[order], return_index=True)[1]]  # a cell for each token
    best = best[cells.source[best] >= 0]
    sentence = np.searchsorted(cells.first, best, side="right") - 1
    links: list[set[tuple[int, int]]] = [set() for _ in range(len(cells.first) - 1)]
    for number, i, j in zip(sentence, cells.source[best], cells.target[best], strict=True):
        links[number].add((int(i), int(j)))
    return [frozenset(one) for one in links]


def _shares(cells: Cells, values: Array) -> Array:
    """Values divided by their sum over each target word's cells."""
    sums = np.bincount(cells.token, values)
    return values / np.maximum(sums, 1e-300)[cells.token]


def _prior(cells: Cells, tension: float) -> Array:
    """The probability of each place before the words are seen."""
    near = np.where(cells.source < 0, 0.0, np.exp(tension * cells.diagonal))
    return np.where(cells.source < 0, NONE_PROBABILITY, (1 - NONE_PROBABILITY) * _shares(cells, near))


def _new_tension(cells: Cells, tension: float, shares: Array) -> float:
    """Follow the gradient of the likelihood, as fast_align does: 8 steps of 20 times the mean difference."""
    tokens = cells.token[-1] + 1
    seen = float(shares @ cells.diagonal) / tokens
    for _ in range(LAMBDA_UPDATES):
        near = np.where(cells.source < 0, 0.0, np.exp(tension * cells.diagonal))
        expected = float(_shares(cells, near) @ cells.diagonal) / tokens
        tension = min(max(tension + 20 * (seen - expected), LAMBDA_RANGE[0]), LAMBDA_RANGE[1])
    return tension


def _digamma(x: Array) -> Array:
    """The derivative of log gamma, for x > 0: up to x + 6 by recurrence, then the asymptotic series."""
    result = np.zeros_like(x)
    for _ in range(6):
        result -= 1 / x
        x = x + 1
    inverse = 1 / x**2
    series = inverse * (1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse / 240)))
    return result + np.log(x) - 0.5 / x - series
