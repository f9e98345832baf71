"""Perplexity of references, teacher-forced and free-running. The two must never be confused.

Teacher-forced: the model reads the reference so far. Free-running: it reads its own greedy choices,
while the probability of the reference's item at each position is what counts (as tutorials with a
teacher forcing ratio of 0 print it). The gap between them is exposure bias (Ranzato et al. 2016).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqweave.data.batch import Batch, make_batch
from seqweave.data.batching import sequential_batches
from seqweave.evaluation.coded import coded_pairs
from seqweave.evaluation.metrics import perplexity
from seqweave.predictor import Model
from seqweave.search.batches import MOST_LOGITS
from seqweave.search.contract import Searchable
from seqweave.search.given import Given
from seqweave.search.steps import next_log_probs
from seqweave.text.vocabulary import PAD

_BATCH_POSITIONS = 8192
_BATCH_PAIRS = 256


@torch.inference_mode()
def perplexities(model: Searchable, batches: Iterable[Batch]) -> tuple[float, float]:
    """Teacher-forced and free-running perplexity over all batches, `<eos>` counted."""
    forced, free, items = 0.0, 0.0, 0
    for batch in batches:
        encoded = model.encode(*batch.source)
        forced += _log_prob(model.decode(batch.target_in, encoded).logits, batch.target_out)
        free += _log_prob(free_running_logits(model, batch, encoded), batch.target_out)
        items += batch.target_tokens
    return perplexity(forced, items), perplexity(free, items)


@torch.inference_mode()
def free_running_logits(model: Searchable, batch: Batch, encoded: Any) -> Tensor:
    """Logits at each target position when the model reads its own greedy choices. Shape: (B, T, V)."""
    state = model.start(encoded)
    ids = batch.target_in[:, 0]  # (B,)
    logits = []
    for _ in range(batch.target_out.shape[1]):
        output = model.step(ids, state)
        state, ids = output.state, next_log_probs(output.logits).argmax(-1)  # never <pad> or <bos>
        logits.append(output.logits)
    return torch.stack(logits, 1)  # (B, T, V)


def pair_batches(model: Model, sources: Sequence[Given], targets: Sequence[str]) -> Iterator[Batch]:
    """Pairs as batches on the model's device, sorted by length, longest first.

    Sources are cut as `Model.predict` cuts them; pairs without source items are left out.
    """
    coded, target_ids = coded_pairs(model, sources, targets)
    lengths = [len(source) + len(target) + 1 for source, target in zip(coded, target_ids, strict=True)]  # with <eos>
    positions = max(1, min(_BATCH_POSITIONS, MOST_LOGITS // model.target_tokenizer.size))
    for rows in sequential_batches(np.array(lengths), positions, _BATCH_PAIRS):
        chosen = rows.tolist()
        yield make_batch([coded[row] for row in chosen], [target_ids[row] for row in chosen]).to(model.device)


def _log_prob(logits: Tensor, target_out: Tensor) -> float:
    chosen = logits.float().log_softmax(-1).gather(-1, target_out[..., None])[..., 0]  # (B, T)
    return float(chosen.masked_fill(target_out == PAD, 0).double().sum())
