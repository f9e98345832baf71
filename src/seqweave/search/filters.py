"""Step filters: what an output may be. Minimum length, no repeated n-gram, forbidden items, a prefix, one label.

A filter is a function that is called at each step, before an item is chosen, with the log-probabilities of all rows
of the batch and the outputs that they continue:

    def no_two_alike(log_probs, outputs):
        for row, output in zip(log_probs, outputs):
            row[output[-1:]] = float("-inf")

It makes items impossible in place (-inf), or returns a new tensor of the same shape. The log-probabilities are the
model's own, normalised before, and what a filter leaves is what enters the score. The outputs follow the beam: row r
of the one belongs to entry r of the other. Where filters leave nothing that is possible, an output may end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqweave.errors import ConfigError
from seqweave.search.found import StepFilter
from seqweave.search.options import SearchOptions
from seqweave.text.tokenizers import Tokenizer
from seqweave.text.vocabulary import BOS, EOS, PAD, SPECIALS, UNK

if TYPE_CHECKING:
    from torch import Tensor

IMPOSSIBLE = -1e4
"""Log-probability that an item counts as having which must be taken although the model gives it probability 0.

With minus infinity no output after it could be told from another.
"""
_NEVER = float("-inf")


def filters_of(options: SearchOptions, tokenizer: Tokenizer) -> Filters:
    """The filters that options ask for, in ids of the target's vocabulary, and one item of a label.

    Raises:
        ConfigError: when a forbidden text is not one known item, the prefix holds an unknown one, or a label is to
            have several items.
    """
    prefix = tokenizer.encode(options.prefix)
    if UNK in prefix:
        name = tokenizer.tokens(options.prefix)[prefix.index(UNK)]
        raise ConfigError(
            f"prefix must be made of items the target vocabulary has, but {name!r} is not in it: leave it out"
        )
    label = tokenizer.units == "label"
    if label and options.min_length > 1:
        raise ConfigError(
            f"min_length must be at most 1 for a model whose outputs are labels, of one item each, but it "
            f"is {options.min_length}: leave it out"
        )
    return constraints(
        min_length=1 if label else options.min_length,
        no_repeat_ngram=options.no_repeat_ngram,
        forbidden=[_one_item(text, tokenizer) for text in options.forbid],
        prefix=prefix,
        max_length=1 if label else None,
        functions=options.filters,
    )


def constraints(
    min_length: int = 0,
    no_repeat_ngram: int = 0,
    forbidden: Sequence[int] = (),
    prefix: Sequence[int] = (),
    max_length: int | None = None,
    functions: Sequence[StepFilter] = (),
) -> Filters:
    """The filters of constraints in ids; those that change nothing are left out.

    Inside the prefix only its next item is possible; after it the others hold. `functions` come last, and see what
    is left.

    Raises:
        ConfigError: when a forbidden item or one of the prefix is `<pad>`, `<bos>` or `<eos>`.
    """
    for name, ids in (("forbidden", forbidden), ("prefix", prefix)):
        if wrong := [one for one in ids if one in (PAD, BOS, EOS)]:
            raise ConfigError(f"{name} must be items of the output, but one is {SPECIALS[wrong[0]]}: leave it out")
    start = len(prefix)
    steps: list[StepFilter] = []
    if min_length:
        steps.append(MinLength(min_length))
    if no_repeat_ngram:
        steps.append(NoRepeatNgram(no_repeat_ngram, start))
    if forbidden:
        steps.append(Forbidden(tuple(forbidden), start))
    if max_length is not None:
        steps.append(MaxLength(max_length, start))
    if prefix:
        steps.append(Prefix(tuple(prefix)))
    most = None if max_length is None else max(max_length, start) + 1
    asked = Constraints(min_length, no_repeat_ngram, tuple(forbidden), tuple(prefix), max_length)
    return Filters((*steps, *functions), max(min_length, start) + 1, most, asked, len(functions))


@dataclass(frozen=True)
class Constraints:
    """What an output may be, in ids of the target's vocabulary; see the filters of the same names."""

    min_length: int = 0
    no_repeat_ngram: int = 0
    forbidden: tuple[int, ...] = ()
    prefix: tuple[int, ...] = ()
    max_length: int | None = None


