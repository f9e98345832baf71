"""What if: a run with an item forced at a position, attention overwritten, or the decoder started elsewhere.

`WhatIf` is the question, in positions, names and texts; `Changes` is what a recorded run follows. Attention is
overwritten on a recording copy, never on the network itself, so that others may use it at the same time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from seqweave.data.source_batch import pad_sources
from seqweave.errors import ConfigError, DataError
from seqweave.model.seq2seq import Seq2Seq
from seqweave.model.state import DecoderState, Encoded
from seqweave.model.transformer.encoder_decoder import TransformerDecoder
from seqweave.model.transformer.layers import CrossAttention, Looks
from seqweave.predictor import Model
from seqweave.text.vocabulary import BOS, EOS, PAD
from seqweave.wording import without_attention

_NEARLY_ONE = 1e-3  # what rounded weights may be off by in sum
_NOTHING = 1e-30  # stands for a weight of 0, whose logarithm a score could not hold


@dataclass(frozen=True)
class WhatIf:
    """What to change in a run; nothing by default. Steps count from 0.

    Attributes:
        forced: the item (its id or name) that a position takes; the run does not end before the last of them.
        attention: the weights over the source that a position uses, in every layer and head. Shape: each (S,).
        zero_start: the decoder's recurrent states start at zero.
        start_source: the decoder starts from the states of this other source; what it looks up, attention's
            memory or the context vector of every step, stays the source's own.
    """

    forced: Mapping[int, int | str] = field(default_factory=dict)
    attention: Mapping[int, Sequence[float]] = field(default_factory=dict)
    zero_start: bool = False
    start_source: str | None = None


@dataclass(frozen=True)
class Changes:
    """A `WhatIf` for one network and source: ids, weights (each (S,)), and the first recurrent states if others."""

    forced: Mapping[int, int] = field(default_factory=dict)
    attention: Mapping[int, Tensor] = field(default_factory=dict)
    recurrent: tuple[Tensor, ...] | None = None

    @property
    def inside(self) -> bool:
        """Whether the network itself runs otherwise, not only what is taken of its distributions."""
        return bool(self.attention) or self.recurrent is not None

    def start(self, network: Seq2Seq, encoded: Encoded) -> DecoderState:
        """The decoder's state before the first position."""
        state = network.start(encoded)
        return state if self.recurrent is None else replace(state, recurrent=self.recurrent)


NO_CHANGES = Changes()


def changes_of(model: Model, what_if: WhatIf, encoded: Encoded, limit: int, extra: Sequence[str]) -> Changes:
    """Check a question and look up what it names.

    Args:
        model: what is traced.
        what_if: the question.
        encoded: the source.
        limit: most positions of an output.
        extra: the source's own items, whose ids follow the target vocabulary, of a model that copies.

    Raises:
        ConfigError: when the architecture has nothing of the kind to change.
        DataError: when a position, an item or a row cannot be.
    """
    forced = {position: _item(model, position, item, limit, extra) for position, item in what_if.forced.items()}
    last = max(forced, default=0)
    for position, id_ in forced.items():
        if id_ == EOS and position < last:
            raise DataError(
                f"<eos> must be the last forced item, but position {position} has it and position {last} another one"
            )
    size = encoded.outputs.shape[1]
    if what_if.attention and not _attends(model.single):
        raise ConfigError(without_attention("for a row of it to be overwritten", "force an item instead"))
    rows = {position: _row(encoded, position, row, size, limit) for position, row in what_if.attention.items()}
    return Changes(forced, rows, _first_states(model, what_if, encoded))


