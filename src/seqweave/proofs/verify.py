"""Proofs of the search on a model, and a count of its errors.

A proof compares two ways to the same result on real sources and gives the largest deviation found. The
ways differ in nothing but the order of sums, so that they agree to within the rounding of fp32.

Deviations are differences of log-probabilities of single items (natural logarithm), or of attention
weights. With entmax-1.5 twice the root of a probability takes the place of its logarithm (`deviations.py`).
Where two outputs differ, the deviation is by how much the model prefers one to the other: within the
tolerance that is a tie, which rounding decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from seqweave.config import LARGEST_BEAM
from seqweave.data.batch import make_batch
from seqweave.errors import ConfigError, DataError
from seqweave.model.ensemble import Ensemble
from seqweave.model.optimized import optimized
from seqweave.predictor import Model
from seqweave.proofs.deviations import comparable, furthest, gap, item_gaps, rows_apart
from seqweave.proofs.search_errors import SearchErrors, count_search_errors
from seqweave.proofs.sources import AT_ONCE, PADDING, Sources, chunks
from seqweave.search.batches import MOST_LOGITS
from seqweave.search.contract import Searchable
from seqweave.search.found import Found
from seqweave.search.given import Given
from seqweave.search.lengths import max_lengths
from seqweave.search.score import force_score
from seqweave.text.vocabulary import EOS

TOLERANCE = 1e-4
"""Largest deviation that rounding explains; fp32 on a processor stays near 3e-5 (docs/verify.md)."""
BEAMS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Deviation:
    """How far two ways are apart on one source; `tie`: their outputs differ."""

    index: int
    value: float
    tie: bool = False


@dataclass(frozen=True)
class Proof:
    """Two ways to one result, compared.

    Attributes:
        name: what should be equal.
        compared: comparisons made.
        deviation: the largest found; infinite where outputs differ that cannot be compared.
        tolerance: the largest that passes.
        worst: index of the source with the largest deviation; None when nothing was compared.
        ties: outputs that differ although the model prefers neither by more than the tolerance.
    """

    name: str
    compared: int
    deviation: float
    tolerance: float
    worst: int | None
    ties: int

    @property
    def passed(self) -> bool:
        """Whether the deviation is within the tolerance."""
        return self.deviation <= self.tolerance


@dataclass(frozen=True)
class Verification:
    """All proofs and counts for one model.

    Attributes:
        sources: the texts they are made on, or what stands for frames.
        optimized: whether the model decodes with optimized weights (`seqweave.model.optimized`).
        beam_size: that of the proofs.
        proofs: see `Proof`.
        errors: see `SearchErrors`.
    """

    sources: list[str]
    optimized: bool
    beam_size: int
    proofs: list[Proof]
    errors: SearchErrors

    @property
    def passed(self) -> bool:
        """Whether every proof holds."""
        return all(proof.passed for proof in self.proofs)

    def to_json(self) -> dict[str, Any]:
        """Plain values; an infinite deviation is null."""
        proofs = [
            {
                "name": proof.name,
                "passed": proof.passed,
                "compared": proof.compared,
                "deviation": proof.deviation if math.isfinite(proof.deviation) else None,
                "tolerance": proof.tolerance,
                "ties": proof.ties,
                "worst_source": None if proof.worst is None else self.sources[proof.worst],
            }
            for proof in self.proofs
        ]
        return {
            "passed": self.passed,
            "sources": len(self.sources),
            "optimized": self.optimized,
            "beam_size": self.beam_size,
            "proofs": proofs,
            "search_errors": self.errors.to_json(),
        }


def verify_search(
    model: Model,
    given: Sequence[Given],
    *,
    beams: Sequence[int] = BEAMS,
    tolerance: float = TOLERANCE,
) -> Verification:
    """Prove the search of a model on some sources, and count its search errors over `beams`.

    Args:
        model: a model; it decodes as its config says.
        given: sources; those without items are left out.
        beams: beam sizes, ascending.
        tolerance: see `Proof`.

    Raises:
        ConfigError: when beams or tolerance are out of their range.
        DataError: when no source is left.
        SeqweaveError: when the network gives NaN.
    """
    _check(beams, tolerance)
    kept, sources = _sources(model, given)
    beam_size = max(2, model.config.search.beam_size)
    training = model.network.training
    model.network.eval()
    try:
        fast = optimized(model.network)
        proofs = prove(model.network, fast, sources, beam_size=beam_size, tolerance=tolerance)
        errors = count_search_errors(fast, sources, beams, tolerance)
    finally:
        model.network.train(training)
    return Verification(kept, fast is not model.network, beam_size, proofs, errors)


def _sources(model: Model, given: Sequence[Given]) -> tuple[list[str], Sources]:
    """What names the sources that have items, and what to search, as `Model.predict` would."""
    config, options = model.config, model.options
    every = zip(given, model.encode_sources(given).sources, strict=True)
    kept = [(one, source) for one, source in every if len(source) and not model.sources.is_empty(one)]
    if not kept:
        raise DataError(f"there must be a source to verify on, but all {len(given)} are empty: give other data")
    sources = [source for _, source in kept]
    lengths = [len(source) for source in sources]
    # Learned positions end somewhere; padding must not pass them.
    learned = config.model.encoder == "transformer" and config.model.positions == "learned"
    room = config.model.max_positions - max(lengths) if learned else PADDING
    if isinstance(model.network, Ensemble):  # its config has the fewest positions that a member can read
        room = config.data.max_source_length - max(lengths)
    limits = max_lengths(lengths, options.max_length_ratio, options.max_length)
    padding = max(0, min(PADDING, room))
    networks = model.network.networks if isinstance(model.network, Ensemble) else (model.network,)
    sparse = any(network.output.sparse for network in networks)
    return [model.sources.key(one) for one, _ in kept], Sources(sources, limits, options, model.device, padding, sparse)


@torch.inference_mode()
def prove(
    plain: Searchable, fast: Searchable, sources: Sources, *, beam_size: int, tolerance: float = TOLERANCE
) -> list[Proof]:
    """All proofs.

    Args:
        plain: the network itself.
        fast: what search drives; may be the same.
        sources: what to search.
        beam_size: of the searches that are no greedy ones.
        tolerance: see `Proof`.
    """

    def proof(name: str, deviations: Sequence[Deviation]) -> Proof:
        worst = max(deviations, key=lambda one: one.value, default=None)
        ties = sum(one.tie and one.value <= tolerance for one in deviations)
        value, index = (0.0, None) if worst is None else (worst.value, worst.index)
        return Proof(name, len(deviations), value, tolerance, index, ties)

    greedy, everything = sources.search_all(fast, 0), sources.search_all(fast, beam_size, beam_size)
    # Not the first of `everything`: stop="enough" searches longer for more outputs, and may find a better one.
    beam = sources.search_all(fast, beam_size)
    one_wide = sources.search_all(fast, 1)
    proofs = [proof("beam 1 = greedy", [*compared_outputs(plain, sources, 0, range(len(greedy)), greedy, one_wide)])]
    for name, way in _WAYS.items():
        both: list[Deviation] = []
        for size, known in ((0, greedy), (beam_size, beam)):
            for rows, found in way(fast, sources, size):
                both += compared_outputs(plain, sources, size, rows, [known[row] for row in rows], found)
        proofs.append(proof(name, both))
    proofs.append(proof("searched score = forced score", [*_forced(plain, sources, [greedy, everything])]))
    targets = [group[0].ids for group in greedy]
    proofs.append(proof("decode = repeated step", [*_stepped(plain, plain, sources, targets)]))
    if fast is not plain:
        proofs.append(proof("decode = repeated optimized step", [*_stepped(plain, fast, sources, targets)]))
    return proofs


Way = Callable[[Searchable, Sources, int], Iterator[tuple[Sequence[int], list[list[Found]]]]]


def _alone(network: Searchable, sources: Sources, size: int) -> Iterator[tuple[Sequence[int], list[list[Found]]]]:
    for row in range(len(sources.all)):
        yield [row], sources.search(network, [row], size)


def _permuted(network: Searchable, sources: Sources, size: int) -> Iterator[tuple[Sequence[int], list[list[Found]]]]:
    order = np.random.default_rng(1).permutation(len(sources.all)).tolist()
    # Smaller batches: most sources also get other neighbours and another width.
    for rows in chunks(order, max(1, min(AT_ONCE, len(order)) // 2)):
        yield rows, sources.search(network, rows, size)


def _padded(network: Searchable, sources: Sources, size: int) -> Iterator[tuple[Sequence[int], list[list[Found]]]]:
    if sources.padding:
        for rows in chunks(range(len(sources.all))):
            yield rows, sources.search(network, rows, size, padding=sources.padding)


_WAYS: dict[str, Way] = {
    "batched = alone": _alone,
    "batched = permuted": _permuted,
    "batched = more padding": _padded,
}


def compared_outputs(
    plain: Searchable,
    sources: Sources,
    beam_size: int,
    rows: Sequence[int],
    ones: list[list[Found]],
    others: list[list[Found]],
) -> Iterator[Deviation]:
    """The best outputs of two searches of the sources `rows`."""
    for row, (one, *_), (other, *_) in zip(rows, ones, others, strict=True):
        if one.ids == other.ids and one.finished == other.finished:
            yield Deviation(row, furthest(one, other, sources.sparse))
        elif beam_size == 0:
            yield Deviation(row, _greedy_gap(plain, sources, row, one, other), tie=True)
        else:
            alike = one.finished == other.finished
            yield Deviation(row, gap(one.score, other.score, sources.sparse) if alike else math.inf, tie=True)


def _greedy_gap(plain: Searchable, sources: Sources, row: int, one: Found, other: Found) -> float:
    """How much the model prefers one item to the other where two greedy outputs part."""
    ways = [[*found.ids, *([EOS] if found.finished else [])] for found in (one, other)]
    place = next((place for place, (a, b) in enumerate(zip(*ways, strict=False)) if a != b), None)
    if place is None:  # one goes on where the other was cut
        return math.inf
    batch = make_batch([sources.all[row]] * 2, [way[: place + 1] for way in ways]).to(sources.device)
    first, second = force_score(plain, batch)
    return gap(first.token_log_probs[place], second.token_log_probs[place], sources.sparse)


def _forced(plain: Searchable, sources: Sources, searches: Sequence[list[list[Found]]]) -> Iterator[Deviation]:
    """Every hypothesis of some searches against its forced score; of one that was cut, the items it has."""
    flat = [(row, found) for search in searches for row, group in enumerate(search) for found in group]
    ids = [found.ids for _, found in flat]
    for some in _within_memory(plain, sources, ids, [row for row, _ in flat]):
        batch = make_batch([sources.all[flat[i][0]] for i in some], [ids[i] for i in some]).to(sources.device)
        forced = force_score(plain, batch, sources.options)
        for i, known in zip(some, forced, strict=True):
            row, found = flat[i]
            if found.finished:
                yield Deviation(row, furthest(found, known, sources.sparse))
                continue
            ones, others = found.token_log_probs, known.token_log_probs[: len(found.token_log_probs)]
            yield Deviation(row, float(item_gaps(ones, others, sources.sparse).max(initial=0.0)))


def _stepped(
    plain: Searchable, stepping: Searchable, sources: Sources, targets: list[list[int]]
) -> Iterator[Deviation]:
    """Log-probabilities of the whole vocabulary and attention: `plain.decode` against `stepping.step`."""
    for rows in _within_memory(plain, sources, targets, range(len(targets))):
        batch = make_batch([sources.all[row] for row in rows], [targets[row] for row in rows]).to(sources.device)
        whole = plain.decode(batch.target_in, plain.encode(*batch.source), return_attention=True)
        state = stepping.start(stepping.encode(*batch.source))
        furthest = torch.zeros(len(rows), device=sources.device)
        for place in range(batch.target_in.shape[1]):
            step = stepping.step(batch.target_in[:, place], state, True)
            state = step.state
            both = (one.log_softmax(1) for one in (whole.logits[:, place], step.logits))  # (B, V)
            apart = rows_apart(*(comparable(one, sources.sparse) for one in both))  # (B, V) -> (B,)
            if whole.attention is not None and step.attention is not None:
                apart = torch.maximum(apart, rows_apart(whole.attention[:, place], step.attention))  # (B, S) -> (B,)
            elif whole.attention is not step.attention:  # one has weights, the other has none
                apart = torch.full_like(apart, math.inf)
            furthest = torch.maximum(furthest, apart.masked_fill(place >= batch.target_lengths, 0.0).to(furthest.dtype))
        for row, value in zip(rows, furthest.tolist(), strict=True):
            yield Deviation(row, value)


def _within_memory(
    plain: Searchable, sources: Sources, targets: list[list[int]], rows: Sequence[int]
) -> Iterator[Sequence[int]]:
    """Indices of `targets`, so many at a time that their logits stay below a fixed size."""
    start = plain.start(plain.encode(*sources.padded(rows[:1])))
    size = plain.step(torch.full((1,), EOS, device=sources.device), start).logits.shape[1]
    longest = max(map(len, targets)) + 1
    yield from chunks(range(len(targets)), max(1, min(AT_ONCE, MOST_LOGITS // (longest * size))))


def _check(beams: Sequence[int], tolerance: float) -> None:
    shown = ",".join(map(str, beams)) or "empty"
    if not beams or min(beams) < 1 or max(beams) > LARGEST_BEAM or list(beams) != sorted(set(beams)):
        raise ConfigError(
            f"beams must be ascending beam sizes of 1 or more, at most {LARGEST_BEAM:,}, but they are {shown}: "
            "give 1,2,5,10"
        )
    if not 0 <= tolerance < math.inf:
        raise ConfigError(f"tolerance must be a number of 0 or more, but it is {tolerance}: give {TOLERANCE}")
