"""What recurrent decoders with attention share: keys and values, and a query from each row."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from seqweave.model.attention.scorers import AwareScorer, Scorer, attend
from seqweave.model.attention.windows import MonotonicWindow, Window
from seqweave.model.state import AttentionState, DecoderState, Encoded, Memory


class Attending(nn.Module):
    """What decoders with attention share: keys and values, and a query from each row."""

    def __init__(self, scorer: Scorer, window: Window | None = None):
        super().__init__()
        self.scorer = scorer
        self.window = window

    def start(self, encoded: Encoded, recurrent: tuple[Tensor, ...]) -> DecoderState:
        """Keys are projected once a sentence; attention has seen nothing yet."""
        outputs = encoded.outputs
        memory = Memory(values=outputs, keys=self.scorer.keys(outputs), mask=encoded.mask, copies=encoded.copies)
        return DecoderState(recurrent, memory, past=self.first_past(encoded))

    def first_past(self, encoded: Encoded) -> AttentionState | None:
        """Zeros, of what scorer and window read."""
        scorer, mask = self.scorer, encoded.mask
        zeros = torch.zeros(mask.shape, dtype=_exact(encoded.outputs.dtype), device=mask.device)  # (B, S)
        weights = zeros if isinstance(scorer, AwareScorer) and scorer.convolution is not None else None
        coverage = zeros if isinstance(scorer, AwareScorer) and scorer.coverage is not None else None
        steps = (
            mask.new_zeros(len(mask), dtype=torch.long) if isinstance(self.window, MonotonicWindow) else None
        )  # (B,)
        nothing = weights is None and coverage is None and steps is None
        return None if nothing else AttentionState(weights, coverage, steps)

    def look_up(self, query: Tensor, memory: Memory, past: AttentionState | None) -> tuple[Tensor, Tensor]:
        """Shape: query (G, Q, H), past (G, Q, ...) -> context (G, Q, E), weights (G, Q, S)."""
        assert memory.keys is not None
        assert memory.values is not None
        assert memory.mask is not None
        query = query.to(memory.keys.dtype)
        return attend(self.scorer, query, memory.keys, memory.values, memory.mask, self.window, past)

    def look_up_rows(self, query: Tensor, state: DecoderState) -> tuple[Tensor, Tensor, AttentionState | None]:
        """The rows of one sentence share its memory.

        Shape: query (R, H) -> context (R, E), weights (R, S), and what attention remembers now.
        """
        grouped = query.unflatten(0, (-1, state.width))  # (G, width, H)
        past = None if state.past is None else state.past.each(lambda part: part.unflatten(0, (-1, state.width)))
        context, weights = self.look_up(grouped, state.memory, past)
        weights = weights.flatten(0, 1)  # (R, S)
        return context.flatten(0, 1), weights, None if state.past is None else state.past.after(weights)

    def look_up_all(self, queries: Tensor, state: DecoderState) -> tuple[Tensor, Tensor]:
        """All positions of a target: at once, unless the scorer reads earlier weights.

        Shape: queries (B, T, H) -> context (B, T, E), weights (B, T, S).
        """
        past = state.past
        if past is not None and (past.weights is not None or past.coverage is not None):
            contexts, rows = [], []
            for query in queries.unbind(1):
                context, weights, past = self.look_up_rows(query, replace(state, past=past))
                contexts.append(context)
                rows.append(weights)
            return torch.stack(contexts, 1), torch.stack(rows, 1)
        if past is not None and past.steps is not None:
            steps = torch.arange(queries.shape[1], device=queries.device)
            past = AttentionState(steps=past.steps[:, None] + steps)  # (B, T)
        return self.look_up(queries, state.memory, past)


def _exact(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
