"""From attention weights to hard alignments, and alignments of two directions to one.

Links are sets of (source, target) places from 0. In files they are in Pharaoh's form, `0-0 1-2`: a line a
pair, source before target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqweave.errors import ConfigError, DataError

Links = frozenset[tuple[int, int]]
Weights = NDArray[np.floating[Any]]
SYMMETRIES = ("union", "intersection", "grow-diag", "grow-diag-final-and")
# Neighbours in the order of Koehn et al.'s (2005) script: the diagonal ones come last.
_NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def argmax_links(weights: Weights, threshold: float = 0.0) -> Links:
    """Each target's likeliest source, where its weight is at least `threshold`. Shape: weights (T, S)."""
    if 0 in weights.shape:
        return frozenset()
    best = weights.argmax(1)  # (T,)
    return frozenset((int(i), j) for j, i in enumerate(best) if weights[j, i] >= threshold)


def threshold_links(weights: Weights, threshold: float = 0.0) -> Links:
    """All pairs with a weight of at least `threshold`. Shape: weights (T, S)."""
    return frozenset((int(i), int(j)) for j, i in zip(*np.nonzero(weights >= threshold), strict=True))


def mutual_links(weights: Weights, threshold: float = 0.0) -> Links:
    """Pairs that are each other's likeliest, with a weight of at least `threshold`. Shape: weights (T, S)."""
    if 0 in weights.shape:
        return frozenset()
    best = weights.argmax(0)  # (S,) the target which each source has most of
    return frozenset((i, j) for i, j in argmax_links(weights, threshold) if best[i] == j)


def monotone_links(weights: Weights, threshold: float = 0.0) -> Links:
    """The path which never goes back in the source and collects the most weight, one source for each target.

    Links with a weight below `threshold` are left out of the path. Shape: weights (T, S).
    """
    if 0 in weights.shape:
        return frozenset()
    total = np.asarray(weights[0], dtype=np.float64)  # (S,) best sum of a path that ends here
    came_from = np.zeros(weights.shape, dtype=np.int64)  # (T, S)
    for j in range(1, len(weights)):
        best = np.maximum.accumulate(total)  # (S,)
        new = np.concatenate([[True], best[1:] > best[:-1]])
        came_from[j] = np.maximum.accumulate(np.where(new, np.arange(len(total)), 0))
        total = best + weights[j]
    place = int(total.argmax())
    links = []
    for j in range(len(weights) - 1, -1, -1):
        links.append((place, j))
        place = int(came_from[j, place])
    return frozenset((i, j) for i, j in links if weights[j, i] >= threshold)


METHODS: dict[str, Callable[[Weights, float], Links]] = {
    "argmax": argmax_links,
    "threshold": threshold_links,
    "mutual": mutual_links,
    "monotone": monotone_links,
}


def hard_links(weights: Weights, method: str = "argmax", threshold: float = 0.0) -> Links:
    """Links of a matrix (T, S) by one of `METHODS`.

    Raises:
        ConfigError: when there is no such method, or the threshold is not between 0 and 1.
    """
    check_method(method, threshold)
    return METHODS[method](weights, threshold)


def check_method(method: str, threshold: float) -> None:
    """Raise a `ConfigError` unless there is such a method, and the threshold lies between 0 and 1."""
    if method not in METHODS:
        raise ConfigError(f"a method of alignment must be one of {', '.join(METHODS)}, but it is {method}: choose one")
    if not 0 <= threshold <= 1:
        raise ConfigError(f"a threshold of alignment must lie between 0 and 1, but it is {threshold}: choose another")


def token_rows(weights: Weights, shift: bool = False) -> Weights:
    """The rows of a target's items, of the rows (T + 1, S) of a forced decoding with `<eos>`.

    With `shift`, the row of the step that *reads* an item instead of that which writes it (Chen et al.
    2020, section 3): there the item is known. Shape: (T + 1, S) -> (T, S).
    """
    return weights[1:] if shift else weights[:-1]


