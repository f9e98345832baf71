"""The state of a fast decoder between two steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class OptimizedMemory:
    """What a fast decoder looks up in one sentence, computed once.

    Attributes:
        values: what weights sum. Shape: (G, S, E), or premultiplied (G, S, N).
        keys: what queries are compared with. Shape: (G, S, A).
        bias: 0 at real positions, very low at padding; None where nothing is padded. Shape: (G, S, 1).
        context: what the fixed context vector adds, without attention. Shape: (G, N).
        multiplied: whether `values` have gone through the weights that read the context.
    """

    values: Tensor | None = None
    keys: Tensor | None = None
    bias: Tensor | None = None
    context: Tensor | None = None
    multiplied: bool = False

    def select(self, groups: Tensor) -> OptimizedMemory:
        """Take sentences by index."""
        parts = (self.values, self.keys, self.bias, self.context)
        values, keys, bias, context = (None if part is None else part.index_select(0, groups) for part in parts)
        return OptimizedMemory(values, keys, bias, context, self.multiplied)


@dataclass(frozen=True, slots=True)
class OptimizedState:
    """As `seqweave.model.state.DecoderState`, for a fast decoder.

    Attributes:
        parts: all that a row carries, such as hidden states. Shape: each (R, ...).
        memory: what the rows look up, for each of R / width sentences.
        width: rows that share one sentence's memory, next to each other.
        widened: what to do with the memory once several rows share it.
    """

    parts: tuple[Tensor, ...]
    memory: OptimizedMemory
    width: int = 1
    widened: Callable[[OptimizedMemory], OptimizedMemory] | None = None

    @property
    def rows(self) -> int:
        """Number of rows R."""
        return int(self.parts[0].shape[0])

    def select(self, rows: Tensor) -> OptimizedState:
        """Any rows, any number of them, in any order; each gets its own memory."""
        return replace(self.reorder(rows), memory=self.memory.select(rows // self.width), width=1)

    def expand(self, width: int) -> OptimizedState:
        """Repeat each row `width` times, next to each other; the memory stays shared."""
        parts = tuple(part.repeat_interleave(width, 0) for part in self.parts)  # (R * width, ...)
        memory = self.memory if self.widened is None or width == 1 else self.widened(self.memory)
        return replace(self, parts=parts, memory=memory, width=self.width * width)

    def reorder(self, rows: Tensor) -> OptimizedState:
        """Rows trade places within their sentence, as in a step of beam search: the memory is left alone."""
        return self.moved(tuple([part.index_select(0, rows) for part in self.parts]))

    def keep(self, sentences: Tensor) -> OptimizedState:
        """Whole sentences leave; those at the given indices stay, with all their rows."""
        parts = tuple(
            part.unflatten(0, (-1, self.width)).index_select(0, sentences).flatten(0, 1) for part in self.parts
        )
        return replace(self, parts=parts, memory=self.memory.select(sentences))

    def moved(self, parts: tuple[Tensor, ...]) -> OptimizedState:
        """The same with other rows."""
        return OptimizedState(parts, self.memory, self.width, self.widened)
