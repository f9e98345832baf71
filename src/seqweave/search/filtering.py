"""The step filters of a call at work on log-probabilities: what they leave of each step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from seqweave.errors import ConfigError
from seqweave.search.filters import IMPOSSIBLE
from seqweave.search.found import StepFilter
from seqweave.text.vocabulary import EOS


def filtered(log_probs: Tensor, outputs: list[list[int]], filters: Sequence[StepFilter]) -> Tensor:
    """What filters leave of log-probabilities, which they may change.

    Where they leave nothing, the output may end: `<eos>` gets its value back, and where the model gives it
    probability 0 (entmax-1.5), `IMPOSSIBLE`.

    Shape: log_probs (R, V), one of `outputs` a row -> (R, V).

    Raises:
        ConfigError: when a filter returns something else.
    """
    ends = log_probs[:, EOS].clamp(min=IMPOSSIBLE)  # (R,)
    for one in filters:
        changed = one(log_probs, outputs)
        if changed is None:
            continue
        if not isinstance(changed, Tensor) or changed.shape != log_probs.shape:
            what = f"a tensor {tuple(changed.shape)}" if isinstance(changed, Tensor) else f"{type(changed).__name__}"
            raise ConfigError(
                f"a step filter must return None or log-probabilities of shape {tuple(log_probs.shape)}, but "
                f"{getattr(one, '__name__', one)} returned {what}: correct the function"
            )
        log_probs = changed
    lost = log_probs.amax(1).isneginf()  # (R,); NaN is not lost, and is found by the search
    log_probs[:, EOS] = torch.where(lost, ends.to(log_probs.dtype), log_probs[:, EOS])
    return log_probs


class Outputs:
    """The hypotheses of a batch written out for its filters, row by row; without filters nothing is kept."""

    def __init__(self, filters: Sequence[StepFilter], sentences: int):
        self._filters = tuple(filters)
        self._outputs: list[list[int]] = [[] for _ in range(sentences if filters else 0)]

    def filtered(self, log_probs: Tensor) -> Tensor:
        """What the filters leave of log-probabilities. Shape: (R, V) -> (R, V)."""
        return filtered(log_probs, self._outputs, self._filters) if self._filters else log_probs

    def follow(self, ids: Tensor, rows: Tensor | None = None, size: int = 1) -> None:
        """Each row took an item and is now at another place: row r continues `rows[r]` with `ids[r]`.

        Args:
            ids: the items, (R,).
            rows: the rows continued, (R,); None: each its own. In the first step they count `size` rows of a sentence.
            size: rows of a sentence.
        """
        if not self._filters:
            return
        items = ids.tolist()
        if rows is None:
            self._outputs = [[*output, item] for output, item in zip(self._outputs, items, strict=True)]
            return
        shared = size if len(self._outputs) < len(items) else 1
        pairs = zip(rows.tolist(), items, strict=True)
        self._outputs = [[*self._outputs[row // shared], item] for row, item in pairs]

    def keep(self, stay: Tensor, size: int = 1) -> None:
        """Sentences leave; those at the given indices stay."""
        if self._filters:
            self._outputs = [one for s in stay.tolist() for one in self._outputs[s * size : (s + 1) * size]]
