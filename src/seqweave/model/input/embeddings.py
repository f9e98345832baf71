"""Ids to vectors: a learned embedding, or one-hot vectors, with the dropouts that belong here."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqweave.model.input.one_hot import OneHotInput
from seqweave.model.layers import SequenceDropout
from seqweave.text.vocabulary import BOS, PAD, UNK


class Embedder(Protocol):
    """The role of what makes vectors of ids, or of frames."""

    def __call__(self, values: Tensor, /) -> Tensor:
        """Shape: ids (B, T) or frames (B, T, F) -> (B, T, M)."""
        ...

    def items(self, values: Tensor, /) -> Tensor | OneHotInput:
        """The same for who takes `OneHotInput` as well. Shape: as `__call__`."""
        ...

    def places(self, values: Tensor, /) -> Tensor | None:
        """The positions of items, for who counts them; None: as they stand. Shape: as `__call__` -> (B, T)."""
        ...


class Embedding(nn.Module):
    """Ids (B, T) to vectors (B, T, M), learned; the generator may share `weight` (V, M).

    Word dropout replaces a share of the items by <unk> in training (never <pad> or <bos>).

    Args:
        by_table: what reads the embeddings also takes `OneHotInput`, and the vocabulary is small enough for them to
            pay (`pays`).
    """

    def __init__(
        self,
        vocabulary_size: int,
        size: int,
        dropout: SequenceDropout,
        word_dropout: float = 0.0,
        by_table: bool = False,
    ):
        super().__init__()
        self.size = size
        self.by_table = by_table
        self.weight = nn.Parameter(torch.randn(vocabulary_size, size) * size**-0.5)
        self.dropout = dropout
        self.word_dropout = word_dropout

    def forward(self, ids: Tensor) -> Tensor:
        """Shape: (B, T) -> (B, T, M)."""
        ids = dropped_words(ids, self.word_dropout if self.training else 0.0)
        vectors: Tensor = self.dropout(functional.embedding(ids, self.weight))
        return vectors

    def items(self, ids: Tensor) -> Tensor | OneHotInput:
        """`OneHotInput` where they pay, else vectors. Shape: (B, T) -> (B, T, M)."""
        if not self.by_table or (self.training and self.dropout.probability > 0):
            return self.forward(ids)
        return OneHotInput.of(dropped_words(ids, self.word_dropout if self.training else 0.0), self.weight)

    def places(self, ids: Tensor) -> Tensor | None:
        """As they stand."""
        return None


class OneHot(nn.Module):
    """Ids (B, T) to one-hot vectors (B, T, V): no learned embedding."""

    unit: Tensor

    def __init__(self, vocabulary_size: int, dropout: SequenceDropout, word_dropout: float = 0.0):
        super().__init__()
        self.size = vocabulary_size
        self.dropout = dropout
        self.word_dropout = word_dropout
        # Only to know device and dtype, which a module without parameters could not tell.
        self.register_buffer("unit", torch.ones(1), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Shape: (B, T) -> (B, T, V)."""
        ids = dropped_words(ids, self.word_dropout if self.training else 0.0)
        vectors: Tensor = self.dropout(functional.one_hot(ids, self.size).to(self.unit.dtype))
        return vectors

    def items(self, ids: Tensor) -> Tensor:
        """The vectors. Shape: (B, T) -> (B, T, V)."""
        return self.forward(ids)

    def places(self, ids: Tensor) -> Tensor | None:
        """As they stand."""
        return None


class FeaturedEmbedding(nn.Module):
    """Ids (B, S) to vectors (B, S, M), of items and of features (`seqweave.text.features`).

    Features have a table of their own, `size` wide, and a linear map to the items' width where that is
    another one. Word dropout leaves them alone.

    Args:
        text: the embedding of the text's items.
        first: the first feature's id; all ids below are items.
        count: features.
        size: width of a feature.
        dropout: on the vectors of features, as on those of items.
        by_table: as for `Embedding`, which `text` must be then; the vocabulary is that of items and features.
    """

    def __init__(
        self,
        text: Embedding | OneHot,
        first: int,
        count: int,
        size: int,
        dropout: SequenceDropout,
        by_table: bool = False,
    ):
        super().__init__()
        self.text = text
        self.size = text.size
        self.first = first
        self.weight = nn.Parameter(torch.randn(count, size) * size**-0.5)
        self.project = None if size == text.size else nn.Linear(size, text.size, bias=False)
        self.dropout = dropout
        self.by_table = by_table

    def forward(self, ids: Tensor) -> Tensor:
        """Shape: (B, S) -> (B, S, M)."""
        feature = ids >= self.first  # (B, S)
        items: Tensor = self.text(ids.masked_fill(feature, PAD))  # (B, S, M)
        vectors = functional.embedding((ids - self.first).clamp(min=0), self.weight)  # (B, S, size)
        if self.project is not None:
            vectors = self.project(vectors)  # (B, S, M)
        return torch.where(feature[..., None], self.dropout(vectors).to(items.dtype), items)

    def items(self, ids: Tensor) -> Tensor | OneHotInput:
        """`OneHotInput` over the rows of both tables where they pay, else vectors. Shape: (B, S) -> (B, S, M)."""
        if not self.by_table or (self.training and self.dropout.probability > 0):
            return self.forward(ids)
        assert isinstance(self.text, Embedding)
        feature = ids >= self.first  # (B, S)
        words = dropped_words(ids.masked_fill(feature, PAD), self.text.word_dropout if self.training else 0.0)
        features = self.weight if self.project is None else self.project(self.weight)  # (count, M)
        table = torch.cat([self.text.weight, features.to(self.text.weight.dtype)])  # (V, M): items, then features
        return OneHotInput.of(torch.where(feature, ids, words), table)

    def places(self, ids: Tensor) -> Tensor:
        """Positions for a Transformer: 0 for every feature, and from 1 on for the items, whatever stands between.

        So an item's position does not depend on the number of features (the feature-invariant Transformer
        of Wu, Cotterell & Hulden 2021, "Applying the Transformer to character-level transduction").
        Shape: (B, S) -> (B, S).
        """
        item = (ids < self.first).long()  # (B, S)
        return item.cumsum(1) * item


def text_table(embedder: object) -> nn.Parameter:
    """The table that pretrained vectors of a text's items go into. Shape: (V, M)."""
    if isinstance(embedder, FeaturedEmbedding):
        embedder = embedder.text
    assert isinstance(embedder, Embedding)
    return embedder.weight


def pays(vocabulary_size: int, size: int) -> bool:
    """Whether `OneHotInput` save operations: measured, from embeddings twice as wide as the vocabulary on."""
    return 2 * vocabulary_size <= size


def dropped_words(ids: Tensor, probability: float) -> Tensor:
    """Replace a share of the items by <unk>. Shape: (B, T) -> (B, T)."""
    if probability == 0:
        return ids
    chosen = torch.rand(ids.shape, device=ids.device) < probability  # (B, T)
    return ids.masked_fill(chosen & (ids != PAD) & (ids != BOS), UNK)
