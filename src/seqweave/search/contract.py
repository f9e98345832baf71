"""The roles of search: a model's `encode`, `decode`, `start` and `step`, a state which moves its rows, step filters.

Search sees of a model only these roles and never asks which architecture it drives. `seqweave.model.Seq2Seq`
fulfils them; so does the toy table of the tests.
"""

from __future__ import annotations

from typing import Any, Protocol, Self

from torch import Tensor


class SearchState(Protocol):
    """The state of a decoder between two steps, R rows of it. All methods return a new state."""

    def select(self, rows: Tensor, /) -> Self:
        """Take any rows, (any count,) long."""
        ...

    def expand(self, width: int, /) -> Self:
        """Repeat each row `width` times, next to each other."""
        ...

    def reorder(self, rows: Tensor, /) -> Self:
        """Let rows trade places within their sentence, (R,) long."""
        ...

    def keep(self, sentences: Tensor, /) -> Self:
        """Let whole sentences leave; `sentences` are those that stay, in order, long."""
        ...


class SearchStep(Protocol):
    """What one decoder step gives."""

    @property
    def logits(self) -> Tensor:
        """Unnormalised scores of the next item, (R, V)."""
        ...

    @property
    def state(self) -> Any:
        """The `SearchState` after the step."""
        ...

    @property
    def attention(self) -> Tensor | None:
        """Attention weights of the step, (R, S), when asked for and there are any."""
        ...


class TeacherForced(Protocol):
    """What decoding with a given target gives."""

    @property
    def logits(self) -> Tensor:
        """Unnormalised scores, (B, T, V)."""
        ...

    @property
    def attention(self) -> Tensor | None:
        """Attention weights, (B, T, S), when asked for and there are any."""
        ...


class Searchable(Protocol):
    """A model which search can drive (docs/architecture.md, "The contract that holds it together")."""

    def encode(self, source: Tensor, source_lengths: Tensor, source_copies: Tensor | None = None, /) -> Any:
        """Encode the parts of a `SourceBatch`: ids (B, S) or frames (B, S, F), lengths (B,), copies (B, S)."""
        ...

    def decode(self, target_in: Tensor, encoded: Any, return_attention: bool = False) -> TeacherForced:
        """Run over the whole of `target_in` (B, T)."""
        ...

    def start(self, encoded: Any, /) -> Any:
        """The `SearchState` before the first step, B rows."""
        ...

    def step(self, ids: Tensor, state: Any, return_attention: bool = False) -> SearchStep:
        """Feed one item a row, (R,)."""
        ...
