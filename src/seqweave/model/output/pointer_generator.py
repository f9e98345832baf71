"""The pointer-generator: an output is generated from the vocabulary, or copied from the source.

See, Liu & Manning 2017, section 2.2: `P(w) = p_gen P_vocab(w) + (1 - p_gen) sum of a_i over w_i = w`,
over the vocabulary and the source's own items (`seqweave.data.copying` says which ids they have).

`p_gen` is made from the context, the decoder's state and its input (eq. 8). The state is the last layer's new hidden
state; the authors' code gives it an LSTM's cell state too, and an input which already holds the last context. Folders
of format 0 keep what they were trained with, the readout in the state's place (`seqweave.config.formats`).

What comes out are log-probabilities. They stand where other models have logits, which every user of
logits normalises: the log-softmax of log-probabilities is they themselves. So neither search nor loss
needs to know. An item to which the mixture gives probability 0 has -inf. In training, where such an item may be the
target, a source item that attention leaves out counts as copied with the least positive number, so that the loss and
its gradient stay finite.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqweave.model.input.embeddings import Embedding
from seqweave.model.input.one_hot import OneHotInput, vectors_of
from seqweave.model.layers import SequenceDropout
from seqweave.model.output.base import Output
from seqweave.model.output.softmax import summed_loss
from seqweave.model.state import Decoded, DecoderState, Memory
from seqweave.text.vocabulary import PAD, UNK


class GateInput(NamedTuple):
    """What `p_gen` reads: which of the decoder's vectors, and the widths of context (E), that vector, and input (M)."""

    reads: Literal["state", "readout"]
    context_size: int
    state_size: int
    embedding_size: int