class Overwritten:
    """A recording copy whose attention at some positions is what it is told.

    `position` says where the run is; a Transformer that runs over all positions at once has it at None. The
    twin of a recurrent decoder is given scores whose softmax is the row; a Transformer's attention to the
    source is given what it would have read with these weights.
    """

    def __init__(self, twin: Seq2Seq, rows: Mapping[int, Tensor]):
        self.position: int | None = 0
        self._rows = rows
        if not rows:
            return
        decoder: Any = twin.decoder
        if isinstance(decoder, TransformerDecoder):
            for module in decoder.modules():
                if isinstance(module, CrossAttention):
                    module.register_forward_hook(self._seen)
                    self._show_rows(module)
        else:
            decoder.scorer.register_forward_hook(self._scores)
            if decoder.window is not None:
                decoder.window.register_forward_hook(self._everywhere)

    def _now(self) -> Iterable[tuple[int | slice, Tensor]]:
        """Which queries look how: all of a position, or each position its own."""
        if self.position is None:
            return self._rows.items()
        return [(slice(None), self._rows[self.position])] if self.position in self._rows else []

    def _scores(self, module: nn.Module, given: tuple[Any, ...], scores: Tensor) -> Tensor:
        """Shape: scores (G, Q, S) -> (G, Q, S)."""
        for _, row in self._now():
            scores = _scores_of(row).to(scores.dtype).expand_as(scores)
        return scores

    def _everywhere(self, module: nn.Module, given: tuple[Any, ...], inside: Any) -> Any:
        """A row holds whatever the window says. Shape: mask (G, S) -> inside (G, Q, S), and no factors."""
        for _ in self._now():
            return given[1][:, None].expand_as(inside[0]), None
        return inside

    def _seen(self, module: nn.Module, given: tuple[Any, ...], joined: Tensor) -> Tensor:
        """Shape: memory (G, 2, N, S, D), joined (G, Q, M) -> (G, Q, M)."""
        assert isinstance(module, CrossAttention)
        values = given[1][:, 1]  # (G, N, S, D)
        changed = joined.clone()
        for query, row in self._now():
            if isinstance(query, slice) or query < joined.shape[1]:
                seen = (row.to(values.dtype) @ values).flatten(1)  # (G, N, D) -> (G, N * D)
                made = module.output(seen)  # (G, M)
                changed[:, query] = made[:, None] if isinstance(query, slice) else made
        return changed

    def _show_rows(self, module: CrossAttention) -> None:
        """Let what is shown be what is used as well; the scores are those whose softmax is the row."""
        looks_of = module.looks

        def looks(given: Tensor, memory: Tensor, mask: Tensor) -> Looks:
            scores, weights = (part.clone() for part in looks_of(given, memory, mask))  # (G, N, Q, S)
            for query, row in self._now():
                if isinstance(query, slice) or query < weights.shape[2]:
                    weights[:, :, query] = row.to(weights.dtype)
                    scores[:, :, query] = _scores_of(row).to(scores.dtype)
            return Looks(scores, weights)

        module.looks = looks  # type: ignore[method-assign]


def _scores_of(row: Tensor) -> Tensor:
    """Scores whose softmax is the row. Shape: (S,) -> (S,)."""
    return row.clamp(min=_NOTHING).log()


def _attends(network: Seq2Seq) -> bool:
    return isinstance(network.decoder, TransformerDecoder) or hasattr(network.decoder, "scorer")


def _item(model: Model, position: int, item: int | str, limit: int, extra: Sequence[str]) -> int:
    _check_position(position, limit)
    size = model.target_tokenizer.size + len(extra)
    if isinstance(item, str):
        names = model.target_tokenizer.names(range(size), extra)
        if item not in names:
            source = " or the source" if model.config.model.copy else ""
            raise DataError(
                f"a forced item must be one of the target's vocabulary{source}, but position {position} has {item!r}"
            )
        item = names.index(item)
    if not 0 <= item < size or item in (PAD, BOS):
        raise DataError(
            f"a forced item must have an id from 0 to {size - 1} and be neither <pad> nor <bos>, "
            f"but position {position} has {item}"
        )
    return item


def _row(encoded: Encoded, position: int, row: Sequence[float], size: int, limit: int) -> Tensor:
    _check_position(position, limit)
    if len(row) != size:
        raise DataError(
            f"a row of attention must have a weight for each of the source's {size} items, "
            f"but that of position {position} has {len(row)}"
        )
    total = math.fsum(row)
    if not all(math.isfinite(weight) and weight >= 0 for weight in row) or abs(total - 1) > _NEARLY_ONE:
        raise DataError(
            f"weights of attention must be 0 or more and sum to 1, but those of position {position} are "
            f"{', '.join(f'{weight:g}' for weight in row[:5])}{', ...' if size > 5 else ''}"
        )
    weights = torch.tensor(row, dtype=torch.float64) / total
    return weights.to(encoded.outputs.device, torch.float32)


def _check_position(position: int, limit: int) -> None:
    if not 0 <= position < limit:
        raise DataError(
            f"a position to change must lie between 0 and {limit - 1}, where outputs of this source end, "
            f"but it is {position}"
        )


def _first_states(model: Model, what_if: WhatIf, encoded: Encoded) -> tuple[Tensor, ...] | None:
    if not what_if.zero_start and what_if.start_source is None:
        return None
    network = model.single
    own = network.start(encoded).recurrent
    if not own:
        raise ConfigError(
            "a decoder must be recurrent for its start to be changed, but this one is a Transformer, which starts "
            "from no state: overwrite its attention instead"
        )
    if what_if.start_source is None:
        return tuple(torch.zeros_like(part) for part in own)
    model.check_reads_text()
    text = what_if.start_source
    source = pad_sources(model.encode_sources([text]).sources).to(model.device)
    if not (text.strip() and int(source.lengths)):
        raise DataError("the source whose state is the start must have an item, but it is empty: give a text")
    return network.start(network.encode(*source)).recurrent
