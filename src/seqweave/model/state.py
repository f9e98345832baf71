"""What passes between encoder, decoder and search: plain tensors, grouped and named.

`DecoderState` is all that free-running decoding carries from step to step. Search never looks
inside: it selects, expands, reorders and keeps rows. The encoder's memory is held once a
sentence, and `width` rows next to each other share it, so a beam of K costs no copies.

For whoever runs a step without these classes (an exported graph, another engine) a state gives itself as named
tensors (`DecoderState.tensors`) and takes them back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Generic, TypeVar

from torch import Tensor

from seqweave.model.attention.base import AttentionState, each
from seqweave.model.transformer.cache import KeyValues

State = TypeVar("State")


@dataclass(frozen=True)
class Encoded:
    """What an encoder gives.

    Attributes:
        outputs: one vector for each source position. Shape: (B, S, E).
        final: states at each sentence's own end, from the first layer to the last; an LSTM gives
            (hidden, cell) for each layer. Shape: each (B, E).
        mask: True at real positions. Shape: (B, S).
        copies: where the positions stand in outputs of a model that copies (`PointerGenerator.copies`).
            Shape: (B, 2, S).
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

    def tensors(self) -> dict[str, Tensor]:
        """What is there, by name: `values`, ..., `layers.0`, ..."""
        return _named(self)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Memory:
        """Of what `tensors` gave."""
        single = {name: part for name, part in tensors.items() if "." not in name}
        return cls(layers=_numbered(tensors, "layers"), **single)


@dataclass(frozen=True)
class DecoderState:
    """All that free-running decoding carries.

    Attributes:
        recurrent: states of the layers, first to last (an LSTM: hidden, cell; a Transformer has none).
            Shape: each (R, H).
        memory: what the rows look up, for each of R / width sentences.
        feed: the attentional state of the last step, with input feeding. Shape: (R, H').
        width: rows that share one sentence's memory, next to each other.
        cache: keys and values of earlier positions, for each layer of a Transformer.
        attention_state: what attention remembers, by name; empty where it remembers nothing. Shape: each (R, ...).
    """

    recurrent: tuple[Tensor, ...]
    memory: Memory
    feed: Tensor | None = None
    width: int = 1
    cache: tuple[KeyValues, ...] = ()
    attention_state: AttentionState = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """All of it by name: `recurrent.0`, ..., `memory.values`, ..., `feed`, `cache.0`, ...,
        `attention_state.coverage`, ...

        What the decoder has no use for is left out; the names are the same at every step. All hold one row for each
        row of the state but the memory, which holds one for each sentence. Shape: as those of the attributes; `cache.N`
        (R, 2, heads, positions so far, D).
        """
        found = {f"recurrent.{index}": part for index, part in enumerate(self.recurrent)}
        found |= {f"memory.{name}": part for name, part in self.memory.tensors().items()}
        if self.feed is not None:
            found["feed"] = self.feed
        found |= {f"cache.{index}": part.filled_part() for index, part in enumerate(self.cache)}
        return found | {f"attention_state.{name}": part for name, part in self.attention_state.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], width: int = 1) -> DecoderState:
        """The state of what `tensors` gave, of which `width` rows share a sentence's memory.

        Raises:
            ValueError: when a name is none of a state's.
        """
        strange = [name for name in tensors if name.partition(".")[0] not in cls.__dataclass_fields__]
        if strange:
            raise ValueError(f"{strange[0]!r} is no tensor of a decoder's state")
        return cls(
            _numbered(tensors, "recurrent"),
            Memory.from_tensors(_below(tensors, "memory")),
            tensors.get("feed"),
            width,
            tuple(KeyValues.of(part) for part in _numbered(tensors, "cache")),
            _below(tensors, "attention_state"),
        )

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
        attention_state = each(self.attention_state, lambda part: part.repeat_interleave(width, 0))
        return replace(
            self, recurrent=recurrent, feed=feed, width=self.width * width, cache=cache, attention_state=attention_state
        )

    def reorder(self, rows: Tensor) -> DecoderState:
        """Rows trade places within their sentence, as in a step of beam search: the memory is left alone."""
        return self._moved(rows)

    def keep(self, sentences: Tensor) -> DecoderState:
        """Whole sentences leave; those at the given indices stay, with all their rows."""
        parts = (_groups(part, sentences, self.width) for part in self.recurrent)
        feed = None if self.feed is None else _groups(self.feed, sentences, self.width)
        cache = tuple(part.keep(sentences, self.width) for part in self.cache)
        attention_state = each(self.attention_state, lambda part: _groups(part, sentences, self.width))
        memory = self.memory.select(sentences)
        return replace(
            self, recurrent=tuple(parts), feed=feed, memory=memory, cache=cache, attention_state=attention_state
        )

    def _moved(self, rows: Tensor) -> DecoderState:
        recurrent = tuple(part.index_select(0, rows) for part in self.recurrent)
        cache = tuple(part.select(rows) for part in self.cache)
        attention_state = each(self.attention_state, lambda part: part.index_select(0, rows))
        return replace(
            self, recurrent=recurrent, feed=_rows(self.feed, rows), cache=cache, attention_state=attention_state
        )


@dataclass(frozen=True)
class Decoded:
    """What a decoder gives at a position, for the output: of a whole target (B, T, ...), or of rows (R, ...).

    Attributes:
        readout: what the output maps to logits. Shape: (..., size).
        hidden: the decoder's state at the position: the last layer's new hidden state, and a Transformer's last
            output. Shape: (..., H).
        weights: of attention, where there is any and it was asked for. Shape: (..., S).
    """

    readout: Tensor
    hidden: Tensor
    weights: Tensor | None = None


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


def _named(parts: Memory) -> dict[str, Tensor]:
    """The tensors of a record, those of a tuple with numbers; what is None is left out."""
    return dict(_pairs({field.name: getattr(parts, field.name) for field in fields(parts)}))


def _pairs(parts: Mapping[str, Tensor | tuple[Tensor, ...] | None]) -> Iterator[tuple[str, Tensor]]:
    for name, part in parts.items():
        if isinstance(part, tuple):
            yield from ((f"{name}.{index}", one) for index, one in enumerate(part))
        elif part is not None:
            yield name, part


def _below(tensors: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    """Those whose name begins with `group.`, by the rest of it."""
    return {name.removeprefix(f"{group}."): part for name, part in tensors.items() if name.startswith(f"{group}.")}


def _numbered(tensors: Mapping[str, Tensor], group: str) -> tuple[Tensor, ...]:
    """`group.0`, `group.1`, ..."""
    below = _below(tensors, group)
    return tuple(below[str(index)] for index in range(len(below)))
