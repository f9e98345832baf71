"""Parts of a network that stay as they are while the others are trained (`training.freeze`)."""

from __future__ import annotations

from collections.abc import Sequence

from seqweave.model.parts import check_frozen, part_of
from seqweave.model.seq2seq import Seq2Seq


def freeze_parts(network: Seq2Seq, parts: Sequence[str]) -> None:
    """Take the gradient from the weights of some parts: no update, decay, average or clipping reaches them.

    Tied weights belong to the embedding that shares them with the output.

    Raises:
        ConfigError: when the network has no such part, or nothing would be left to train.
    """
    named = dict(network.named_parameters())
    check_frozen(parts, {name: tuple(parameter.shape) for name, parameter in named.items()})
    for name, parameter in named.items():
        parameter.requires_grad_(part_of(name) not in parts)
