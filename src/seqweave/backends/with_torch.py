"""torch as a backend: on every device, with step filters of a caller's own, and for looking inside."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

from seqweave.backends.base import TellDone
from seqweave.data.source import Source
from seqweave.device import choose_device
from seqweave.model.ensemble import Ensemble
from seqweave.model.optimized import OptimizedSeq2Seq, optimized, precision_of
from seqweave.model.seq2seq import Seq2Seq
from seqweave.search.batches import Batches, inference
from seqweave.search.filters import Filters
from seqweave.search.found import Found
from seqweave.search.options import SearchOptions

_LOGGER = logging.getLogger("seqweave")
Network = Seq2Seq | Ensemble
Searched = Seq2Seq | OptimizedSeq2Seq | Ensemble


class TorchBackend:
    """A network on a device.

    Args:
        network: with the weights as they are; it is moved to `device`.
        device: where to compute; a name is one of `choose_device`.
        target_size: entries of the target vocabulary.

    Attributes:
        quiet: no warning of a precision that is not to be had.
    """

    def __init__(self, network: Network, device: torch.device | str, target_size: int):
        self.device = choose_device(device) if isinstance(device, str) else device
        with torch.inference_mode(False):  # weights that can be trained, whoever asks
            self.network: Network = network.to(self.device)
        self.quiet = False
        self._target_size = target_size
        self._optimized: tuple[object, Searched] | None = None

    def find(
        self, sources: Sequence[Source], options: SearchOptions, filters: Filters, tell_done: TellDone | None
    ) -> list[list[Found]]:
        """See `Backend`."""
        batches = Batches(options, filters, self.device, self._target_size, tell_done)
        with inference(self.network):
            return batches.find(self.searched(options.precision), sources)

    def force(self, sources: Sequence[Source], targets: Sequence[list[int]], options: SearchOptions) -> list[Found]:
        """See `Backend`."""
        batches = Batches(options, Filters(), self.device, self._target_size)
        with inference(self.network):
            return batches.force(self.network, sources, targets)

    def marks(self) -> list[tuple[int, int]]:
        """What tells these weights from others: where they lie, and how often they were changed there."""
        return [(part.data_ptr(), part._version) for part in self.network.parameters()]

    def searched(self, precision: str) -> Searched:
        """The network with weights optimized for search, fp32 or int8; made again when weights or precision change."""
        marks = (precision, self.marks())
        if self._optimized is None or self._optimized[0] != marks:
            self._optimized = marks, optimized(self.network, int8=precision == "int8")
            got = precision_of(self._optimized[1])
            if got != precision and not self.quiet:
                _LOGGER.warning(
                    "search.precision is %s, but the matrix products of this model run in %s here", precision, got
                )
        return self._optimized[1]
