"""What an output may be: minimum length, no repeated n-gram, forbidden items, a forced prefix.

`Constraints` are what people write, in texts; `Rules` the same in ids. A search masks the
log-probabilities of a step with `Rules.mask`, after they were normalised, so that what it keeps has the
model's own log-probability.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from seqweave.config import LARGEST_MIN_LENGTH, SearchConfig
from seqweave.errors import ConfigError
from seqweave.search.steps import IMPOSSIBLE
from seqweave.text.tokenizers import Tokenizer
from seqweave.text.vocabulary import BOS, EOS, PAD, SPECIALS, UNK


@dataclass(frozen=True)
class Rules:
    """Constraints of a call, in ids; no id of `prefix` or `forbidden` is `<pad>`, `<bos>` or `<eos>`.

    Attributes:
        min_length: fewest items, `<eos>` not counted.
        no_repeat_ngram: no run of so many items occurs twice in an output; 0 allows all.
        forbidden: items that are not in an output.
        prefix: items every output begins with.
        max_length: most items, `<eos>` not counted; None allows any number.
    """

    min_length: int = 0
    no_repeat_ngram: int = 0
    forbidden: tuple[int, ...] = ()
    prefix: tuple[int, ...] = ()
    max_length: int | None = None

    def __post_init__(self) -> None:
        for name, ids in (("forbidden", self.forbidden), ("prefix", self.prefix)):
            if wrong := [one for one in ids if one in (PAD, BOS, EOS)]:
                raise ConfigError(f"{name} must be items of the output, but one is {SPECIALS[wrong[0]]}: leave it out")

    @property
    def least_positions(self) -> int:
        """Positions, `<eos>` counted, of the shortest output these rules ask for."""
        return max(self.min_length, len(self.prefix)) + 1

    def mask(self, log_probs: Tensor, outputs: Sequence[list[int]]) -> None:
        """Make impossible, in place, what may not follow the outputs so far; the rest keeps its value.

        Inside the prefix only its next item is possible. After it the other rules hold. Where they leave
        nothing, the output may end: `<eos>` gets its value back, before the minimum length too. Where the model
        gives what is left probability 0 (entmax-1.5), its log-probability becomes `IMPOSSIBLE`.

        Shape: log_probs (R, V), one of `outputs` a row.
        """
        for row, output in zip(log_probs, outputs, strict=True):  # row (V,), a view
            if len(output) < len(self.prefix):
                item = self.prefix[len(output)]
                kept = row[item].clamp(min=IMPOSSIBLE)
                row.fill_(float("-inf"))
                row[item] = kept
                continue
            end = row[EOS].clamp(min=IMPOSSIBLE)
            if self.max_length is not None and len(output) >= self.max_length:
                row.fill_(float("-inf"))
                row[EOS] = end
                continue
            if banned := self._banned(output):
                row[banned] = float("-inf")
            if not bool(row.isfinite().any()) and not bool(row.isnan().any()):
                row[EOS] = end

    def _banned(self, output: list[int]) -> list[int]:
        """Items that may not follow an output that has its prefix."""
        banned = [*self.forbidden, *_repeating(output, self.no_repeat_ngram)]
        return [*banned, EOS] if len(output) < self.min_length else banned


def _repeating(output: list[int], size: int) -> list[int]:
    """The items that would make the last n-gram of an output one that it had before."""
    if not 0 < size <= len(output):
        return []
    tail = output[len(output) - size + 1 :]
    starts = range(len(output) - size + 1)
    return [output[start + size - 1] for start in starts if output[start : start + size - 1] == tail]


@dataclass(frozen=True)
class Constraints:
    """What outputs may be, for all texts of a call.

    Attributes:
        min_length: fewest items of an output, 0 to 10,000.
        no_repeat_ngram: no run of so many items occurs twice in an output; 0 allows all.
        forbid: texts of one item each that do not occur in an output; `<unk>` is the unknown item.
        prefix: what every output begins with; it wins over the other constraints.

    Raises:
        ConfigError: when one is out of its range or of another kind.
    """

    min_length: int = 0
    no_repeat_ngram: int = 0
    forbid: tuple[str, ...] = ()
    prefix: str = ""

    @classmethod
    def of(cls, search: SearchConfig) -> Constraints:
        """Those of the settings."""
        return cls(search.min_length, search.no_repeat_ngram, search.forbid)

    def __post_init__(self) -> None:
        for name in ("min_length", "no_repeat_ngram"):
            object.__setattr__(self, name, _whole(name, getattr(self, name)))
        if not isinstance(self.prefix, str):
            raise ConfigError(f"prefix must be a text, but it is {self.prefix!r}: give one text")
        listed = isinstance(self.forbid, list | tuple)
        if not listed or not all(isinstance(one, str) for one in self.forbid):
            raise ConfigError(f"forbid must be a list of texts, but it is {self.forbid!r}: put each text into the list")
        object.__setattr__(self, "forbid", tuple(self.forbid))

    def rules(self, tokenizer: Tokenizer) -> Rules:
        """The same in ids of the target's vocabulary.

        Raises:
            ConfigError: when a forbidden text is not one known item, or the prefix holds an unknown one.
        """
        prefix = tokenizer.encode(self.prefix)
        if UNK in prefix:
            name = tokenizer.tokens(self.prefix)[prefix.index(UNK)]
            raise ConfigError(
                f"prefix must be made of items the target vocabulary has, but {name!r} is not in it: leave it out"
            )
        forbidden = tuple(_one_item(text, tokenizer) for text in self.forbid)
        return Rules(self.min_length, self.no_repeat_ngram, forbidden, tuple(prefix))


def _one_item(text: str, tokenizer: Tokenizer) -> int:
    """The id of a text that is one item."""
    if text == SPECIALS[UNK]:
        return UNK
    ids = tokenizer.encode(text)
    if len(ids) == 1 and ids[0] != UNK:
        return ids[0]
    what = f"is {len(ids)} items, {' '.join(tokenizer.tokens(text))}" if len(ids) != 1 else "is not in the vocabulary"
    raise ConfigError(f"forbid must name single items of the target vocabulary, but {text!r} {what}: name one item")


def _whole(name: str, value: Any) -> int:
    """A whole number from 0 to the largest minimum length."""
    number = -1 if isinstance(value, bool) or not hasattr(value, "__index__") else operator.index(value)
    if not 0 <= number <= LARGEST_MIN_LENGTH:
        raise ConfigError(
            f"{name} must be a whole number from 0 to {LARGEST_MIN_LENGTH:,}, but it is {value!r}: choose 0 for none"
        )
    return number