class PointerGenerator(Output):
    """The mixture of generating and copying (`seqweave.data.copying`): logits have S columns more.

    Args:
        size, dropout, tied: as of `Output`.
        target_size: entries of the vocabulary.
        gate: what `p_gen` reads.
    """

    attends = True

    def __init__(
        self,
        size: int,
        target_size: int,
        dropout: SequenceDropout,
        gate: GateInput,
        tied: Embedding | None = None,
    ):
        super().__init__(size, target_size, dropout, tied)
        self.target_size = target_size
        self.gate_reads = gate.reads
        self.gate = nn.Linear(gate.context_size + gate.state_size + gate.embedding_size, 1)

    def fed(self, ids: Tensor) -> Tensor:
        """An id of the sentence's own has no embedding and is read as `<unk>`."""
        return ids.masked_fill(ids >= self.target_size, UNK)

    def copies(self, stands_for: Tensor | None, mask: Tensor) -> Tensor:
        """Where the attention of a position goes: to the first position with the same item, and from there
        to the item's column; positions that are not the first, features and padding have a last column that is
        cut off.

        Shape: stands_for (B, S), mask (B, S) -> columns and first positions (B, 2, S).
        """
        assert stands_for is not None, "a model that copies needs what source positions stand for"
        stands_for = stands_for.masked_fill(~mask, PAD)  # (B, S)
        first = (stands_for[:, :, None] == stands_for[:, None]).int().argmax(-1)  # (B, S, S) -> (B, S)
        places = torch.arange(mask.shape[1], device=mask.device)
        counts = (first == places) & (stands_for != PAD)
        column = stands_for.masked_fill(~counts, self.target_size + mask.shape[1])
        return torch.stack([column, first], 1)  # (B, 2, S)

    def forward(self, decoded: Decoded, embedded: Tensor | OneHotInput, memory: Memory) -> Tensor:
        """Log-probabilities over the extended vocabulary; -inf for what is not in the sentence.

        Shape: as `Output.forward` -> (B, T, V + S).
        """
        decoded = replace(decoded, readout=self.dropout(decoded.readout))
        return self._mixture(self.logits(decoded.readout), decoded, vectors_of(embedded), memory)

    def step(self, decoded: Decoded, embedded: Tensor, state: DecoderState) -> Tensor:
        """As `forward`; the rows of a sentence take the place of positions. Shape: embedded (R, M) -> (R, V + S)."""

        def grouped(part: Tensor) -> Tensor:
            rows: Tensor = part.unflatten(0, (-1, state.width))  # (R, X) -> (G, width, X)
            return rows

        readout = self.dropped(decoded.readout)
        assert decoded.weights is not None
        sentences = Decoded(grouped(readout), grouped(decoded.hidden), grouped(decoded.weights))
        mixture = self._mixture(grouped(self.logits(readout)), sentences, grouped(embedded), state.memory)
        return mixture.flatten(0, 1)  # (R, V + S)

    def loss(self, logits: Tensor, target_out: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """As `summed_copy_loss`."""
        return summed_copy_loss(logits, target_out, label_smoothing, self.target_size)

    def p_gen(self, decoded: Decoded, embedded: Tensor, memory: Memory) -> Tensor:
        """Shape: as `Output.forward` -> (B, T)."""
        return self.log_odds(decoded, embedded, memory).sigmoid()[..., 0]

    def log_odds(self, decoded: Decoded, embedded: Tensor, memory: Memory) -> Tensor:
        """`p_gen` before its sigmoid (See et al. 2017, eq. 8), in the precision of the weights.

        Shape: as `forward` -> (B, T, 1).
        """
        weights, values = decoded.weights, memory.values
        assert weights is not None
        assert values is not None
        context = torch.bmm(weights, values.to(weights.dtype))  # (B, T, E)
        state = decoded.hidden if self.gate_reads == "state" else decoded.readout
        log_odds: Tensor = self.gate(torch.cat([context, state.to(weights.dtype), embedded.to(weights.dtype)], -1))
        return log_odds  # (B, T, 1)

    def _mixture(self, logits: Tensor, decoded: Decoded, embedded: Tensor, memory: Memory) -> Tensor:
        """Shape: logits (G, Q, V), decoded (G, Q, ...), embedded (G, Q, M), memory of G sentences -> (G, Q, V + S)."""
        assert decoded.weights is not None
        assert memory.copies is not None
        wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
        with torch.autocast(logits.device.type, enabled=False):
            weights = decoded.weights.to(wide)
            gate = self.log_odds(replace(decoded, weights=weights), embedded, memory)  # (G, Q, 1)
            generated = functional.logsigmoid(gate) + logits.to(wide).log_softmax(-1)  # (G, Q, V)
            copying = functional.logsigmoid(-gate)  # (G, Q, 1)
            return mixed(generated, copying, weights, memory.copies, finite=self.training)


def mixed(generated: Tensor, copying: Tensor, weights: Tensor, copies: Tensor, *, finite: bool = False) -> Tensor:
    """Add what is copied to what is generated, both as logarithms.

    Only columns of source items change: they are taken out, added to, and put back. For copying, the weights are
    made to add up to 1 over the items that can be copied, without which P would not be a distribution: features
    cannot, and the weights of a predictive window add up to less than 1 (Luong et al. 2015, eq. 10).

    Args:
        finite: a source item without attention counts as copied with the least positive number, as training needs it;
            else with probability 0.

    Shape: generated (G, Q, V), copying (G, Q, 1) log (1 - p_gen), weights (G, Q, S), copies (G, 2, S) as
    `PointerGenerator.copies` gives them -> (G, Q, V + S).
    """
    least = torch.finfo(weights.dtype).tiny
    cut_off = generated.shape[2] + weights.shape[2]
    copied = copies[:, 0].gather(1, copies[:, 1]) != cut_off  # (G, S): where the first of the equal items has a column
    weights = weights * copied[:, None]  # (G, Q, S)
    # The root, because a smaller sum would have a gradient beyond the largest number.
    weights = weights / weights.sum(-1, keepdim=True).clamp_min(least**0.5)
    columns, first = (part[:, None].expand(weights.shape) for part in copies.unbind(1))  # (G, Q, S)
    mass = torch.zeros_like(weights).scatter_add(2, first, weights)  # (G, Q, S)
    everything = functional.pad(generated, (0, weights.shape[2] + 1), value=float("-inf"))  # (G, Q, V + S + 1)
    alone = everything.gather(2, columns)  # (G, Q, S)
    # Clamped, because the logarithm of 0 has no gradient.
    both = torch.logaddexp(alone, copying + mass.clamp_min(least).log())  # (G, Q, S)
    if not finite:  # what is below the least number has underflowed, in one batch to 0 and in another not quite
        both = torch.where(mass >= least, both, alone)
    return everything.scatter(2, columns, both)[..., :-1]


def summed_copy_loss(logits: Tensor, target_out: Tensor, label_smoothing: float, vocabulary_size: int) -> Tensor:
    """As `summed_loss`, with smoothing over the first `vocabulary_size` columns.

    Those after them may be impossible (-inf), and get no share of it.

    Shape: logits (B, T, V + S), target_out (B, T) -> ().
    """
    if not label_smoothing:
        return summed_loss(logits, target_out)
    wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
    log_probs = logits.log_softmax(-1, dtype=wide).flatten(0, 1)  # (B * T, V + S)
    taken = functional.nll_loss(log_probs, target_out.flatten(), ignore_index=PAD, reduction="sum")
    spread = -log_probs[:, :vocabulary_size].mean(1).masked_fill(target_out.flatten() == PAD, 0).sum()
    return (1 - label_smoothing) * taken + label_smoothing * spread
