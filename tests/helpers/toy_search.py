"""A tabular model for the tests of search: the next item depends on the source and the last two items."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from seqweave.text.vocabulary import BOS


@dataclass(frozen=True)
class ToyEncoded:
    """Sums (B,) of the real source ids, and the mask (B, S)."""

    sums: Tensor
    mask: Tensor


@dataclass(frozen=True)
class ToyState:
    """`before` (R,): the item before the last; memory of G sentences, shared by `width` rows each."""

    before: Tensor
    memory: ToyEncoded
    width: int = 1

    def _memory(self, sentences: Tensor) -> ToyEncoded:
        return ToyEncoded(self.memory.sums[sentences], self.memory.mask[sentences])

    def select(self, rows: Tensor) -> ToyState:
        return ToyState(self.before[rows], self._memory(rows // self.width))

    def expand(self, width: int) -> ToyState:
        return replace(self, before=self.before.repeat_interleave(width), width=self.width * width)

    def reorder(self, rows: Tensor) -> ToyState:
        assert torch.equal(rows // self.width, torch.arange(len(rows)) // self.width), "a row left its sentence"
        return replace(self, before=self.before[rows])

    def keep(self, sentences: Tensor) -> ToyState:
        before = self.before.view(-1, self.width)[sentences].flatten()
        return replace(self, before=before, memory=self._memory(sentences))


@dataclass(frozen=True)
class ToyStep:
    logits: Tensor
    state: ToyState
    attention: Tensor | None


@dataclass(frozen=True)
class ToyOutput:
    logits: Tensor
    attention: Tensor | None


class ToyModel:
    """Logits from a seeded table (kinds of source, V, V, V); padding of the source is ignored."""

    def __init__(self, seed: int = 0, size: int = 7, *, spread: float = 2.0, eos_bias: float = 0.0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.table = spread * torch.randn((5, size, size, size), generator=generator)
        self.table[..., 3] += eos_bias
        self.size = size
        self.rows_seen: list[int] = []

    def encode(self, source: Tensor, source_lengths: Tensor, source_copies: Tensor | None = None) -> ToyEncoded:
        mask = torch.arange(source.shape[1]) < source_lengths.unsqueeze(1)
        return ToyEncoded((source * mask).sum(1), mask)

    def _logits(self, sums: Tensor, before: Tensor, last: Tensor) -> Tensor:
        return self.table[sums % 5, before, last]

    def _attention(self, memory: ToyEncoded, before: Tensor, last: Tensor, width: int) -> Tensor:
        positions = torch.arange(memory.mask.shape[1])
        scores = -((positions - (3 * before + last).unsqueeze(1) % 5).float() ** 2)
        return scores.masked_fill(~memory.mask.repeat_interleave(width, 0), float("-inf")).softmax(1)

    def start(self, encoded: ToyEncoded) -> ToyState:
        return ToyState(torch.full_like(encoded.sums, BOS), encoded)

    def step(self, ids: Tensor, state: ToyState, return_attention: bool = False) -> ToyStep:
        self.rows_seen.append(len(ids))
        assert len(ids) == len(state.before) == len(state.memory.sums) * state.width
        sums = state.memory.sums.repeat_interleave(state.width)
        attention = self._attention(state.memory, state.before, ids, state.width) if return_attention else None
        return ToyStep(self._logits(sums, state.before, ids), replace(state, before=ids), attention)

    def decode(self, target_in: Tensor, encoded: ToyEncoded, return_attention: bool = False) -> ToyOutput:
        state = self.start(encoded)
        logits, attention = [], []
        for position in range(target_in.shape[1]):
            output = self.step(target_in[:, position], state, return_attention)
            state = output.state
            logits.append(output.logits)
            if output.attention is not None:
                attention.append(output.attention)
        return ToyOutput(torch.stack(logits, 1), torch.stack(attention, 1) if attention else None)
