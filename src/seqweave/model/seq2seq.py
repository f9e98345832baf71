"""The encoder-decoder behind one contract: `encode`, `decode`, `start`, `step`.

A plain module: it knows no trainer, loss, metric or logger. `decode` (teacher forcing) equals
repeated `step` (free running) for every architecture, and that is a test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from seqweave.model.input.embeddings import Embedder, Embedding
from seqweave.model.input.one_hot import OneHotInput
from seqweave.model.layers import SequenceDropout, reverse_by_length
from seqweave.model.output.entmax import log_entmax15
from seqweave.model.output.generator import Generator
from seqweave.model.output.pointer_generator import Copier
from seqweave.model.recurrent.decoders import Decoder
from seqweave.model.state import DecoderOutput, DecoderState, Encoded, StepOutput
from seqweave.model.transformer.encoder_decoder import TransformerEncoder
from seqweave.text.vocabulary import PAD


class Seq2Seq(nn.Module):
    """Finished parts, put together.

    Args:
        source_embedding, target_embedding: ids to vectors.
        encoder: embedded source and lengths to `Encoded`.
        bridge: `Encoded` to the decoder's first recurrent states.
        decoder: see `seqweave.model.recurrent.decoders`.
        generator: readout to logits; tied to the target embedding when it has no weight of its own.
        dropout: before the generator.
        reverse_source: the encoder reads the source last item first (Sutskever et al. 2014, section
            3.3); outputs and attention stay in the order of the source.
        sparse: probabilities are those of entmax-1.5 (`seqweave.model.output.entmax`). In evaluation mode logits are
            their logarithms then, -inf where one is 0; in training mode they are what its loss takes.
        copier: mixes generating with copying. Sources are codes then (`seqweave.data.copying`), and
            logits are log-probabilities with S columns more.
    """

    def __init__(
        self,
        source_embedding: Embedder,
        target_embedding: Embedder,
        encoder: nn.Module,
        bridge: nn.Module,
        decoder: Decoder,
        generator: Generator,
        dropout: SequenceDropout,
        reverse_source: bool = False,
        sparse: bool = False,
        copier: Copier | None = None,
    ):
        super().__init__()
        self.source_embedding = source_embedding
        self.target_embedding = target_embedding
        self.encoder = encoder
        self.bridge = bridge
        self.decoder = decoder
        self.generator = generator
        self.dropout = dropout
        self.reverse_source = reverse_source
        self.sparse = sparse
        self.copier = copier

    def encode(self, source: Tensor, source_lengths: Tensor) -> Encoded:
        """Read the sources. Shape: source (B, S) ids or codes, source_lengths (B,)."""
        if self.copier is not None:
            encoded = self._encode(self.copier.read(source), source_lengths)
            real = source.masked_fill(~encoded.mask, PAD)  # (B, S)
            return replace(encoded, copies=self.copier.columns(real))
        return self._encode(source, source_lengths)

    def _encode(self, source: Tensor, source_lengths: Tensor) -> Encoded:
        if not self.reverse_source:
            return self._read(source, source_lengths)
        turned = self._read(reverse_by_length(source, source_lengths), source_lengths)
        return Encoded(reverse_by_length(turned.outputs, source_lengths), turned.final, turned.mask)

    def places(self, source: Tensor) -> Tensor | None:
        """Positions of a source with features, in the order it is read in, for an encoder that counts them.

        None: as they stand. Shape: (B, S) ids -> (B, S).
        """
        places: Callable[[Tensor], Tensor | None] | None = getattr(self.source_embedding, "places", None)
        return places(source) if places is not None and isinstance(self.encoder, TransformerEncoder) else None

    def _read(self, ids: Tensor, lengths: Tensor) -> Encoded:
        embedded, places = self.source_embedding.items(ids), self.places(ids)  # (B, S, M), (B, S)
        encoded: Encoded = (
            self.encoder(embedded, lengths) if places is None else self.encoder(embedded, lengths, places)
        )
        return encoded

    def start(self, encoded: Encoded) -> DecoderState:
        """The decoder's state before the first step, one row a sentence."""
        feed = self.decoder.initial_feed(encoded.outputs)
        memory, past = self.decoder.memory(encoded), self.decoder.first_past(encoded)
        if encoded.copies is not None:
            memory = replace(memory, copies=encoded.copies)
        return DecoderState(self.bridge(encoded), memory, feed, past=past)

    def decode(self, target_in: Tensor, encoded: Encoded, return_attention: bool = False) -> DecoderOutput:
        """Teacher forcing. Shape: target_in (B, T) ids -> logits (B, T, V), attention (B, T, S)."""
        if self.copier is not None:
            return self._decode_copying(self.copier, target_in, encoded, return_attention)
        readout, weights = self.decoder(self.target_embedding.items(target_in), self.start(encoded), return_attention)
        return DecoderOutput(self._logits(self.dropout(readout)), weights if return_attention else None)

    def step(self, ids: Tensor, state: DecoderState, return_attention: bool = False) -> StepOutput[DecoderState]:
        """Free running, one item for each row. Shape: ids (R,) -> logits (R, V), attention (R, S)."""
        if self.copier is not None:
            return self._step_copying(self.copier, ids, state, return_attention)
        embedded = self.target_embedding(ids[:, None])[:, 0]  # (R, M)
        readout, state, weights = self.decoder.step(embedded, state, return_attention)
        logits = self._logits(self.dropout(readout[:, None])[:, 0])  # (R, V)
        return StepOutput(logits, state, weights if return_attention else None)

    def forward(self, source: Tensor, source_lengths: Tensor, target_in: Tensor) -> Tensor:
        """Encode and decode with teacher forcing. Shape: (B, S), (B,), (B, T) -> logits (B, T, V)."""
        return self.decode(target_in, self.encode(source, source_lengths)).logits

    def _decode_copying(
        self, copier: Copier, target_in: Tensor, encoded: Encoded, return_attention: bool
    ) -> DecoderOutput:
        """As `decode`. Shape: -> (B, T, V + S), (B, T, S)."""
        items, state = self.target_embedding.items(copier.fed(target_in)), self.start(encoded)
        readout, weights = self.decoder(items, state, True)  # (B, T, size), (B, T, S)
        assert weights is not None
        embedded = items.embedded() if isinstance(items, OneHotInput) else items  # (B, T, M)
        readout = self.dropout(readout)
        log_probs = copier(self._logits(readout), readout, weights, embedded, state.memory)
        return DecoderOutput(log_probs, weights if return_attention else None)

    def _step_copying(
        self, copier: Copier, ids: Tensor, state: DecoderState, return_attention: bool
    ) -> StepOutput[DecoderState]:
        """As `step`; the rows of a sentence take the place of positions. Shape: -> (R, V + S), (R, S)."""
        embedded = self.target_embedding(copier.fed(ids)[:, None])[:, 0]  # (R, M)
        readout, after, weights = self.decoder.step(embedded, state, True)  # (R, size), (R, S)
        assert weights is not None
        readout = self.dropout(readout[:, None])[:, 0]
        parts = (self._logits(readout), readout, weights, embedded)
        grouped = (part.unflatten(0, (-1, state.width)) for part in parts)  # (R, X) -> (G, width, X)
        log_probs = copier(*grouped, state.memory).flatten(0, 1)  # (R, V + S)
        return StepOutput(log_probs, after, weights if return_attention else None)

    def _logits(self, readout: Tensor) -> Tensor:
        tied = self.target_embedding.weight if isinstance(self.target_embedding, Embedding) else None
        logits: Tensor = self.generator(readout, tied)
        return log_entmax15(logits) if self.sparse and not self.training else logits


def parameter_count(model: nn.Module) -> int:
    """Trained numbers in a model."""
    return sum(parameter.numel() for parameter in model.parameters())
