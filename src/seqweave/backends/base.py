"""The role of a backend, and which one a call takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from seqweave.data.source import Source
from seqweave.search.filters import Filters
from seqweave.search.found import Found
from seqweave.search.options import SearchOptions

if TYPE_CHECKING:
    from seqweave.backends.with_engine import EngineBackend
    from seqweave.backends.with_torch import Network

BackendName = Literal["auto", "engine", "torch"]
TellDone = Callable[[int], None]


class Backend(Protocol):
    """The role of a backend: it searches with one network, or with several as one."""

    def find(
        self, sources: Sequence[Source], options: SearchOptions, filters: Filters, tell_done: TellDone | None
    ) -> list[list[Found]]:
        """Search or draw for each source, the best first; nothing for an empty one.

        `tell_done` is told how many sources are done whenever there are more.

        Raises:
            SeqweaveError: when the network gives NaN.
        """
        ...

    def force(self, sources: Sequence[Source], targets: Sequence[list[int]], options: SearchOptions) -> list[Found]:
        """Score the target (without `<eos>`) of each source; raises as `find`."""
        ...


@dataclass(frozen=True)
class Stored:
    """A network that is not made yet: torch comes in when it is.

    Attributes:
        make: makes it, on its device.
        device: where, by name; `auto` takes a GPU when there is one.
        engine: the same network in the engine; None: not here.
    """

    make: Callable[[], Network]
    device: str
    engine: EngineBackend | None
