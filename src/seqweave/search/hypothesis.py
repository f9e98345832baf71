"""An output as people read it, made of what a search found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqweave.search.found import Found
from seqweave.search.unknown import replaced_unknown, target_items
from seqweave.text.tokenizers import Tokenizer
from seqweave.text.vocabulary import UNK


@dataclass(frozen=True)
class Hypothesis:
    """One output of a model.

    Attributes:
        text: the output as text.
        tokens: its items, without `<eos>`.
        score: what outputs are ranked by, higher is better (length-normalised log-probability).
        log_prob: log p(output | source), natural logarithm.
        token_log_probs: its summands, one an item, and one for `<eos>` when finished.
        source_tokens: the items of the source that the model read.
        attention: weights (T, S) float32, a row for each of `token_log_probs`, a column for each of
            `source_tokens`; None when not asked for or the model has no attention.
        finished: False when it was cut at its maximum length.
    """

    text: str
    tokens: list[str]
    score: float
    log_prob: float
    token_log_probs: list[float]
    source_tokens: list[str]
    attention: NDArray[np.float32] | None
    finished: bool


@dataclass(frozen=True)
class Shown:
    """What the hypotheses of one source are shown with.

    Attributes:
        source_tokens: as in `Hypothesis`.
        extra: the source's own items, whose ids follow the target vocabulary.
        replaced_from: the source's text, where `<unk>` is replaced; else None.
        attention: whether attention is shown.
    """

    source_tokens: list[str]
    extra: list[str]
    replaced_from: str | None
    attention: bool


def hypothesis_of(
    found: Found, shown: Shown, source_tokenizer: Tokenizer | None, target_tokenizer: Tokenizer
) -> Hypothesis:
    """What a search found, in texts; with `shown.replaced_from` it needs attention and texts as sources."""
    width = len(shown.source_tokens)  # what is behind it is padding
    ids, extra, attention = found.ids, shown.extra, found.attention
    if shown.replaced_from is not None and UNK in ids:
        assert attention is not None
        assert source_tokenizer is not None
        first = target_tokenizer.size + len(extra)
        ids = replaced_unknown(ids, attention[:, :width], first, source_tokenizer.features_in(shown.replaced_from))
        extra = extra + target_items(source_tokenizer, target_tokenizer, shown.replaced_from)
    return Hypothesis(
        text=target_tokenizer.decode(ids, extra),
        tokens=target_tokenizer.names(ids, extra),
        score=found.score,
        log_prob=found.log_prob,
        token_log_probs=found.token_log_probs,
        source_tokens=shown.source_tokens,
        attention=None if attention is None or not shown.attention else attention[:, :width].copy(),
        finished=found.finished,
    )


def nothing(return_attention: bool) -> Hypothesis:
    """What an empty source gives."""
    attention = np.zeros((0, 0), dtype=np.float32) if return_attention else None
    return Hypothesis("", [], 0.0, 0.0, [], [], attention, finished=True)
