"""From the encoder's final states to the decoder's first ones.

`zero` starts from nothing, `copy` hands the states over (Sutskever et al. 2014), `dense` is the tanh
of a linear map (Bahdanau et al. 2014, A.2.2; he maps the backward direction alone, we map both).
With unequal layer counts the decoder's layers take the encoder's last ones, and the lowest
encoder layer stands in for those it lacks.
"""

from __future__ import annotations

from torch import Tensor, nn

from seqweave.model.kernels.activations import faster_tanh
from seqweave.model.state import Encoded


def matching_layer(layer: int, encoder_layers: int, decoder_layers: int) -> int:
    """The encoder layer whose final state starts a decoder layer: counted from the top."""
    return max(0, layer + encoder_layers - decoder_layers)


class ZeroBridge(nn.Module):
    """All decoder states start at zero."""

    def __init__(self, parts: int, size: int):
        super().__init__()
        self.parts = parts
        self.size = size

    def forward(self, encoded: Encoded) -> tuple[Tensor, ...]:
        """Shape: each (B, H)."""
        return (encoded.outputs.new_zeros(encoded.outputs.shape[0], self.size),) * self.parts


class CopyBridge(nn.Module):
    """Each decoder layer starts with an encoder layer's final state, as it is."""

    def __init__(self, encoder_layers: int, decoder_layers: int, parts_per_layer: int):
        super().__init__()
        self.encoder_layers = encoder_layers
        self.decoder_layers = decoder_layers
        self.parts_per_layer = parts_per_layer

    def forward(self, encoded: Encoded) -> tuple[Tensor, ...]:
        """Shape: each (B, E) -> each (B, H) with H = E."""
        states: list[Tensor] = []
        for layer in range(self.decoder_layers):
            start = self.parts_per_layer * matching_layer(layer, self.encoder_layers, self.decoder_layers)
            states += encoded.final[start : start + self.parts_per_layer]
        return tuple(states)


class DenseBridge(nn.Module):
    """Each decoder state is the tanh of a linear map of the matching encoder state."""

    def __init__(self, encoder_size: int, size: int, encoder_layers: int, decoder_layers: int, parts_per_layer: int):
        super().__init__()
        self.copy = CopyBridge(encoder_layers, decoder_layers, parts_per_layer)
        self.maps = nn.ModuleList(nn.Linear(encoder_size, size) for _ in range(decoder_layers * parts_per_layer))

    def forward(self, encoded: Encoded) -> tuple[Tensor, ...]:
        """Shape: each (B, E) -> each (B, H)."""
        states = self.copy(encoded)
        return tuple(faster_tanh(linear(state)) for linear, state in zip(self.maps, states, strict=True))
