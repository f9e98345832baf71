"""The role of a decoder: `start`, `step`, `forward`, whatever it is made of.

A step has the same stages in every decoder, in an order of its own: *attend* (look the source up), *update* (the
new state, from the old one and what was read), *read out* (the vector that the output maps to logits).
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from seqweave.model.input.one_hot import OneHotInput, vectors_of
from seqweave.model.state import Decoded, DecoderState, Encoded

Step = tuple[Decoded, DecoderState]  # what a step gives, each (R, ...), and the state after it


class Decoder(Protocol):
    """What writes the target; without `return_attention` it may leave the weights out.

    All but `ContextDecoder` with `every_step` and the Transformer's also take a whole sequence as `OneHotInput`
    (`build_model` knows that).
    """

    def start(self, encoded: Encoded, recurrent: tuple[Tensor, ...]) -> DecoderState:
        """The state before the first step, one row for each sentence: what the steps look up, computed once.

        Shape: recurrent, the bridge's states, each (B, H).
        """
        ...

    def step(self, embedded: Tensor, state: DecoderState, return_attention: bool = True) -> Step:
        """One position of each row, for free running. Shape: embedded (R, M) -> each (R, ...)."""
        ...

    def __call__(self, embedded: Tensor | OneHotInput, state: DecoderState, return_attention: bool = True) -> Decoded:
        """A whole teacher-forced target from its start. Shape: embedded (B, T, M) -> each (B, T, ...)."""
        ...


def looped(decoder: Decoder, embedded: Tensor | OneHotInput, state: DecoderState) -> Decoded:
    """Teacher forcing by repeating `step`. Shape: embedded (B, T, M) -> each (B, T, ...)."""
    steps: list[Decoded] = []
    for item in vectors_of(embedded).unbind(1):
        decoded, state = decoder.step(item, state)
        steps.append(decoded)
    rows = [one.weights for one in steps if one.weights is not None]
    return Decoded(
        torch.stack([one.readout for one in steps], 1),
        torch.stack([one.hidden for one in steps], 1),
        torch.stack(rows, 1) if rows else None,
    )
