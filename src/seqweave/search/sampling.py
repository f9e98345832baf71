"""Sampling: each item drawn from the model's distribution, sharpened by temperature and cut to its head.

The distribution of a step is, in this order: softmax(logits / temperature); its `top_k` most probable
items; of these the fewest whose probability reaches `top_p` (the nucleus; Holtzman et al. 2020, eq. 2).
What a hypothesis is scored by stays the model's own log-probability, with none of that.
"""

from __future__ import annotations

import hashlib
import math
import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seqweave.config import SearchConfig
from seqweave.errors import ConfigError
from seqweave.search.constraints import Rules
from seqweave.search.contract import Found, Searchable, not_finite
from seqweave.search.coverage import with_coverage
from seqweave.search.greedy import History
from seqweave.search.steps import BatchMap, checked_limits, next_log_probs, working_dtype
from seqweave.text.vocabulary import BOS, EOS


@dataclass(frozen=True)
class Sampling:
    """How to draw.

    Attributes:
        temperature: 1: the model's distribution; below it: sharper; 0: always the most probable item.
        top_k: only so many most probable items are drawn from; 0: all.
        top_p: only the fewest items whose probability reaches this are drawn from; 1: all.
        seed: other draws.

    Raises:
        ConfigError: when one is out of its range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 1

    @classmethod
    def of(cls, search: SearchConfig) -> Sampling:
        """How the settings say to draw, where they do (`search.sample`)."""
        return cls(search.temperature, search.top_k, search.top_p, search.seed)

    def __post_init__(self) -> None:
        _check_number("temperature", self.temperature, 0 <= _number(self.temperature) < math.inf, "0 or more")
        _check_number("top_p", self.top_p, 0 < _number(self.top_p) <= 1, "above 0 and at most 1")
        for name, rule in (("top_k", "a whole number, 0 or more"), ("seed", "a whole number, 0 or more")):
            value = getattr(self, name)
            whole = hasattr(value, "__index__") and not isinstance(value, bool)
            _check_number(name, value, whole and operator.index(value) >= 0, rule)


@torch.inference_mode()
def sample_search(
    model: Searchable,
    source: Tensor,
    source_lengths: Tensor,
    max_lengths: Tensor,
    *,
    sampling: Sampling,
    length_penalty: float,
    coverage_penalty: float = 0.0,
    draw: int = 0,
    rules: Rules | None = None,
    return_attention: bool = False,
) -> list[Found]:
    """Draw one hypothesis for each source; finished sentences leave the batch.

    A sentence's draws depend on the seed, `draw` and its own items only: neither on its place nor on its
    company in the batch. So the same source twice gives the same output twice; another `draw` is another one.

    Shape: source (B, S), source_lengths (B,), max_lengths (B,): most positions, `<eos>` counted.

    Raises:
        SeqweaveError: when the model gives NaN, or no possible item.
    """
    if source.shape[0] == 0:
        return []
    limits = checked_limits(max_lengths)
    wanted = return_attention or coverage_penalty > 0
    chances = _chances(source, source_lengths, limits, sampling.seed, draw)  # (B, T)
    state = model.start(model.encode(source, source_lengths))
    batch, history = BatchMap(len(limits), source.device), History()
    places = np.arange(len(limits))  # of the rows of the batch, in the call
    ends = np.array(limits)
    outputs: list[list[int]] = [[] for _ in limits]
    ids = torch.full((len(limits),), BOS, device=source.device)
    for step in range(max(limits)):
        output = model.step(ids, state, wanted)
        state = output.state
        log_probs = next_log_probs(output.logits)  # (R, V)
        if rules is not None:
            rules.mask(log_probs, [outputs[place] for place in places])
        # A sentence that is done stays until the batch shrinks; its chances are used up or meaningless.
        chance = torch.from_numpy(chances[places, step]).to(source.device)
        ids = draw_items(log_probs, chance, sampling)
        best = log_probs.gather(1, ids.unsqueeze(1)).squeeze(1)  # (R, V) -> (R,)
        history.append(batch, ids, best, output.attention if wanted else None)
        if bool(torch.isnan(log_probs).any()) or not bool(torch.isfinite(best).all()):
            raise not_finite()
        for place, item in zip(places, ids.tolist(), strict=True):
            outputs[place].append(item)
        stays = (ids.cpu().numpy() != EOS) & (ends[places] > step + 1)
        if not stays.any():
            break
        if not stays.all():
            stay = batch.shrink(torch.from_numpy(~stays).to(source.device))
            state, ids, places = state.keep(stay), ids[stay], places[stays]
    found = history.found(limits, length_penalty)
    return with_coverage(found, source_lengths, coverage_penalty, return_attention) if coverage_penalty else found


def draw_items(log_probs: Tensor, chance: Tensor, sampling: Sampling) -> Tensor:
    """Turn a chance in [0, 1) a row into an item: the inverse of the cumulated probabilities, most probable first.

    Shape: log_probs (R, V), -inf where impossible; chance (R,); the result (R,), long.
    """
    ordered = log_probs.to(working_dtype(log_probs.device)).sort(dim=1, descending=True, stable=True)
    values = ordered.values[:, : sampling.top_k] if sampling.top_k else ordered.values  # (R, V) -> (R, k)
    # The largest is taken off first, so that no temperature overflows.
    values = values[:, :1] if sampling.temperature == 0 else (values - values[:, :1]) / sampling.temperature
    cumulated = values.softmax(1).cumsum(1)  # (R, k)
    before = torch.nn.functional.pad(cumulated[:, :-1], (1, 0))  # probability of all more probable items
    nucleus = (before < sampling.top_p) & (values > float("-inf"))
    nucleus[:, 0] = True
    kept = nucleus.sum(1, keepdim=True)  # (R, 1); the nucleus is a head of the order
    total = cumulated.gather(1, kept - 1)
    chosen = (cumulated <= chance.unsqueeze(1).to(total.dtype) * total).sum(1, keepdim=True)
    # Rounding may carry the last chance past the end.
    return ordered.indices.gather(1, chosen.minimum(kept - 1)).squeeze(1)


def _chances(source: Tensor, lengths: Tensor, limits: list[int], seed: int, draw: int) -> np.ndarray[Any, Any]:
    """Numbers in [0, 1) for each step of each sentence, (B, T), 0 behind its limit.

    The generator of a sentence is keyed by a hash of seed, draw and source.
    """
    chances = np.zeros((len(limits), max(limits)))
    rows = zip(source.tolist(), lengths.tolist(), limits, strict=True)
    for row, (ids, length, limit) in enumerate(rows):
        text = " ".join(map(str, [seed, draw, *ids[:length]]))
        key = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")
        chances[row, :limit] = np.random.Generator(np.random.Philox(key=key)).random(limit)
    return chances


def _number(value: Any) -> float:
    """The value where it is a number, else NaN, which no range holds."""
    return float(value) if isinstance(value, float | int | np.number) and not isinstance(value, bool) else math.nan


def _check_number(name: str, value: Any, right: bool, rule: str) -> None:
    """Raise a `ConfigError` unless the value is right."""
    if not right:
        raise ConfigError(f"{name} must be {rule}, but it is {value!r}: choose another value")
