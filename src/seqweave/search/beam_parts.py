"""What the two forms of a beam share."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, Self

from torch import Tensor


class Chosen(NamedTuple):
    """What a step chose to live on."""

    ids: Tensor  # (R,) the items to feed next
    rows: Tensor  # (R,) the parents as rows of the batch
    step: tuple[Any, Any, Any]  # (B, K) each, for the history: slot of the parent, item, its log-probability


class AnyBeam(Protocol):
    """The role of a beam: the live hypotheses of a batch, and its finished ones."""

    finished: Any  # the best finished hypotheses; see `seqweave.search.finished`

    def advance(self, log_probs: Tensor, step: int, someone_ends: bool, bonus: Tensor | None = None) -> Chosen:
        """Take a step with the log-probabilities (R, V) of all hypotheses.

        `bonus` (B, W) is added to the score of what stops at this step.
        """
        ...

    def status(self) -> tuple[bool, int]:
        """Whether the model failed, and how many sentences are done."""
        ...

    def done_rows(self) -> Tensor:
        """Which sentences are done, (B,) bool."""
        ...

    def keep(self, stay: Tensor) -> Self:
        """The beam of the sentences that stay."""
        ...

    def empty_results(self) -> Any:
        """Places for the results of all sentences of the call."""
        ...
