"""Readouts: from what a decoder has computed at a position to the vector that the output maps to logits.

By where attention sits: `TanhReadout` is Luong's attentional state (2015, eq. 5), `MaxoutReadout` the deep
output of Cho et al. (2014, appendix A.1.2) and Bahdanau et al. (2014, A.2.2; with the new state s_i as in
their eq. 4, where the appendix has s_{i-1}).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqweave.model.input.one_hot import OneHotInput
from seqweave.model.kernels.activations import faster_tanh
from seqweave.model.kernels.maxout import larger_of_pairs


class PlainReadout(nn.Module):
    """The features themselves, or a linear map of them where another width is needed."""

    def __init__(self, input_size: int, size: int):
        super().__init__()
        self.size = size
        self.linear = nn.Identity() if input_size == size else nn.Linear(input_size, size)

    def forward(self, features: Tensor) -> Tensor:
        """Shape: (..., X) -> (..., size)."""
        readout: Tensor = self.linear(features)
        return readout


class TanhReadout(nn.Module):
    """`tanh(W [context; state])` (Luong et al. 2015, eq. 5)."""

    def __init__(self, input_size: int, size: int):
        super().__init__()
        self.size = size
        self.linear = nn.Linear(input_size, size, bias=False)
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Shape: (..., X) -> (..., size)."""
        return faster_tanh(self.linear(features))


class MaxoutReadout(nn.Module):
    """The larger of each two units of `W [state; embedding; context]` (Goodfellow et al. 2013)."""

    def __init__(self, input_size: int, size: int):
        super().__init__()
        self.size = size
        self.linear = nn.Linear(input_size, 2 * size)
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, features: Tensor) -> Tensor:
        """Shape: (..., X) -> (..., size)."""
        return larger_of_pairs(self.linear(features))  # (..., size)

    def of(self, state: Tensor, embedded: Tensor | OneHotInput, context: Tensor) -> Tensor:
        """Shape: state (..., H), embedded (..., M) or items (..., V), context (..., E) -> (..., size)."""
        if isinstance(embedded, Tensor):
            return self.forward(torch.cat([state, embedded.to(state.dtype), context.to(state.dtype)], -1))
        sizes = [state.shape[-1], embedded.vectors.shape[1], context.shape[-1]]
        read, word, looked_up = self.linear.weight.split(sizes, 1)
        weight = torch.cat([read, embedded.weights(word).to(read.dtype), looked_up], 1)  # (2 * size, H + V + E)
        features = torch.cat([state, embedded.one_hot.to(state.dtype), context.to(state.dtype)], -1)
        return larger_of_pairs(functional.linear(features, weight, self.linear.bias))  # (..., size)
