"""The pointer-generator: an output is generated from the vocabulary, or copied from the source.

See, Liu & Manning 2017, section 2.2: `P(w) = p_gen P_vocab(w) + (1 - p_gen) sum of a_i over w_i = w`,
over the vocabulary and the source's own items (`seqweave.data.copying` says which ids they have).

What comes out are log-probabilities. They stand where other models have logits, which every user of
logits normalises: the log-softmax of log-probabilities is they themselves. So neither search nor loss
needs to know.

Deviation: the paper makes `p_gen` from context, state and decoder input. Here the readout takes the state's
place. Each decoder makes it from its new state and the context (from the input, too, where the context
enters the cell), and it is what a fused forward has for a whole sequence.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqweave.model.state import Memory
from seqweave.text.vocabulary import PAD, UNK


class Copier(nn.Module):
    """The mixture of generating and copying.

    Args:
        context_size, readout_size, embedding_size: widths of what `p_gen` is made of (E, size, M).
        source_size, target_size: entries of the vocabularies.
    """

    def __init__(self, context_size: int, readout_size: int, embedding_size: int, source_size: int, target_size: int):
        super().__init__()
        self.source_size = source_size
        self.target_size = target_size
        self.gate = nn.Linear(context_size + readout_size + embedding_size, 1)

    def read(self, codes: Tensor) -> Tensor:
        """What the encoder reads. Shape: codes (B, S) -> source ids (B, S)."""
        return codes % self.source_size

    def fed(self, ids: Tensor) -> Tensor:
        """What the decoder is fed: an id of the sentence's own has no embedding and is read as `<unk>`."""
        return ids.masked_fill(ids >= self.target_size, UNK)

    def columns(self, codes: Tensor) -> Tensor:
        """Where the attention of a position goes: to the first position with the same item, and from there
        to the item's column; positions that are not the first, features and padding have a last column that is
        cut off.

        Shape: codes (B, S) -> columns and first positions (B, 2, S).
        """
        stands_for = codes // self.source_size  # (B, S)
        first = (stands_for[:, :, None] == stands_for[:, None]).int().argmax(-1)  # (B, S, S) -> (B, S)
        places = torch.arange(codes.shape[1], device=codes.device)
        counts = (first == places) & (stands_for != PAD)
        column = stands_for.masked_fill(~counts, self.target_size + codes.shape[1])
        return torch.stack([column, first], 1)  # (B, 2, S)

    def forward(self, logits: Tensor, readout: Tensor, weights: Tensor, embedded: Tensor, memory: Memory) -> Tensor:
        """Log-probabilities over the extended vocabulary; -inf for what is not in the sentence.

        Shape: logits (G, Q, V), readout (G, Q, size), weights (G, Q, S), embedded (G, Q, M), memory of G
        sentences -> (G, Q, V + S).
        """
        assert memory.copies is not None
        wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
        with torch.autocast(logits.device.type, enabled=False):
            weights = weights.to(wide)
            gate = self.log_odds(readout, weights, embedded, memory)  # (G, Q, 1)
            generated = functional.logsigmoid(gate) + logits.to(wide).log_softmax(-1)  # (G, Q, V)
            return mixed(generated, functional.logsigmoid(-gate), weights, memory.copies)

    def log_odds(self, readout: Tensor, weights: Tensor, embedded: Tensor, memory: Memory) -> Tensor:
        """`p_gen` before its sigmoid, in the precision of the weights. Shape: as `forward` -> (G, Q, 1)."""
        assert memory.values is not None
        context = torch.bmm(weights, memory.values.to(weights.dtype))  # (G, Q, E)
        parts = [context, readout.to(weights.dtype), embedded.to(weights.dtype)]
        log_odds: Tensor = self.gate(torch.cat(parts, -1))  # (G, Q, 1)
        return log_odds


def mixed(generated: Tensor, copying: Tensor, weights: Tensor, copies: Tensor) -> Tensor:
    """Add what is copied to what is generated, both as logarithms.

    Only columns of source items change: they are taken out, added to, and put back. For copying, the weights are
    made to add up to 1 over the items that can be copied, without which P would not be a distribution: features
    cannot, and the weights of a predictive window add up to less than 1 (Luong et al. 2015, eq. 10).

    Shape: generated (G, Q, V), copying (G, Q, 1) log (1 - p_gen), weights (G, Q, S), copies (G, 2, S) as
    `Copier.columns` gives them -> (G, Q, V + S).
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
    # Clamped, because the logarithm of 0 has no gradient.
    both = torch.logaddexp(everything.gather(2, columns), copying + mass.clamp_min(least).log())  # (G, Q, S)
    return everything.scatter(2, columns, both)[..., :-1]
