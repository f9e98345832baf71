"""What passes between encoder, decoder and search: plain tensors, grouped and named.

`DecoderState` is all that free-running decoding carries from step to step. Search never looks
inside: it selects, expands, reorders and keeps rows. The encoder's memory is held once a
sentence, and `width` rows next to each other share it, so a beam of K costs no copies.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from torch import Tensor

from seqweave.model.attention.base import AttentionState, each
from seqweave.model.transformer.cache import KeyValues

State = TypeVar("State")


@dataclass(frozen=True)
class Encoded:
    """What an encoder gives.

    Attributes:
        outputs: one vector a source position. Shape: (B, S, E).
        final: states at each sentence's own end, from the first layer to the last; an LSTM gives
            (hidden, cell) for each layer. Shape: each (B, E).
        mask: True at real positions. Shape: (B, S).
        copies: where the positions stand in outputs of a model that copies (`Copier.columns`). Shape: (B, 2, S).
    """

    outputs: Tensor
    final: tuple[Tensor, ...]
    mask: Tensor
    copies: Tensor | None = None


@dataclass(frozen=True)
class Memory:
    """What a decoder looks up in one sentence, computed once.

    Attributes:
        values: encoder outputs. Shape: (G, S, E).
        keys: what queries are compared with. Shape: (G, S, A).
        mask: True at real positions. Shape: (G, S).
        context: the fixed context vector of a model without attention. Shape: (G, E).
        layers: keys and values of each layer of a Transformer. Shape: each (G, 2, N, S, D).
        copies: as in `Encoded`. Shape: (G, 2, S).
    """

    values: Tensor | None = None
    keys: Tensor | None = None
    mask: Tensor | None = None
    context: Tensor | None = None
    layers: tuple[Tensor, ...] = ()
    copies: Tensor | None = None

    def select(self, groups: Tensor) -> Memory:
        """Take sentences by index."""
        values, keys, mask, context = (
            _rows(part, groups) for part in (self.values, self.keys, self.mask, self.context)
        )
        layers = tuple(part.index_select(0, groups) for part in self.layers)
        return Memory(values, keys, mask, context, layers, _rows(self.copies, groups))


@dataclass(frozen=True)
class DecoderState:
    """All that free-running decoding carries.

    Attributes:
        recurrent: states of the layers, first to last (an LSTM: hidden, cell; a Transformer has none).
            Shape: each (R, H).
        memory: what the rows look up, for each of R / width sentences.
        feed: the attentional state of the last step, with input feeding. Shape: (R, H').
        width: rows that share one sentence's memory, next to each other.
        cache: keys and values of earlier positions, for each layer of a Transformer; none before the
            first step.
        past: what attention remembers, by name; empty where it remembers nothing. Shape: each (R, ...).
    """

    recurrent: tuple[Tensor, ...]
    memory: Memory
    feed: Tensor | None = None
    width: int = 1
    cache: tuple[KeyValues, ...] = ()
    past: AttentionState = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of rows R."""
        if self.recurrent:
            return int(self.recurrent[0].shape[0])
        return int(self.memory.layers[0].shape[0]) * self.width

    def select(self, rows: Tensor) -> DecoderState:
        """Any rows, any number of them, in any order; each gets its own memory."""
        return replace(self._moved(rows), memory=self.memory.select(rows // self.width), width=1)

    def expand(self, width: int) -> DecoderState:
        """Repeat each row `width` times, next to each other; the memory stays shared."""
        recurrent = tuple(part.repeat_interleave(width, 0) for part in self.recurrent)  # (R * width, H)
        feed = None if self.feed is None else self.feed.repeat_interleave(width, 0)  # (R * width, H')
        cache = tuple(part.expand(width) for part in self.cache)
        past = each(self.past, lambda part: part.repeat_interleave(width, 0))
        return replace(self, recurrent=recurrent, feed=feed, width=self.width * width, cache=cache, past=past)

    def reorder(self, rows: Tensor) -> DecoderState:
        """Rows trade places within their sentence, as in a step of beam search: the memory is left alone."""
        return self._moved(rows)

    def keep(self, sentences: Tensor) -> DecoderState:
        """Whole sentences leave; those at the given indices stay, with all their rows."""
        parts = (_groups(part, sentences, self.width) for part in self.recurrent)
        feed = None if self.feed is None else _groups(self.feed, sentences, self.width)
        cache = tuple(part.keep(sentences, self.width) for part in self.cache)
        past = each(self.past, lambda part: _groups(part, sentences, self.width))
        memory = self.memory.select(sentences)
        return replace(self, recurrent=tuple(parts), feed=feed, memory=memory, cache=cache, past=past)

    def _moved(self, rows: Tensor) -> DecoderState:
        recurrent = tuple(part.index_select(0, rows) for part in self.recurrent)
        cache = tuple(part.select(rows) for part in self.cache)
        past = each(self.past, lambda part: part.index_select(0, rows))
        return replace(self, recurrent=recurrent, feed=_rows(self.feed, rows), cache=cache, past=past)


@dataclass(frozen=True)
class DecoderOutput:
    """Teacher forcing: `logits` (B, T, V), `attention` (B, T, S) when asked for."""

    logits: Tensor
    attention: Tensor | None = None


@dataclass(frozen=True)
class StepOutput(Generic[State]):
    """One step: `logits` (R, V), the next `state`, `attention` (R, S) when asked for."""

    logits: Tensor
    state: State
    attention: Tensor | None = None


def _rows(part: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if part is None else part.index_select(0, rows)


def _groups(part: Tensor, sentences: Tensor, width: int) -> Tensor:
    grouped: Tensor = part.unflatten(0, (-1, width))  # (G, width, X)
    return grouped.index_select(0, sentences).flatten(0, 1)
