"""What proofs search: sources, the most positions of their outputs, and how."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch

from seqweave.data.source import Source
from seqweave.data.source_batch import SourceBatch, pad_sources
from seqweave.search.beam import beam_search
from seqweave.search.contract import Searchable
from seqweave.search.found import Found
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions

AT_ONCE = 64
"""Sources in a batch."""
PADDING = 7
"""Columns more than needed, in a batch that is padded for a proof."""


@dataclass(frozen=True)
class Sources:
    """What is searched: the sources, the most positions of their outputs, and how.

    Attributes:
        all: the sources, none of them empty.
        limits: most positions of each output, `<eos>` counted.
        options: how; penalties and `stop` count, constraints and sampling do not.
        device: where the networks are.
        padding: columns by which a batch may be wider than its longest source.
        sparse: probabilities may be 0, and are compared as `deviations.comparable` says.
    """

    all: list[Source]
    limits: list[int]
    options: SearchOptions = field(default_factory=SearchOptions)
    device: torch.device | str = "cpu"
    padding: int = PADDING
    sparse: bool = False

    def search(
        self, network: Searchable, rows: Sequence[int], beam_size: int, n_best: int = 1, padding: int = 0
    ) -> list[list[Found]]:
        """Search the sources `rows` in one batch; a beam of 0 is `greedy_search`."""
        source = self.padded(rows, padding)
        limits = torch.tensor([self.limits[row] for row in rows])
        if beam_size == 0:
            return [[one] for one in greedy_search(network, source, limits, self.options)]
        options = replace(self.options, beam_size=beam_size, n_best=n_best)
        return beam_search(network, source, limits, options)

    def search_all(self, network: Searchable, beam_size: int, n_best: int = 1) -> list[list[Found]]:
        """Search all sources, a fixed number in a batch, in order."""
        return [one for rows in chunks(range(len(self.all))) for one in self.search(network, rows, beam_size, n_best)]

    def padded(self, rows: Sequence[int], padding: int = 0) -> SourceBatch:
        """The sources `rows`, with `padding` positions more than needed."""
        return pad_sources([self.all[row] for row in rows]).widened(padding).to(self.device)


def chunks(rows: Sequence[int], size: int = AT_ONCE) -> Iterator[Sequence[int]]:
    """The rows, `size` at a time."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
