"""Forced decoding: the log-probability a model gives to a target that is known."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from seqweave.data.source_batch import SourceBatch
from seqweave.search.contract import Searchable
from seqweave.search.found import Found, not_finite
from seqweave.search.options import SearchOptions
from seqweave.search.penalties import length_normalised, needs_attention, with_coverage

DEFAULTS = SearchOptions()


class ForcedBatch(Protocol):
    """What `force_score` reads of a `seqweave.data.batch.Batch`."""

    @property
    def source(self) -> SourceBatch:
        """The sources."""
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
def force_score(model: Searchable, batch: ForcedBatch, options: SearchOptions = DEFAULTS) -> list[Found]:
    """Score each pair of a batch through `model.decode`, in the order of the batch, with the penalties of `options`.

    Raises:
        SeqweaveError: when the model gives NaN.
    """
    encoded = model.encode(*batch.source)
    wanted = needs_attention(options)
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
                score=length_normalised(log_prob, length, options.length_penalty),
                log_prob=log_prob,
                token_log_probs=token_log_probs,
                finished=True,
                attention=None if attention is None else attention[row, :length].copy(),
            )
        )
    return with_coverage(found, batch.source.lengths, options)
