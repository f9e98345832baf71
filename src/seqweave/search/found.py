"""What a search finds, in ids, whichever backend searched; and the error that every one of them may end with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from seqweave.errors import SeqweaveError

if TYPE_CHECKING:
    from torch import Tensor

StepFilter = Callable[["Tensor", list[list[int]]], "Tensor | None"]
"""What sees each step before an item is chosen (`seqweave.search.filters`).

Log-probabilities (R, V) and the R outputs so far -> None where they were changed in place, or new ones (R, V).
"""


@dataclass(frozen=True)
class Found:
    """One hypothesis, in ids.

    Attributes:
        ids: the items, without `<eos>`.
        score: what hypotheses are ranked by, higher is better (`length_normalised` log-probability).
        log_prob: log p(ids and, when finished, `<eos>` | source), natural logarithm.
        token_log_probs: its summands; one more than `ids` when finished, for `<eos>`.
        finished: whether it ends with `<eos>`, or was cut at its maximum length.
        attention: weights, (len(token_log_probs), S) float32, when asked for and the model has any.
    """

    ids: list[int]
    score: float
    log_prob: float
    token_log_probs: list[float]
    finished: bool
    attention: np.ndarray[Any, np.dtype[np.float32]] | None = None


def not_finite() -> SeqweaveError:
    """The error for a model whose output is NaN or leaves nothing to choose."""
    return SeqweaveError(
        "the model's output must be finite numbers, but a decoder step gave NaN, infinity, or no possible item: "
        "the weights are damaged or training diverged; load another checkpoint, or train again with a lower "
        "training.learning_rate"
    )