def average(matrices: Sequence[Weights]) -> Weights:
    """The mean of several models' matrices of the same pair.

    Raises:
        DataError: when their shapes differ.
    """
    shapes = {matrix.shape for matrix in matrices}
    if len(shapes) != 1:
        raise DataError(
            "models must cut a pair into the same items for their attention to be averaged, but the matrices have "
            f"the shapes {', '.join(map(str, sorted(shapes)))}: use models with the same tokenizers, or align words"
        )
    return np.asarray(np.mean(np.stack(matrices), axis=0))


def pool(
    weights: Weights, source_groups: Sequence[int], target_groups: Sequence[int], shape: tuple[int, int]
) -> Weights:
    """Weights between groups of items (words): sums over a group's sources, means over its targets.

    Args:
        weights: between items. Shape: (T, S).
        source_groups, target_groups: the group of each item; -1: of none.
        shape: number of target and source groups.
    """
    columns = np.zeros((shape[1], weights.shape[1]))
    rows = np.zeros((shape[0], weights.shape[0]))
    for matrix, groups in ((columns, source_groups), (rows, target_groups)):
        for item, group in enumerate(groups):
            if group >= 0:
                matrix[group, item] = 1
    rows /= np.maximum(rows.sum(1, keepdims=True), 1)
    return np.asarray(rows @ weights @ columns.T)


def to_pharaoh(links: Iterable[tuple[int, int]]) -> str:
    """Links as `0-0 1-2`, in order of the source."""
    return " ".join(f"{i}-{j}" for i, j in sorted(links))


def from_pharaoh(line: str) -> Links:
    """Links of a line such as `0-0 1-2`; an empty line has none.

    Raises:
        DataError: when a link is not two whole numbers from 0 with a hyphen between.
    """
    links = []
    for part in line.split():
        source, hyphen, target = part.partition("-")
        if not (hyphen and source.isdecimal() and target.isdecimal()):
            raise DataError(f"a link must be two whole numbers from 0 as in 0-2, but it is {part}: correct the line")
        links.append((int(source), int(target)))
    return frozenset(links)


def turned(links: Links) -> Links:
    """Links of the opposite direction: source and target change places."""
    return frozenset((j, i) for i, j in links)


def symmetrise(forward: Links, backward: Links, method: str = "grow-diag-final-and") -> Links:
    """One alignment of two, both as (source, target) (Och & Ney 2003, section 4; Koehn et al. 2005).

    `grow-diag` starts from the intersection and adds links of the union beside those it has, while one
    of the two words has none; `grow-diag-final-and` then adds links of either direction between words
    that both have none.

    Raises:
        ConfigError: when there is no such method.
    """
    check_symmetry(method)
    if method == "union":
        return forward | backward
    if method == "intersection":
        return forward & backward
    links = _grown(forward & backward, forward | backward)
    if method == "grow-diag-final-and":
        for one in (forward, backward):
            for i, j in sorted(one):
                if all(i != source for source, _ in links) and all(j != target for _, target in links):
                    links.add((i, j))
    return frozenset(links)


def check_symmetry(method: str) -> None:
    """Raise a `ConfigError` unless there is such a method of putting two directions together."""
    if method not in SYMMETRIES:
        raise ConfigError(
            f"alignments must be put together by one of {', '.join(SYMMETRIES)}, but it is {method}: choose one"
        )


def _grown(start: Links, union: Links) -> set[tuple[int, int]]:
    links = set(start)
    sources, targets = {i for i, _ in links}, {j for _, j in links}
    grows = True
    while grows:
        grows = False
        for i, j in sorted(links):
            for down, right in _NEIGHBOURS:
                new = (i + down, j + right)
                if new in union and new not in links and (new[0] not in sources or new[1] not in targets):
                    links.add(new)
                    sources.add(new[0])
                    targets.add(new[1])
                    grows = True
    return links
