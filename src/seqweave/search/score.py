"""Forced decoding: the log-probability a model gives to a target that is known."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from seqweave.search.contract import Found, Searchable, not_finite
from seqweave.search.coverage import with_coverage
from seqweave.search.lengths import length_normalised


class ForcedBatch(Protocol):
    """What `force_score` reads of a `seqweave.data.dataset.Batch`."""

    @property
    def source(self) -> Tensor:
        """Source ids, (B, S)."""
        ...

    @property
    def source_lengths(self) -> Tensor:
        """Source items, (B,)."""
        ...

    @property
    def target_in(self) -> Tensor:
        """`<bos>` and the target, (B, T)."""
        ...

    @property
    def target_out(self) -> Tensor:
        """The target and `<eos>`, (B, T)."""
        ...

    @property
    def target_lengths(self) -> Tensor:
        """Target items, `<eos>` counted, (B,)."""
        ...


@torch.inference_mode()
def force_score(
    model: Searchable,
    batch: ForcedBatch,
    return_attention: bool = False,
    *,
    length_penalty: float = 1.0,
    coverage_penalty: float = 0.0,
) -> list[Found]:
    """Score each pair of a batch through `model.decode`, in the order of the batch.

    Raises:
        SeqweaveError: when the model gives NaN.
    """
    encoded = model.encode(batch.source, batch.source_lengths)
    wanted = return_attention or coverage_penalty > 0
    output = model.decode(batch.target_in, encoded, return_attention=wanted)
    wide = output.logits.dtype if output.logits.dtype == torch.float64 else torch.float32
    log_probs = torch.log_softmax(output.logits, 2, dtype=wide)  # (B, T, V)
    chosen = log_probs.gather(2, batch.target_out.unsqueeze(2)).squeeze(2)  # (B, T, V) -> (B, T)
    if bool(torch.isnan(chosen).any()):
        raise not_finite()
    attention = None
    if wanted and output.attention is not None:
        attention = output.attention.float().cpu().numpy()
    rows = zip(chosen.tolist(), batch.target_out.tolist(), batch.target_lengths.tolist(), strict=True)
    found = []
    for row, (row_log_probs, ids, length) in enumerate(rows):
        token_log_probs = row_log_probs[:length]
        log_prob = math.fsum(token_log_probs)
        found.append(
            Found(
                ids=ids[: length - 1],
                score=length_normalised(log_prob, length, length_penalty),
                log_prob=log_prob,
                token_log_probs=token_log_probs,
                finished=True,
                attention=None if attention is None else attention[row, :length].copy(),
            )
        )
    if coverage_penalty:
        return with_coverage(found, batch.source_lengths, coverage_penalty, return_attention)
    return found
