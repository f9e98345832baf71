"""Keys and values of the positions decoded so far: what makes a Transformer's step cheap.

A list that only grows, and whose older forms stay valid: `append` writes into spare room of a shared
buffer where nobody else has written there, and copies where somebody has. So a state can be stepped
twice with different items (as a search tree does), and the usual case, one state after the other,
copies only when the room is used up, every `ROOM` positions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

ROOM = 16  # positions a buffer grows by


@dataclass(frozen=True)
class KeyValues:
    """Keys and values of one layer, for R rows.

    Attributes:
        buffer: keys and values, with room to grow. Shape: (R, 2, N, at least length, D).
        length: positions in it.
        filled: one number, shared by all that share `buffer`: positions written by any of them.
    """

    buffer: Tensor
    length: int
    filled: list[int] = field(compare=False)

    @classmethod
    def of(cls, pairs: Tensor) -> KeyValues:
        """Of some positions, or none yet. Shape: pairs (R, 2, N, positions, D)."""
        length = pairs.shape[-2]
        return cls(pairs, length, [length])

    def filled_part(self) -> Tensor:
        """What `of` takes back. Shape: (R, 2, N, length, D)."""
        return self.buffer[..., : self.length, :]

    def append(self, pair: Tensor) -> KeyValues:
        """One position more. Shape: pair (R, 2, N, D)."""
        if pair.requires_grad or self.buffer.requires_grad or torch.compiler.is_compiling():
            # Autograd has kept the old keys and values, so nothing may be written over; and an exported
            # graph holds for every length.
            joined = torch.cat([self.buffer[..., : self.length, :], pair[..., None, :]], -2)
            return KeyValues(joined, self.length + 1, [self.length + 1])
        buffer, filled = self.buffer, self.filled
        if filled[0] != self.length or buffer.shape[-2] == self.length:
            buffer, filled = self._copied(), [self.length]
        buffer[..., self.length, :] = pair
        filled[0] = self.length + 1
        return KeyValues(buffer, self.length + 1, filled)

    def keys(self) -> Tensor:
        """Shape: (R, N, length, D)."""
        return self.buffer[:, 0, :, : self.length]

    def values(self) -> Tensor:
        """Shape: (R, N, length, D)."""
        return self.buffer[:, 1, :, : self.length]

    def select(self, rows: Tensor) -> KeyValues:
        """Any rows, any number of them."""
        return KeyValues(self.buffer.index_select(0, rows), self.length, [self.length])

    def expand(self, width: int) -> KeyValues:
        """Repeat each row `width` times, next to each other."""
        return KeyValues(self.buffer.repeat_interleave(width, 0), self.length, [self.length])

    def keep(self, sentences: Tensor, width: int) -> KeyValues:
        """Groups of `width` rows by index; the others leave."""
        grouped = self.buffer.unflatten(0, (-1, width)).index_select(0, sentences)  # (G, width, 2, N, room, D)
        return KeyValues(grouped.flatten(0, 1), self.length, [self.length])

    def _copied(self) -> Tensor:
        shape = list(self.buffer.shape)
        shape[-2] = self.length // ROOM * ROOM + ROOM
        larger = self.buffer.new_empty(shape)  # (R, 2, N, room, D)
        larger[..., : self.length, :] = self.buffer[..., : self.length, :]
        return larger
