"""What recurrent decoders with attention share: keys and values, and a query from each row."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from seqweave.model.attention.base import AttentionState, Remembers, Scorer, Window, attend, each, joined, state_of
from seqweave.model.state import DecoderState, Encoded, Memory


class Attending(nn.Module):
    """What decoders with attention share: keys and values, and a query from each row."""

    def __init__(self, scorer: Scorer, window: Window | None = None):
        super().__init__()
        self.scorer = scorer
        self.window = window

    def start(self, encoded: Encoded, recurrent: tuple[Tensor, ...]) -> DecoderState:
        """Keys are projected once for each sentence; attention has seen nothing yet."""
        outputs, mask = encoded.outputs, encoded.mask
        memory = Memory(values=outputs, keys=self.scorer.keys(outputs), mask=mask, copies=encoded.copies)
        dtype = _exact(outputs.dtype)
        past = joined({name: part.initial_state(mask, dtype) for name, part in self._parts().items()})
        return DecoderState(recurrent, memory, past=past)

    def look_up(self, query: Tensor, memory: Memory, past: AttentionState) -> tuple[Tensor, Tensor]:
        """Shape: query (G, Q, H), past (G, Q, ...) -> context (G, Q, E), weights (G, Q, S)."""
        assert memory.keys is not None
        assert memory.values is not None
        assert memory.mask is not None
        query = query.to(memory.keys.dtype)
        return attend(self.scorer, query, memory.keys, memory.values, memory.mask, self.window, past)

    def look_up_rows(self, query: Tensor, state: DecoderState) -> tuple[Tensor, Tensor, AttentionState]:
        """The rows of one sentence share its memory.

        Shape: query (R, H) -> context (R, E), weights (R, S), and what attention remembers now.
        """
        grouped = query.unflatten(0, (-1, state.width))  # (G, width, H)
        past = each(state.past, lambda part: part.unflatten(0, (-1, state.width)))  # (G, width, ...)
        context, weights = self.look_up(grouped, state.memory, past)
        weights = weights.flatten(0, 1)  # (R, S)
        return context.flatten(0, 1), weights, self._after(state.past, weights)

    def look_up_all(self, queries: Tensor, state: DecoderState) -> tuple[Tensor, Tensor]:
        """All positions of a target: at once, unless what is remembered depends on the weights.

        Shape: queries (B, T, H) -> context (B, T, E), weights (B, T, S).
        """
        past = self._ahead(state.past, queries.shape[1])
        if past is not None:
            return self.look_up(queries, state.memory, past)
        contexts, rows = [], []
        for query in queries.unbind(1):
            context, weights, past = self.look_up_rows(query, state)
            state = replace(state, past=past)
            contexts.append(context)
            rows.append(weights)
        return torch.stack(contexts, 1), torch.stack(rows, 1)

    def _parts(self) -> dict[str, Remembers]:
        return {"scorer": self.scorer} if self.window is None else {"scorer": self.scorer, "window": self.window}

    def _after(self, past: AttentionState, weights: Tensor) -> AttentionState:
        """Shape: each (R, ...), weights (R, S) -> each (R, ...)."""
        if not past:
            return past
        parts = self._parts().items()
        return joined({name: part.next_state(state_of(name, past), weights) for name, part in parts})

    def _ahead(self, past: AttentionState, positions: int) -> AttentionState | None:
        """Shape: each (B, ...) -> each (B, T, ...)."""
        states: dict[str, AttentionState] = {}
        for name, part in self._parts().items():
            ahead = part.states_ahead(state_of(name, past), positions)
            if ahead is None:
                return None
            states[name] = ahead
        return joined(states)


def _exact(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
