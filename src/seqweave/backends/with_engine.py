"""The engine as a backend: searches on processors, without torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from ctypes import Array, c_int32, c_void_p, cast
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqweave.backends.base import TellDone
from seqweave.data.batching import sequential_batches
from seqweave.data.source import Source
from seqweave.engine import EngineNetwork, Output, Sources, force, search
from seqweave.engine.library import COptions
from seqweave.search.chances import chances_of
from seqweave.search.filters import Filters
from seqweave.search.found import Found
from seqweave.search.lengths import max_lengths
from seqweave.search.options import SearchOptions

Places = NDArray[np.int64]
MOST_ROWS = 320
"""Outputs in the making at once: products gain nothing from more, and this many stay in the caches."""
_FIRST = np.zeros(1, dtype=np.int64)
_PARTS = 4  # of the work of a thread: so that all end at about the same time


@dataclass(frozen=True)
class Opening:
    """How a network is opened: its settings as JSON, and what gives its weights as safetensors."""

    settings: str
    weights: Callable[[], bytes | memoryview]


@dataclass
class EngineBackend:
    """One network, or several as one.

    Attributes:
        openings: of each network; they are opened when they are first needed, once for each precision.
        threads: how many searches run at once.
    """

    openings: Sequence[Opening]
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    _opened: dict[str, list[EngineNetwork]] = field(default_factory=dict)

    def networks(self, precision: str) -> list[EngineNetwork]:
        """The networks with weights of a precision."""
        if precision not in self._opened:
            self._opened[precision] = [
                EngineNetwork(one.settings, one.weights(), "int8" if precision == "int8" else "fp32")
                for one in self.openings
            ]
        return self._opened[precision]

    def find(
        self, sources: Sequence[Source], options: SearchOptions, filters: Filters, tell_done: TellDone | None
    ) -> list[list[Found]]:
        """See `Backend`; options with functions as filters are another backend's."""
        networks = self.networks(options.precision)
        real = [index for index, source in enumerate(sources) if len(source)]
        found: list[list[Found]] = [[] for _ in sources]
        limits = max_lengths([len(sources[index]) for index in real], options.max_length_ratio, options.max_length)
        limits = [max(limit, filters.least_positions) for limit in limits]

        def work(places: Places) -> list[list[Found]]:
            chosen = [sources[real[place]] for place in places]
            most = [limits[place] for place in places]
            asked, kept = _options(options, filters, chosen, most)
            outputs = search(networks, _sources(chosen), most, asked)
            del kept
            return [[Found(*one) for one in group] for group in outputs]

        lengths = np.array([len(sources[index]) for index in real], dtype=np.int64)
        rows = options.n_best if options.sample else options.beam_size
        for places, groups in self._run(work, lengths, rows, options):
            for place, group in zip(places, groups, strict=True):
                found[real[place]] = group
            if tell_done is not None:
                tell_done(len(groups))
        return found

    def force(
        self,
        sources: Sequence[Source],
        targets: Sequence[list[int]],
        options: SearchOptions,
        free_running: bool = False,
    ) -> list[Found]:
        """See `Backend`; always in fp32, so that scores do not depend on the precision of searches.

        With `free_running` the network reads what it finds most probable in the place of the targets.
        """
        networks, found = self.networks("fp32"), [Output([], 0.0, 0.0, [], True, None)] * len(sources)
        lengths = np.array([max(len(s), len(t) + 1) for s, t in zip(sources, targets, strict=True)], dtype=np.int64)
        asked, _ = _options(replace(options, sample=False), Filters(), [], [])
        asked.free_running = int(free_running)

        def work(places: Places) -> list[Output]:
            return force(networks, _sources([sources[p] for p in places]), [targets[p] for p in places], asked)

        for places, outputs in self._run(work, lengths, 1, options):
            for place, output in zip(places, outputs, strict=True):
                found[place] = output
        return [Found(*one) for one in found]

    def _run(
        self,
        work: Callable[[Places], list[Any]],
        lengths: Places,
        rows: int,
        options: SearchOptions,
    ) -> Iterator[tuple[Places, list[Any]]]:
        """Work on sources of similar length together, on all threads; gives places and results as they come."""
        if len(lengths) == 1:
            yield _FIRST, work(_FIRST)
            return
        most = max(1, min(MOST_ROWS // rows, -(-len(lengths) // (self.threads * _PARTS))))
        batches = list(sequential_batches(lengths, max(1, options.batch_tokens // rows), most))
        if self.threads == 1 or len(batches) == 1:
            yield from ((places, work(places)) for places in batches)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            yield from zip(batches, pool.map(work, batches), strict=True)


def _sources(chosen: Sequence[Source]) -> Sources:
    copies = [one.copies for one in chosen if one.copies is not None]
    return Sources([one.values for one in chosen], copies if copies else None)


def _options(
    options: SearchOptions, filters: Filters, sources: Sequence[Source], limits: Sequence[int]
) -> tuple[COptions, list[Any]]:
    """The options as the engine takes them, and the memory that they point at."""
    constraints = filters.constraints
    forbidden, prefix = _ints(constraints.forbidden), _ints(constraints.prefix)
    chances = _chances(options, sources, limits) if options.sample else None
    asked = COptions(
        beam_size=1 if options.sample else options.beam_size,
        n_best=options.n_best,
        length_penalty=options.length_penalty,
        coverage_penalty=options.coverage_penalty,
        stop=int(options.stop == "proven"),
        min_length=constraints.min_length,
        max_length=constraints.max_length or 0,
        no_repeat_ngram=constraints.no_repeat_ngram,
        forbidden=cast(forbidden, c_void_p),
        forbidden_count=len(forbidden),
        prefix=cast(prefix, c_void_p),
        prefix_length=len(prefix),
        sample=int(options.sample),
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=options.top_k,
        chances=None if chances is None else chances.ctypes.data,
        return_attention=int(options.return_attention),
    )
    return asked, [forbidden, prefix, chances]


def _ints(values: Sequence[int]) -> Array[c_int32]:
    return (c_int32 * len(values))(*values)


def _chances(options: SearchOptions, sources: Sequence[Source], limits: Sequence[int]) -> NDArray[np.float64]:
    """The numbers that outputs are drawn with: source by source, draw by draw, position by position."""
    rows = [
        chances_of([part for part in (one.values, one.copies) if part is not None], limit, options.seed, draw)
        for one, limit in zip(sources, limits, strict=True)
        for draw in range(options.n_best)
    ]
    return np.concatenate(rows) if rows else np.zeros(0)
