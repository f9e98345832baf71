"""The encoder-decoder behind one contract: `encode`, `decode`, `start`, `step`.

A plain module: it knows no trainer, loss, metric or logger. `decode` (teacher forcing) equals
repeated `step` (free running) for every architecture, and that is a test.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from seqweave.model.decoder import Decoder
from seqweave.model.input.embeddings import Embedder
from seqweave.model.layers import reverse_by_length
from seqweave.model.output.base import Output
from seqweave.model.state import DecoderOutput, DecoderState, Encoded, StepOutput


class Seq2Seq(nn.Module):
    """Six finished parts, put together.

    Args:
        source_input: what is read to vectors (`seqweave.model.input`).
        encoder: these vectors, lengths, and positions where the input counts them itself, to `Encoded`.
        bridge: `Encoded` to the decoder's first recurrent states.
        decoder: see `seqweave.model.decoder`.
        target_input: what is written so far to vectors.
        output: what the decoder computes to logits (`seqweave.model.output`).
        reverse_source: the encoder reads the source last item first (Sutskever et al. 2014, section
            3.3); outputs and attention stay in the order of the source.
    """

    def __init__(
        self,
        source_input: Embedder,
        encoder: nn.Module,
        bridge: nn.Module,
        decoder: Decoder,
        target_input: Embedder,
        output: Output,
        reverse_source: bool = False,
    ):
        super().__init__()
        # In the order in which an optimizer has always gone through them.
        self.source_input = source_input
        self.target_input = target_input
        self.encoder = encoder
        self.bridge = bridge
        self.decoder = decoder
        self.output = output
        self.reverse_source = reverse_source

    def encode(self, source: Tensor, source_lengths: Tensor, source_copies: Tensor | None = None) -> Encoded:
        """Read the sources.

        Shape: source ids (B, S) or frames (B, S, F); source_lengths (B,); source_copies (B, S), what positions stand
        for in an output, where the output copies.
        """
        encoded = self._encode(source, source_lengths)
        return replace(encoded, copies=self.output.copies(source_copies, encoded.mask))

    def start(self, encoded: Encoded) -> DecoderState:
        """The decoder's state before the first step, one row for each sentence."""
        return self.decoder.start(encoded, self.bridge(encoded))

    def decode(self, target_in: Tensor, encoded: Encoded, return_attention: bool = False) -> DecoderOutput:
        """Teacher forcing. Shape: target_in (B, T) ids -> logits (B, T, V), attention (B, T, S)."""
        embedded, state = self.target_input.items(self.output.fed(target_in)), self.start(encoded)
        decoded = self.decoder(embedded, state, return_attention or self.output.attends)
        logits = self.output(decoded, embedded, state.memory)
        return DecoderOutput(logits, decoded.weights if return_attention else None)

    def step(self, ids: Tensor, state: DecoderState, return_attention: bool = False) -> StepOutput[DecoderState]:
        """Free running, one item for each row. Shape: ids (R,) -> logits (R, V), attention (R, S)."""
        embedded = self.target_input(self.output.fed(ids)[:, None])[:, 0]  # (R, M)
        decoded, after = self.decoder.step(embedded, state, return_attention or self.output.attends)
        logits = self.output.step(decoded, embedded, state)
        return StepOutput(logits, after, decoded.weights if return_attention else None)

    def forward(
        self, source: Tensor, source_lengths: Tensor, target_in: Tensor, source_copies: Tensor | None = None
    ) -> Tensor:
        """Encode and decode with teacher forcing. Shape: as `encode`, and target_in (B, T) -> logits (B, T, V)."""
        return self.decode(target_in, self.encode(source, source_lengths, source_copies)).logits

    def _encode(self, source: Tensor, lengths: Tensor) -> Encoded:
        if not self.reverse_source:
            return self._read(source, lengths)
        turned = self._read(reverse_by_length(source, lengths), lengths)
        return replace(turned, outputs=reverse_by_length(turned.outputs, lengths))

    def _read(self, source: Tensor, lengths: Tensor) -> Encoded:
        encoded: Encoded = self.encoder(self.source_input.items(source), lengths, self.source_input.places(source))
        return encoded


def parameter_count(model: nn.Module) -> int:
    """Trained numbers in a model."""
    return sum(parameter.numel() for parameter in model.parameters())
