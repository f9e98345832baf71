"""Frames (float vectors: log-mel speech, columns of an image) to the vectors that an encoder reads.

One linear map for all frames. What this leaves out: stacking of neighbouring frames and convolutions, which shorten
a source.
"""

from __future__ import annotations

from torch import Tensor, nn

from seqweave.model.layers import SequenceDropout


class FrameInput(nn.Module):
    """Frames (B, S, F) to vectors (B, S, M), `W x + b`; what stands at padding no encoder reads.

    Args:
        frame_size: F.
        size: M.
        dropout: on the vectors.
    """

    def __init__(self, frame_size: int, size: int, dropout: SequenceDropout):
        super().__init__()
        self.size = size
        self.project = nn.Linear(frame_size, size)
        self.dropout = dropout

    def forward(self, frames: Tensor) -> Tensor:
        """Shape: (B, S, F) -> (B, S, M)."""
        vectors: Tensor = self.dropout(self.project(frames.to(self.project.weight.dtype)))
        return vectors

    def items(self, frames: Tensor) -> Tensor:
        """The vectors. Shape: (B, S, F) -> (B, S, M)."""
        return self.forward(frames)

    def places(self, frames: Tensor) -> Tensor | None:
        """As they stand."""
        return None
