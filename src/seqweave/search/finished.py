"""The best hypotheses of each sentence that go on no more, as pointers into the history of a beam."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seqweave.search.penalties import length_normalised

_NONE = float("-inf")


@dataclass
class Finished:
    """At most K hypotheses for each sentence, best first: finished ones, then cut ones, then empty places.

    A hypothesis has `items` items; the last stands in `slots` at the step `items - 1`.
    """

    scores: Tensor  # (B, K) -inf: an empty place
    log_probs: Tensor  # (B, K) of the last item: of `<eos>` where ended
    slots: Tensor  # (B, K)
    items: Tensor  # (B, K)
    ended: Tensor  # (B, K) bool: with `<eos>`
    count: Tensor  # (B,) finished hypotheses seen, also those no longer among the best K

    @classmethod
    def empty(cls, sentences: int, size: int, like: Tensor) -> Finished:
        """No hypotheses, of the type and on the device of `like`."""
        shape = (sentences, size)
        return cls(
            scores=torch.full(shape, _NONE, dtype=like.dtype, device=like.device),
            log_probs=torch.zeros(shape, dtype=like.dtype, device=like.device),
            slots=torch.zeros(shape, dtype=torch.long, device=like.device),
            items=torch.zeros(shape, dtype=torch.long, device=like.device),
            ended=torch.zeros(shape, dtype=torch.bool, device=like.device),
            count=torch.zeros(sentences, dtype=torch.long, device=like.device),
        )

    def select(self, sentences: Tensor) -> Finished:
        """Those of some sentences."""
        return Finished(
            scores=self.scores[sentences],
            log_probs=self.log_probs[sentences],
            slots=self.slots[sentences],
            items=self.items[sentences],
            ended=self.ended[sentences],
            count=self.count[sentences],
        )

    def put(self, sentences: Tensor, part: Finished) -> None:
        """Write those of some sentences into their places."""
        self.scores[sentences] = part.scores
        self.log_probs[sentences] = part.log_probs
        self.slots[sentences] = part.slots
        self.items[sentences] = part.items
        self.ended[sentences] = part.ended
        self.count[sentences] = part.count

    def nth_score(self, n: int) -> Tensor:
        """The score of the n-th best (from 1), (B,); -inf where there are fewer."""
        return self.scores[:, n - 1]

    def add_ended(
        self,
        ends: Tensor,
        sums: Tensor,
        log_probs: Tensor,
        slots: Tensor,
        step: int,
        alpha: float,
        bonus: Tensor | None = None,
    ) -> None:
        """Add the candidates (B, <=K) which `ends` marks: they took `<eos>` at `step`, after `step` items.

        `bonus` (B, <=K) is added to their scores.
        """
        real = ends & ~torch.isneginf(sums)
        self.count = self.count + real.sum(1)
        scores = length_normalised(sums, step + 1, alpha)
        scores = (scores if bonus is None else scores + bonus).masked_fill(~real, _NONE)
        # Cut ones (of sentences that are done) stay behind all finished ones, in the order they have.
        cut = ~(self.ended | torch.isneginf(self.scores))
        ranks = self.scores.masked_fill(cut, torch.finfo(self.scores.dtype).min)
        ranks = torch.cat([ranks, scores], 1)  # (B, K) -> (B, <=2K)
        scores = torch.cat([self.scores, scores], 1)
        order = ranks.sort(dim=1, descending=True, stable=True).indices[:, : self.scores.shape[1]]
        self.scores = scores.gather(1, order)
        self.log_probs = torch.cat([self.log_probs, log_probs.to(self.log_probs.dtype)], 1).gather(1, order)
        self.slots = torch.cat([self.slots, slots], 1).gather(1, order)
        self.items = torch.cat([self.items, torch.full_like(slots, step)], 1).gather(1, order)
        self.ended = torch.cat([self.ended, real], 1).gather(1, order)

    def add_cut(self, totals: Tensor, cut: Tensor, step: int, alpha: float, bonus: Tensor | None = None) -> None:
        """Fill empty places of the sentences (B,) which `cut` marks with live hypotheses, totals (B, K), best first.

        `bonus` (B, K) is added to their scores, and decides with them who is best.
        """
        size = totals.shape[1]
        scores = length_normalised(totals, step + 1, alpha).masked_fill(~cut.unsqueeze(1), _NONE)
        own_slots = torch.arange(size, device=totals.device).expand_as(totals)
        if bonus is not None:
            scores, own_slots = (scores + bonus).sort(dim=1, descending=True, stable=True)
        scores = torch.cat([self.scores, scores], 1)  # (B, K) -> (B, 2K)
        # Both halves are in order and the finished come first: it is enough to close the gaps.
        order = torch.isneginf(scores).to(torch.uint8).sort(dim=1, stable=True).indices[:, :size]
        self.scores = scores.gather(1, order)
        self.log_probs = torch.cat([self.log_probs, torch.zeros_like(totals)], 1).gather(1, order)
        self.slots = torch.cat([self.slots, own_slots], 1).gather(1, order)
        self.items = torch.cat([self.items, torch.full_like(own_slots, step + 1)], 1).gather(1, order)
        self.ended = torch.cat([self.ended, torch.zeros_like(self.ended)], 1).gather(1, order)
