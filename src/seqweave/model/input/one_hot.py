"""One-hot vectors of a small vocabulary on their way into a recurrent layer, before their embeddings are looked up."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class OneHotInput:
    """`one_hot @ vectors` are the embeddings (B, T, M), but a layer need not make them.

    A layer multiplies each embedding with its weights W. Multiplying the table of embeddings once instead,
    V rows in place of B * T, and one-hot vectors with that, gives the same sums from fewer operations where V
    is well below M, forward and backward.

    Attributes:
        one_hot: Shape: (B, T, V).
        vectors: the table of embeddings. Shape: (V, M).
    """

    one_hot: Tensor
    vectors: Tensor

    @classmethod
    def of(cls, ids: Tensor, vectors: Tensor) -> OneHotInput:
        """Shape: ids (B, T), vectors (V, M)."""
        one_hot = vectors.new_zeros(*ids.shape, len(vectors)).scatter_(-1, ids[..., None], 1.0)  # (B, T, V)
        return cls(one_hot, vectors)

    def embedded(self) -> Tensor:
        """The embeddings after all. Shape: (B, T, M)."""
        return self.one_hot @ self.vectors

    def weights(self, weight: Tensor) -> Tensor:
        """What multiplies `one_hot` where `weight` would multiply embeddings. Shape: (G, M) -> (G, V)."""
        return functional.linear(weight, self.vectors)  # (G, V)


def vectors_of(inputs: Tensor | OneHotInput) -> Tensor:
    """The embeddings themselves. Shape: (B, T, M) or items (B, T, V) -> (B, T, M)."""
    return inputs.embedded() if isinstance(inputs, OneHotInput) else inputs


def rows_of(inputs: Tensor | OneHotInput) -> Tensor:
    """What stands at each position. Shape: (B, T, M) or items (B, T, V) -> the same."""
    return inputs.one_hot if isinstance(inputs, OneHotInput) else inputs


def with_rows(inputs: Tensor | OneHotInput, rows: Tensor) -> Tensor | OneHotInput:
    """The same kind of inputs with other rows. Shape: rows as those of `rows_of`."""
    return replace(inputs, one_hot=rows) if isinstance(inputs, OneHotInput) else rows


def linear(inputs: Tensor | OneHotInput, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`W x + b` of embeddings. Shape: (B, T, M) or items (B, T, V), weight (G, M) -> (B, T, G)."""
    if isinstance(inputs, OneHotInput):
        return functional.linear(inputs.one_hot, inputs.weights(weight), bias)
    return functional.linear(inputs, weight, bias)
