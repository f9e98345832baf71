"""What the two forms of a beam share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol, Self

from torch import Tensor

from seqweave.search.constraints import Rules

Stop = Literal["enough", "proven"]
Mask = Callable[[Tensor], None]
"""Makes items of log-probabilities (R, V) impossible, in place."""


class Options(NamedTuple):
    """The settings of a beam search."""

    beam_size: int
    n_best: int
    length_penalty: float
    stop: Stop
    coverage_penalty: float = 0.0


class Chosen(NamedTuple):
    """What a step chose to live on."""

    ids: Tensor  # (R,) the items to feed next
    rows: Tensor  # (R,) the parents as rows of the batch
    step: tuple[Any, Any, Any]  # (B, K) each, for the history: slot of the parent, item, its log-probability


class Outputs:
    """The live hypotheses of a batch written out, for rules that look at them."""

    def __init__(self, rules: Rules, sentences: int, size: int):
        self._rules, self._size = rules, size
        self._outputs: list[list[int]] = [[] for _ in range(sentences)]  # one a row of the batch

    def mask(self, log_probs: Tensor) -> None:
        """Apply the rules to log-probabilities (R, V), in place."""
        self._rules.mask(log_probs, self._outputs)

    def extend(self, chosen: Chosen) -> None:
        """Follow a step; the first one makes `size` rows of each sentence."""
        if len(self._outputs) < len(chosen.ids):
            self._outputs = [one for one in self._outputs for _ in range(self._size)]
        pairs = zip(chosen.rows.tolist(), chosen.ids.tolist(), strict=True)
        self._outputs = [[*self._outputs[row], item] for row, item in pairs]

    def keep(self, stay: Tensor) -> None:
        """Follow the sentences that stay."""
        size = self._size
        self._outputs = [one for s in stay.tolist() for one in self._outputs[s * size : (s + 1) * size]]


class AnyBeam(Protocol):
    """The role of a beam: the live hypotheses of a batch, and its finished ones."""

    finished: Any  # the best finished hypotheses; see `seqweave.search.finished`

    def advance(
        self, logits: Tensor, step: int, someone_ends: bool, mask: Mask | None = None, bonus: Tensor | None = None
    ) -> Chosen:
        """Take a step with the logits (R, V) of all hypotheses, those items left out which `mask` does not allow.

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
