"""The role of an output: from what a decoder computes at a position to logits, and the loss that trains them.

Whoever decodes, normalises, trains or searches asks an `Output` and never which one it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqweave.model.input.embeddings import Embedding
from seqweave.model.input.one_hot import OneHotInput
from seqweave.model.layers import SequenceDropout
from seqweave.model.state import Decoded, DecoderState, Memory


class Output(nn.Module):
    """Dropout and the last linear map, `W readout + b`, which all outputs share; what else one does, it overrides.

    Args:
        size: width of the readout.
        vocabulary_size: entries V.
        dropout: on the readout.
        tied: the target's embedding, when the map's weight is its table (Press & Wolf 2017).
    """

    sparse = False
    """Whether some items get probability 0 as a rule, so that their logits in evaluation mode are -inf."""
    attends = False
    """Whether it reads the weights of attention."""

    def __init__(self, size: int, vocabulary_size: int, dropout: SequenceDropout, tied: Embedding | None = None):
        super().__init__()
        self.dropout = dropout
        # In a tuple, because a module would be registered as a part of this one too, and its weight saved twice.
        self._tied = (tied,)
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))
        self.weight = None if tied is not None else nn.Parameter(torch.empty(vocabulary_size, size))
        if self.weight is not None:
            nn.init.xavier_uniform_(self.weight)

    def table(self) -> Tensor:
        """The map's weight, its own or the embedding's. Shape: (V, size)."""
        weight = self._tied[0].weight if self._tied[0] is not None else self.weight
        assert weight is not None
        return weight

    def fed(self, ids: Tensor) -> Tensor:
        """What the decoder reads for items of an output; same shape."""
        return ids

    def copies(self, stands_for: Tensor | None, mask: Tensor) -> Tensor | None:
        """What `Encoded.copies` holds for it, of what positions stand for. Shape: stands_for and mask (B, S)."""
        return None

    def forward(self, decoded: Decoded, embedded: Tensor | OneHotInput, memory: Memory) -> Tensor:
        """Logits of whole targets.

        Args:
            decoded: of B sentences and T positions.
            embedded: what the decoder read, (B, T, M) or items (B, T, V).
            memory: of the B sentences.

        Shape: -> (B, T, V).
        """
        return self.logits(self.dropout(decoded.readout))

    def step(self, decoded: Decoded, embedded: Tensor, state: DecoderState) -> Tensor:
        """Logits of one position of R rows. Shape: embedded (R, M) -> (R, V)."""
        return self.logits(self.dropped(decoded.readout))

    def loss(self, logits: Tensor, target_out: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """What training minimises, in nats and summed over real positions.

        The caller divides by the count of real positions of the whole step, over all its batches and
        processes, so that accumulation and more processes change nothing.

        Shape: logits in training mode (B, T, V), target_out (B, T) -> ().
        """
        raise NotImplementedError

    def p_gen(self, decoded: Decoded, embedded: Tensor, memory: Memory) -> Tensor | None:
        """The probability of generating rather than copying, where there is a choice. Shape: as `forward` -> (B, T)."""
        return None

    def logits(self, readout: Tensor) -> Tensor:
        """The linear map. Shape: (..., size) -> (..., V)."""
        return functional.linear(readout, self.table(), self.bias)

    def dropped(self, readout: Tensor) -> Tensor:
        """Dropout over one position. Shape: (R, size) -> (R, size)."""
        values: Tensor = self.dropout(readout[:, None])[:, 0]
        return values
