"""`SearchOptions`: everything that a call may say about decoding, from the command line to the search.

They are made of `config.search` (`SearchOptions.of`) and changed with `dataclasses.replace`; both check them, so that
whoever gets one need not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from seqweave.config import LARGEST_BEAM, LARGEST_MIN_LENGTH, SearchConfig
from seqweave.errors import ConfigError
from seqweave.search.found import StepFilter

Stop = Literal["enough", "proven"]
Precision = Literal["fp32", "int8"]


@dataclass(frozen=True)
class SearchOptions:
    """How outputs are found. All but the last four have a setting of the same name (`search.*`).

    Attributes:
        beam_size: hypotheses kept a sentence, 1 to 1,000; 1 is greedy.
        length_penalty: exponent alpha of the length normalisation; 0: none.
        coverage_penalty: weight beta of the coverage penalty; 0: none.
        stop: when a sentence is done; see `seqweave.search.beam`.
        max_length_ratio, max_length: most items for a source item, and most items; None: the defaults.
        min_length: fewest items of an output, 0 to 10,000.
        no_repeat_ngram: no run of so many items occurs twice in an output; 0 allows all.
        forbid: texts of one item each that do not occur in an output; `<unk>` is the unknown item.
        sample: draw outputs instead of searching the best one; `beam_size` counts for nothing then.
        temperature: 1: the model's distribution; below it: sharper; 0: always the most probable item.
        top_k: only so many most probable items are drawn from; 0: all.
        top_p: only the fewest items whose probability reaches this are drawn from; 1: all.
        seed: random seed for the draws.
        replace_unknown: put the source item with most attention in the place of each `<unk>`.
        batch_tokens: source positions times beam in a batch.
        precision: of the matrix products of recurrent decoders on a processor.
        n_best: outputs of a source, at most `beam_size`; or draws.
        prefix: what every output begins with; it wins over the other constraints.
        filters: functions that see each step before an item is chosen; see `seqweave.search.filters`.
        return_attention: also give attention weights.

    Raises:
        ConfigError: when one is out of its range or of another kind.
    """

    beam_size: int = 5
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0
    stop: Stop = "enough"
    max_length_ratio: float | None = None
    max_length: int | None = None
    min_length: int = 0
    no_repeat_ngram: int = 0
    forbid: tuple[str, ...] = ()
    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 1
    replace_unknown: bool = False
    batch_tokens: int = 8192
    precision: Precision = "fp32"
    n_best: int = 1
    prefix: str = ""
    filters: Sequence[StepFilter] = ()
    return_attention: bool = False

    @classmethod
    def of(cls, search: SearchConfig) -> SearchOptions:
        """Those of a model's settings."""
        return cls(**{name: getattr(search, name) for name in SearchConfig.model_fields})

    def __post_init__(self) -> None:
        self._check_sizes()
        self._check_penalties()
        self._check_lengths()
        self._check_constraints()
        self._check_sampling()

    def _check_sizes(self) -> None:
        for name in ("beam_size", "n_best"):
            object.__setattr__(self, name, whole(name, getattr(self, name)))
        if self.beam_size < 1:
            raise ConfigError(f"beam_size must be 1 or more, but it is {self.beam_size}: choose 1 for greedy search")
        most = max(1, self.n_best) if self.sample else self.beam_size
        if not 1 <= self.n_best <= most:
            raise ConfigError(
                f"n_best must lie between 1 and beam_size ({most}), but it is {self.n_best}: "
                "raise beam_size, or ask for fewer"
            )
        _check("batch_tokens", self.batch_tokens, _is_whole(self.batch_tokens, 1), "a whole number, 1 or more")

    def _check_penalties(self) -> None:
        for name in ("length_penalty", "coverage_penalty"):
            value = getattr(self, name)
            if not 0 <= _number(value) < math.inf:
                raise ConfigError(f"{name} must be 0 or more, but it is {value!r}: choose 0 for none")
        for name, choices in (("stop", Stop), ("precision", Precision)):
            if getattr(self, name) not in get_args(choices):
                listed = " or ".join(get_args(choices))
                raise ConfigError(f"{name} must be {listed}, but it is {getattr(self, name)!r}: choose one of them")

    def _check_lengths(self) -> None:
        for name in ("min_length", "no_repeat_ngram"):
            object.__setattr__(self, name, _length(name, getattr(self, name)))
        ratio, longest = self.max_length_ratio, self.max_length
        _check("max_length_ratio", ratio, ratio is None or 0 < _number(ratio) < math.inf, "a number above 0, or None")
        _check("max_length", longest, longest is None or _is_whole(longest, 1), "a whole number, 1 or more, or None")

    def _check_constraints(self) -> None:
        if not isinstance(self.prefix, str):
            raise ConfigError(f"prefix must be a text, but it is {self.prefix!r}: give one text")
        listed = isinstance(self.forbid, list | tuple)
        if not listed or not all(isinstance(one, str) for one in self.forbid):
            raise ConfigError(f"forbid must be a list of texts, but it is {self.forbid!r}: put each text into the list")
        object.__setattr__(self, "forbid", tuple(self.forbid))
        listed = isinstance(self.filters, list | tuple)
        if not listed or not all(callable(one) for one in self.filters):
            raise ConfigError(
                f"filters must be a list of functions, but it is {self.filters!r}: put each function into the list"
            )
        object.__setattr__(self, "filters", tuple(self.filters))

    def _check_sampling(self) -> None:
        _check("temperature", self.temperature, 0 <= _number(self.temperature) < math.inf, "0 or more")
        _check("top_p", self.top_p, 0 < _number(self.top_p) <= 1, "above 0 and at most 1")
        for name in ("top_k", "seed"):
            value = getattr(self, name)
            _check(name, value, _is_whole(value, 0), "a whole number, 0 or more")


def whole(name: str, value: Any) -> int:
    """A size as an int; numpy's whole numbers are taken, too.

    Raises:
        ConfigError: when it is none, or absurdly large.
    """
    if not _is_whole(value):
        raise ConfigError(f"{name} must be a whole number, but it is {value!r}: give one from 1 to {LARGEST_BEAM:,}")
    if (number := operator.index(value)) > LARGEST_BEAM:
        raise ConfigError(f"{name} must be at most {LARGEST_BEAM:,}, but it is {number}: choose a smaller one")
    return number


def _length(name: str, value: Any) -> int:
    """A whole number from 0 to the largest minimum length."""
    number = operator.index(value) if _is_whole(value) else -1
    if not 0 <= number <= LARGEST_MIN_LENGTH:
        raise ConfigError(
            f"{name} must be a whole number from 0 to {LARGEST_MIN_LENGTH:,}, but it is {value!r}: choose 0 for none"
        )
    return number


def _is_whole(value: Any, least: int | None = None) -> bool:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        return False
    return least is None or operator.index(value) >= least


def _number(value: Any) -> float:
    """The value where it is a number, else NaN, which no range holds."""
    return float(value) if isinstance(value, float | int | np.number) and not isinstance(value, bool) else math.nan


def _check(name: str, value: Any, right: bool, rule: str) -> None:
    """Raise a `ConfigError` unless the value is right."""
    if not right:
        raise ConfigError(f"{name} must be {rule}, but it is {value!r}: choose another value")
