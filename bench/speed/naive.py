"""The loop of the usual tutorials, written with care: what our code is compared with on a GPU.

A packed bidirectional encoder, and a Python loop over the target with torch's cells and additive
attention before the first of them. Keys are projected once and the vocabulary layer runs once after
the loop, so that this is not a straw man. It shares no code with seqweave.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from works import Work

PAD = 0


class NaiveModel(nn.Module):
    """Encoder, attention and decoder of a work; forward gives the logits of teacher forcing."""

    def __init__(self, work: Work, source_size: int, target_size: int):
        super().__init__()
        M, E, D = work.embedding, 2 * work.encoder, work.decoder
        lstm = work.cell == "lstm"
        self.source = nn.Embedding(source_size, M, padding_idx=PAD)
        self.target = nn.Embedding(target_size, M, padding_idx=PAD)
        self.encoder = (nn.LSTM if lstm else nn.GRU)(
            M, work.encoder, num_layers=work.layers, bidirectional=True, batch_first=True
        )
        self.start = nn.Linear(E, D)
        self.query, self.key, self.direction = nn.Linear(D, D), nn.Linear(E, D), nn.Linear(D, 1, bias=False)
        cell = nn.LSTMCell if lstm else nn.GRUCell
        self.cells = nn.ModuleList(cell(M + E if layer == 0 else D, D) for layer in range(work.layers))
        self.readout = nn.Linear(D + E, D)
        self.generator = nn.Linear(D, target_size)
        self.is_lstm = lstm

    def forward(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """Shape: (B, S), (B,) on the host, (B, T) -> (B, T, V)."""
        packed = pack_padded_sequence(self.source(source), lengths, batch_first=True, enforce_sorted=False)
        outputs, final = self.encoder(packed)
        values, _ = pad_packed_sequence(outputs, batch_first=True)  # (B, S, E)
        last = final[0] if self.is_lstm else final  # (2 * layers, B, H)
        first = torch.tanh(self.start(torch.cat([last[-2], last[-1]], 1)))  # (B, D)
        hidden = [first for _ in self.cells]
        memory = [torch.zeros_like(first) for _ in self.cells]
        keys, padding = self.key(values), source == PAD
        features = []
        for item in self.target(target_in).unbind(1):
            scores = self.direction(torch.tanh(self.query(hidden[-1])[:, None] + keys))[..., 0]  # (B, S)
            weights = scores.masked_fill(padding, float("-inf")).softmax(1)
            context = torch.bmm(weights[:, None].to(values.dtype), values)[:, 0]  # (B, E)
            given = torch.cat([item, context.to(item.dtype)], 1)
            for layer, cell in enumerate(self.cells):
                if self.is_lstm:
                    hidden[layer], memory[layer] = cell(given, (hidden[layer], memory[layer]))
                else:
                    hidden[layer] = cell(given, hidden[layer])
                given = hidden[layer]
            features.append(torch.cat([given, context.to(given.dtype)], 1))
        readout = torch.tanh(self.readout(torch.stack(features, 1)))  # (B, T, D)
        logits: Tensor = self.generator(readout)
        return logits


def train_step(
    model: NaiveModel, optimizer: torch.optim.Optimizer, batch: tuple[Tensor, Tensor, Tensor, Tensor], half: bool
) -> None:
    """One update on (source, lengths on the host, target_in, target_out)."""
    source, lengths, target_in, target_out = batch
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(source.device.type, torch.bfloat16, enabled=half):
        logits = model(source, lengths, target_in)
    loss = functional.cross_entropy(logits.flatten(0, 1).float(), target_out.flatten(), ignore_index=PAD)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