@dataclass(frozen=True)
class Filters:
    """The step filters of a call, and what they mean for the length of its outputs.

    Attributes:
        steps: the filters, in the order in which they are called.
        least_positions: positions, `<eos>` counted, of the shortest output they ask for.
        most_positions: of the longest; None: any.
        constraints: what the filters are made of, but for the caller's own functions.
        functions: how many of the filters are those.
    """

    steps: tuple[StepFilter, ...] = ()
    least_positions: int = 1
    most_positions: int | None = None
    constraints: Constraints = Constraints()
    functions: int = 0


@dataclass(frozen=True)
class MinLength:
    """No output has fewer items."""

    items: int

    def __call__(self, log_probs: Tensor, outputs: list[list[int]]) -> None:
        """See `StepFilter`."""
        log_probs[[row for row, output in enumerate(outputs) if len(output) < self.items], EOS] = _NEVER


@dataclass(frozen=True)
class MaxLength:
    """An output of so many items ends, unless it is still within a prefix of `after` items."""

    items: int
    after: int = 0

    def __call__(self, log_probs: Tensor, outputs: list[list[int]]) -> None:
        """See `StepFilter`."""
        for row, output in zip(log_probs, outputs, strict=True):  # row (V,), a view
            if len(output) >= max(self.items, self.after):
                _leave_only(row, EOS)


@dataclass(frozen=True)
class NoRepeatNgram:
    """No run of `size` items occurs twice in an output, but within its first `after` items."""

    size: int
    after: int = 0

    def __call__(self, log_probs: Tensor, outputs: list[list[int]]) -> None:
        """See `StepFilter`."""
        for row, output in zip(log_probs, outputs, strict=True):  # row (V,), a view
            if len(output) >= self.after and (repeating := _repeating(output, self.size)):
                row[repeating] = _NEVER


@dataclass(frozen=True)
class Forbidden:
    """These items do not occur in an output after its first `after` items."""

    ids: tuple[int, ...]
    after: int = 0

    def __call__(self, log_probs: Tensor, outputs: list[list[int]]) -> None:
        """See `StepFilter`."""
        for row, output in zip(log_probs, outputs, strict=True):  # row (V,), a view
            if len(output) >= self.after:
                row[list(self.ids)] = _NEVER


@dataclass(frozen=True)
class Prefix:
    """Every output begins with these items."""

    ids: tuple[int, ...]

    def __call__(self, log_probs: Tensor, outputs: list[list[int]]) -> None:
        """See `StepFilter`."""
        for row, output in zip(log_probs, outputs, strict=True):  # row (V,), a view
            if len(output) < len(self.ids):
                _leave_only(row, self.ids[len(output)])


def _leave_only(row: Tensor, item: int) -> None:
    """Make everything else impossible; what the model gives probability 0 counts as `IMPOSSIBLE`. Shape: (V,)."""
    kept = row[item].clamp(min=IMPOSSIBLE)
    row.fill_(_NEVER)
    row[item] = kept


def _repeating(output: list[int], size: int) -> list[int]:
    """The items that would make the last n-gram of an output one that it had before."""
    if size > len(output):
        return []
    tail = output[len(output) - size + 1 :]
    starts = range(len(output) - size + 1)
    return [output[start + size - 1] for start in starts if output[start : start + size - 1] == tail]


def _one_item(text: str, tokenizer: Tokenizer) -> int:
    """The id of a text that is one item."""
    if text == SPECIALS[UNK]:
        return UNK
    ids = tokenizer.encode(text)
    if len(ids) == 1 and ids[0] != UNK:
        return ids[0]
    what = f"is {len(ids)} items, {' '.join(tokenizer.tokens(text))}" if len(ids) != 1 else "is not in the vocabulary"
    raise ConfigError(f"forbid must name single items of the target vocabulary, but {text!r} {what}: name one item")
