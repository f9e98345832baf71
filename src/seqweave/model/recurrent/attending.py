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
        attention_state = joined({name: part.initial_state(mask, dtype) for name, part in self._parts().items()})
        return DecoderState(recurrent, memory, attention_state=attention_state)

    def look_up(self, query: Tensor, memory: Memory, attention_state: AttentionState) -> tuple[Tensor, Tensor]:
        """Shape: query (G, Q, H), attention_state (G, Q, ...) -> context (G, Q, E), weights (G, Q, S)."""
        assert memory.keys is not None
        assert memory.values is not None
        assert memory.mask is not None
        query = query.to(memory.keys.dtype)
        return attend(self.scorer, query, memory.keys, memory.values, memory.mask, self.window, attention_state)

    def look_up_rows(self, query: Tensor, state: DecoderState) -> tuple[Tensor, Tensor, AttentionState]:
        """The rows of one sentence share its memory.

        Shape: query (R, H) -> context (R, E), weights (R, S), and what attention remembers now.
        """
        grouped = query.unflatten(0, (-1, state.width))  # (G, width, H)
        attention_state = each(
            state.attention_state, lambda part: part.unflatten(0, (-1, state.width))
        )  # (G, width, ...)
        context, weights = self.look_up(grouped, state.memory, attention_state)
        weights = weights.flatten(0, 1)  # (R, S)
        return context.flatten(0, 1), weights, self._after(state.attention_state, weights)

    def look_up_all(self, queries: Tensor, state: DecoderState) -> tuple[Tensor, Tensor]:
        """All positions of a target: at once, unless what is remembered depends on the weights.

        Shape: queries (B, T, H) -> context (B, T, E), weights (B, T, S).
        """
        attention_state = self._ahead(state.attention_state, queries.shape[1])
        if attention_state is not None:
            return self.look_up(queries, state.memory, attention_state)
        contexts, rows = [], []
        for query in queries.unbind(1):
            context, weights, attention_state = self.look_up_rows(query, state)
            state = replace(state, attention_state=attention_state)
            contexts.append(context)
            rows.append(weights)
        return torch.stack(contexts, 1), torch.stack(rows, 1)

    def _parts(self) -> dict[str, Remembers]:
        return {"scorer": self.scorer} if self.window is None else {"scorer": self.scorer, "window": self.window}

    def _after(self, attention_state: AttentionState, weights: Tensor) -> AttentionState:
        """Shape: each (R, ...), weights (R, S) -> each (R, ...)."""
        if not attention_state:
            return attention_state
        parts = self._parts().items()
        return joined({name: part.next_state(state_of(name, attention_state), weights) for name, part in parts})

    def _ahead(self, attention_state: AttentionState, positions: int) -> AttentionState | None:
        """Shape: each (B, ...) -> each (B, T, ...)."""
        states: dict[str, AttentionState] = {}
        for name, part in self._parts().items():
            ahead = part.states_ahead(state_of(name, attention_state), positions)
            if ahead is None:
                return None
            states[name] = ahead
        return joined(states)


def _exact(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
