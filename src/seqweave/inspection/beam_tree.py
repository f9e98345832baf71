"""Beam search of one sentence that remembers every expansion, and what became of it.

The readable twin of `seqweave.search.beam`: same candidates, same order, same end; a test holds
the two together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqweave.errors import DataError
from seqweave.inspection.changes import NO_CHANGES, Changes, Overwritten
from seqweave.inspection.recorder import recording_copy
from seqweave.inspection.trace import REASONS, STATUSES, Beam
from seqweave.model.seq2seq import Seq2Seq
from seqweave.model.state import Encoded
from seqweave.search.contract import Searchable
from seqweave.search.filtering import filtered
from seqweave.search.filters import IMPOSSIBLE
from seqweave.search.found import Found, StepFilter, not_finite
from seqweave.search.options import SearchOptions
from seqweave.search.penalties import Coverage, length_normalised
from seqweave.search.steps import next_log_probs
from seqweave.search.topk import top_k
from seqweave.text.vocabulary import BOS, EOS


@dataclass
class _Node:
    step: int
    parent: int  # -1: <bos>
    id: int
    log_prob: float
    total: float
    score: float
    status: str = "pruned"
    reason: str = "not_among_the_best"


@dataclass
class _Search:
    """The tree so far; all numbers are indices of nodes."""

    beam_size: int
    length_penalty: float
    stop: str
    limit: int
    device: torch.device
    coverage: dict[int, float] = field(default_factory=dict)  # of live nodes, if they stopped at this step
    nodes: list[_Node] = field(default_factory=list)
    live: list[int] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)  # best first, at most beam_size
    ended: int = 0  # how many ended, also those no longer among the best

    def expand(self, step: int, items: Sequence[tuple[int, int, float]]) -> list[int]:
        """Add the expansions (parent, id, log_prob); their nodes, best first, ties in the order given."""
        first = len(self.nodes)
        for parent, id_, log_prob in items:
            total = log_prob + (self.nodes[parent].total if parent >= 0 else 0.0)
            score = length_normalised(total, step + 1, self.length_penalty) + self.coverage.get(parent, 0.0)
            self.nodes.append(_Node(step, parent, id_, log_prob, total, score))
        return sorted(range(first, len(self.nodes)), key=lambda node: -self.nodes[node].total)

    def choose(self, ranked: Sequence[int], step: int) -> None:
        """Let the best live on, and those which took `<eos>` finish."""
        size = self.beam_size
        candidates = ranked[: 2 * size]
        for node in ranked:
            if self.nodes[node].id == EOS:
                self._mark(node, "pruned", "end_not_among_the_best")
        for node in candidates[:size]:
            if self.nodes[node].id == EOS:
                self.ended += 1
                self._mark(node, "finished", "ended")
                self.finished.append(node)
        self.finished.sort(key=lambda node: -self.nodes[node].score)
        for node in self.finished[size:]:
            self._mark(node, "pruned", "better_finished")
        del self.finished[size:]
        self.live = [node for node in candidates if self.nodes[node].id != EOS][:size]
        for node in self.live:
            self._mark(node, "alive", "among_the_best")
        if step + 1 == self.limit:
            self._cut()

    def is_over(self, step: int) -> bool:
        """Whether to stop after this step; what is alive then is pruned."""
        if not self.live or step + 1 >= self.limit:
            self._drop("not_among_the_best")
            return True
        enough = self.stop == "enough"
        length = step + 1 if enough else self.limit
        bound = length_normalised(self.nodes[self.live[0]].total, length, self.length_penalty)
        over = bool(self.finished) and (self.nodes[self.finished[0]].score >= bound or self.beam_size == 1)
        over = over and (not enough or self.ended >= self.beam_size)
        reason = "enough_finished" if enough else "cannot_win"
        if over:
            self._drop(reason)
        return over

    def _cut(self) -> None:
        """At the limit live hypotheses take the places that are left, behind the finished ones."""
        room = self.beam_size - len(self.finished)
        for node in self.live[:room]:
            self._mark(node, "finished", "cut")
            self.finished.append(node)
        self.live = self.live[room:]

    def _drop(self, reason: str) -> None:
        for node in self.live:
            self._mark(node, "pruned", reason)
        self.live = []

    def _mark(self, node: int, status: str, reason: str) -> None:
        self.nodes[node].status, self.nodes[node].reason = status, reason

    def output_of(self, node: int) -> list[int]:
        """The items from the start to `node`, -1: none."""
        items: list[int] = []
        while node >= 0:
            items.append(self.nodes[node].id)
            node = self.nodes[node].parent
        return items[::-1]

    def columns(self, reference: Sequence[int] | None) -> Beam:
        """The tree as a trace has it; `reference` as in `grow_beam`."""
        nodes = self.nodes
        return Beam(
            beam_size=self.beam_size,
            length_penalty=self.length_penalty,
            stop=self.stop,
            max_length=self.limit,
            steps=np.array([node.step for node in nodes], dtype=np.int32),
            parents=np.array([node.parent for node in nodes], dtype=np.int32),
            ids=np.array([node.id for node in nodes], dtype=np.int32),
            log_probs=np.array([node.log_prob for node in nodes]),
            totals=np.array([node.total for node in nodes]),
            scores=np.array([node.score for node in nodes]),
            statuses=np.array([STATUSES.index(node.status) for node in nodes], dtype=np.uint8),
            reasons=np.array([REASONS.index(node.reason) for node in nodes], dtype=np.uint8),
            ranking=list(self.finished),
            reference_left=None if reference is None else _left_at(nodes, reference),
        )


@torch.inference_mode()
def grow_beam(
    network: Searchable,
    encoded: Encoded,
    limit: int,
    options: SearchOptions,
    *,
    filters: Sequence[StepFilter] = (),
    reference: Sequence[int] | None = None,
    changes: Changes = NO_CHANGES,
) -> Beam:
    """Search one sentence as `beam_search` does with n_best=1.

    Args:
        network: what to search; a `Seq2Seq` when attention or the start is changed.
        encoded: one sentence.
        limit: most positions, `<eos>` counted.
        options: beam size, penalties and `stop` count.
        filters: what outputs may be; what they forbid makes no nodes. A forced step wins over them.
        reference: target ids with `<eos>`, to see where the beam loses them.
        changes: what to do otherwise; a hypothesis ends no earlier than the last forced step.

    Raises:
        DataError: when no hypothesis can reach the last forced step.
        SeqweaveError: when the network gives NaN.
    """
    search = _Search(options.beam_size, options.length_penalty, options.stop, limit, encoded.outputs.device)
    twin, state, overwritten = _begin(network, encoded, changes)
    coverage = Coverage(encoded.mask.sum(1), encoded.mask.shape[1], options.coverage_penalty)
    live = [-1]
    ids = torch.tensor([BOS], device=encoded.outputs.device)
    for step in range(limit):
        if overwritten is not None:
            overwritten.position = step
        output = twin.step(ids, state, options.coverage_penalty > 0)
        added = coverage.add(output.attention)
        search.coverage = {} if added is None else dict(zip(live, added[0].tolist(), strict=False))
        log_probs = _allowed(next_log_probs(output.logits)[: len(live)], changes, step)  # (R, V) -> (live, V)
        if filters and step not in changes.forced:
            log_probs = filtered(log_probs, [search.output_of(node) for node in live], filters)
        values, items = top_k(log_probs, min(options.beam_size + 1, output.logits.shape[1]))  # (live, k)
        ranked = search.expand(step, _expansions(live, values.tolist(), items.tolist()))
        search.choose(ranked, step)
        if search.is_over(step):
            break
        state, ids, live = _next_step(search, live, step, output.state, coverage)
    return search.columns(reference)


def _next_step(
    search: _Search, before: list[int], step: int, state: Any, coverage: Coverage
) -> tuple[Any, Tensor, list[int]]:
    """The state, the ids and the nodes of the next step: as many rows as `beam_search` has, so that both round alike.

    `before` are the nodes which the step just made has continued.
    """
    size, device = search.beam_size, search.device
    rows = [before.index(search.nodes[node].parent) for node in search.live]
    order = torch.tensor(rows + [0] * (size - len(rows)), device=device)  # (R,)
    if size > 1:
        state = state.reorder(order) if step else state.expand(size)
    coverage.follow(order, size)
    live = list(search.live)
    last = [search.nodes[node].id for node in live] + [EOS] * (size - len(live))
    return state, torch.tensor(last, device=device), live


def _begin(network: Searchable, encoded: Encoded, changes: Changes) -> tuple[Searchable, Any, Overwritten | None]:
    """What to step, its first state, and what must be told the step."""
    if not changes.inside:
        return network, network.start(encoded), None
    assert isinstance(network, Seq2Seq)
    twin = recording_copy(network) if changes.attention else network
    overwritten = Overwritten(twin, changes.attention)
    return twin, changes.start(twin, encoded), overwritten


def _allowed(log_probs: Tensor, changes: Changes, position: int) -> Tensor:
    """All but what a forced position takes becomes impossible, and an end before the last of them. Shape: (R, V).

    Raises:
        DataError: when that leaves nothing.
    """
    if position in changes.forced:
        allowed = torch.full_like(log_probs, float("-inf"))
        id_ = changes.forced[position]
        allowed[:, id_] = log_probs[:, id_].clamp(min=IMPOSSIBLE)
        return allowed
    last = max(changes.forced, default=0)
    if position < last:
        log_probs[:, EOS] = float("-inf")
        if bool(log_probs.isneginf().all()):
            raise DataError(
                f"a run must reach position {last}, where an item is forced, but at position {position} the model "
                f"gives everything but <eos> probability 0: force an item at position {position} as well"
            )
    return log_probs


def path_of(beam: Beam, node: int) -> list[int]:
    """The nodes from the start to `node`."""
    path: list[int] = []
    while node >= 0:
        path.append(node)
        node = int(beam.parents[node])
    return path[::-1]


def found_of(beam: Beam, rank: int = 0) -> Found:
    """A result of the search, as `beam_search` gives it (without attention)."""
    path = path_of(beam, beam.ranking[rank])
    ids = beam.ids[path].tolist()
    token_log_probs = beam.log_probs[path].tolist()
    finished = REASONS[beam.reasons[path[-1]]] == "ended"
    log_prob = math.fsum(token_log_probs)
    score = float(beam.scores[path[-1]])  # with the coverage penalty, if there is one
    return Found(ids[:-1] if finished else ids, score, log_prob, token_log_probs, finished)


def _expansions(live: Sequence[int], values: list[list[float]], items: list[list[int]]) -> list[tuple[int, int, float]]:
    best = [row[0] for row in values]
    if any(math.isnan(value) for value in best) or not any(math.isfinite(value) for value in best):
        raise not_finite()
    found = []
    for parent, some, ids in zip(live, values, items, strict=True):
        found += [
            (parent, id_, value)
            for value, id_ in zip(some, ids, strict=True)
            if value != float("-inf")  # <pad>, <bos>, and what the model gives no probability
        ]
    return found


def _left_at(nodes: Sequence[_Node], reference: Sequence[int]) -> int | None:
    """The step at which no node that is alive or finished follows the reference any more."""
    parent = -1
    for step, id_ in enumerate(reference):
        follows = [
            index
            for index, node in enumerate(nodes)
            if node.step == step and node.parent == parent and node.id == id_ and node.status != "pruned"
        ]
        if not follows:
            return step
        parent = follows[0]
    return None
