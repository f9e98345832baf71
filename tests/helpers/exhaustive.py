"""Exhaustive search: every output there is. Slow and plain on purpose; the oracle of the other searches."""

from __future__ import annotations

from typing import Any

import torch

from seqweave.data.source_batch import SourceBatch
from seqweave.errors import LimitError
from seqweave.search.contract import Searchable
from seqweave.search.found import Found
from seqweave.search.penalties import length_normalised
from seqweave.text.vocabulary import BOS, EOS, PAD

_MOST_PREFIXES = 20_000


@torch.inference_mode()
def exhaustive_search(model: Searchable, source: SourceBatch, max_length: int, *, length_penalty: float) -> list[Found]:
    """Score every output of at most `max_length` positions (`<eos>` counted) for one source, if it ends; best first.

    Raises:
        LimitError: when there are too many to try.
    """
    found: list[Found] = []
    state: Any = model.start(model.encode(*source))
    prefixes: list[tuple[list[int], list[float]]] = [([], [])]
    for step in range(max_length):
        last = torch.tensor([ids[-1] if ids else BOS for ids, _ in prefixes], device=source.device)
        output = model.step(last, state)
        most = len(prefixes) * (output.logits.shape[1] - 3)
        if most > _MOST_PREFIXES:
            raise LimitError(
                f"exhaustive search can try {_MOST_PREFIXES} prefixes at a step, but step {step + 2} has up to "
                f"{most}: lower max_length from {max_length}, or use beam search"
            )
        table = torch.log_softmax(output.logits.double(), 1).tolist()
        longer: list[tuple[list[int], list[float]]] = []
        parents: list[int] = []
        for row, (ids, log_probs) in enumerate(prefixes):
            for item, log_prob in enumerate(table[row]):
                if item in (PAD, BOS) or log_prob == float("-inf"):
                    continue
                if item == EOS:
                    found.append(_ended(ids, [*log_probs, log_prob], length_penalty))
                else:
                    longer.append(([*ids, item], [*log_probs, log_prob]))
                    parents.append(row)
        if not longer or step + 1 == max_length:
            break
        prefixes = longer
        state = output.state.select(torch.tensor(parents, device=source.device))
    return sorted(found, key=lambda one: -one.score)


def _ended(ids: list[int], log_probs: list[float], length_penalty: float) -> Found:
    log_prob = sum(log_probs)
    return Found(ids, length_normalised(log_prob, len(log_probs), length_penalty), log_prob, log_probs, finished=True)
