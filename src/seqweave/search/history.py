"""The past of a beam as back-pointers, and how hypotheses are read out of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor

from seqweave.search.finished import Finished
from seqweave.search.found import Found
from seqweave.search.host import HostFinished
from seqweave.search.penalties import length_normalised
from seqweave.search.steps import BatchMap

Array = np.ndarray[Any, Any]
Values = Tensor | Array


class BeamHistory:
    """What each step chose, for the sentences which were then in the batch."""

    def __init__(self) -> None:
        self._steps: list[tuple[Tensor, Values, Values, Values]] = []
        self._attention: list[Tensor] = []

    def append(
        self, batch: BatchMap, parents: Values, ids: Values, log_probs: Values, attention: Tensor | None
    ) -> None:
        """Remember a step: parents, ids, log_probs (B, K); attention (R, S) of the rows that were continued."""
        self._steps.append((batch.sentences, parents, ids, log_probs))
        if attention is not None:
            self._attention.append(attention)

    def found(self, finished: Finished | HostFinished, n_best: int, length_penalty: float) -> list[list[Found]]:
        """Write out the `n_best` hypotheses of each sentence."""
        scores = _array(finished.scores)[:, :n_best]  # (B, N)
        sentences, ranks = np.nonzero(scores > -np.inf)  # one entry a hypothesis, in order
        items = _array(finished.items)[sentences, ranks]
        ended = _array(finished.ended)[sentences, ranks]
        end_slots = _array(finished.slots)[sentences, ranks]
        end_log_probs = _array(finished.log_probs)[sentences, ranks]
        ids, log_probs, slots = self._walk(len(scores), sentences, items, end_slots)
        attention = self._attention_rows(sentences, items, ended, slots)
        results: list[list[Found]] = [[] for _ in range(len(scores))]
        for row, sentence in enumerate(sentences.tolist()):
            length = int(items[row])
            token_log_probs = log_probs[row, :length].tolist()
            if ended[row]:
                token_log_probs.append(float(end_log_probs[row]))
            log_prob = math.fsum(token_log_probs)
            results[sentence].append(
                Found(
                    ids=ids[row, :length].tolist(),
                    score=length_normalised(log_prob, len(token_log_probs), length_penalty),
                    log_prob=log_prob,
                    token_log_probs=token_log_probs,
                    finished=bool(ended[row]),
                    attention=None if attention is None else attention[row, : len(token_log_probs)].copy(),
                )
            )
        return results

    def _walk(self, count: int, sentences: Array, items: Array, end_slots: Array) -> tuple[Array, Array, Array]:
        """Follow the back-pointers of N hypotheses.

        Gives ids and log_probs (N, T), and slots (N, T + 1): the slot that step t continued.
        """
        shape = (len(sentences), len(self._steps))
        ids, log_probs = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        slots = np.zeros((shape[0], shape[1] + 1), dtype=np.int64)
        place = np.zeros(count, dtype=np.int64)  # of a sentence, in the batch of the step
        slot = end_slots.copy()
        for step in range(shape[1] - 1, -1, -1):
            slots[:, step + 1] = slot
            active, parents, chosen, chosen_log_probs = (_array(part) for part in self._steps[step])
            place[active] = np.arange(len(active))
            rows = np.flatnonzero(items > step)
            where = (place[sentences[rows]], slot[rows])
            ids[rows, step] = chosen[where]
            log_probs[rows, step] = chosen_log_probs[where]
            slot[rows] = parents[where]
        slots[:, 0] = slot
        return ids, log_probs, slots

    def _attention_rows(self, sentences: Array, items: Array, ended: Array, slots: Array) -> Array | None:
        """Attention (N, T, S) of the steps of each hypothesis, `<eos>` included; None when there is none."""
        if not self._attention:
            return None
        result = np.zeros((len(sentences), len(self._steps), self._attention[0].shape[1]), dtype=np.float32)
        for step, weights in enumerate(self._attention):
            active = _array(self._steps[step][0])
            place = np.zeros(int(sentences.max(initial=0)) + 1, dtype=np.int64)
            inside = active < len(place)
            place[active[inside]] = np.flatnonzero(inside)
            rows = np.flatnonzero(items + ended > step)
            by_slot = weights.float().cpu().numpy().reshape(len(active), -1, weights.shape[1])  # (R, S) -> (B, K, S)
            result[rows, step] = by_slot[place[sentences[rows]], slots[rows, step]]
        return result


def _array(values: Values) -> Array:
    if isinstance(values, Tensor):
        array: Array = values.cpu().numpy()
        return array
    return values
