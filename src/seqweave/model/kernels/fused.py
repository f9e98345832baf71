"""torch's fused recurrent kernels over whole sequences, with every tensor in one type.

Autocast is kept out of them: on CUDA it sends cuDNN's recurrence through fp16, whatever type was asked for and
without loss scaling, and leaves weights that were made in another type as they are, which cuDNN refuses; on a
processor it chooses oneDNN's bf16 LSTM even where oneDNN has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

FusedKernel = Callable[..., tuple[Tensor, ...]]
"""`torch.lstm`, `torch.gru` or `torch.rnn_tanh`."""


def compute_type(inputs: Tensor) -> torch.dtype:
    """The type that autocast asks for where it is on for the device of `inputs`, else the type of `inputs`.

    As everywhere under autocast, fp64 stays fp64.
    """
    if inputs.dtype == torch.float64 or not _autocast(inputs):
        return inputs.dtype
    return torch.get_autocast_dtype(inputs.device.type)


def run_fused(
    kernel: FusedKernel, inputs: Tensor, state: Sequence[Tensor], weights: Sequence[Tensor], training: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run one layer in one direction over a whole sequence, in `compute_type(inputs)`.

    Args:
        kernel: the function of torch.
        inputs: Shape: (B, T, M).
        state: hidden (and cell). Shape: each (B, H).
        weights: input and recurrent weight, input and recurrent bias. Shape: (G, M), (G, H), (G,), (G,).
        training: whether gradients will be asked for, which cuDNN must know beforehand.

    Returns:
        Outputs, and the state after the last position. Shape: (B, T, H), each (B, H).
    """
    dtype = compute_type(inputs)
    steps = inputs.transpose(0, 1).to(dtype).contiguous()  # (T, B, M): the kernels want time first
    first = [part[None].to(dtype).contiguous() for part in state]  # each (1, B, H)
    cast = [weight.to(dtype) for weight in weights]
    with torch.autocast(inputs.device.type, enabled=False) if _autocast(inputs) else nullcontext():
        # Biases, one layer, no dropout, one direction, time first.
        options = (True, 1, 0.0, training, False, False)
        outputs, *after = kernel(steps, first if len(first) > 1 else first[0], cast, *options)
    return outputs.transpose(0, 1), tuple(part[0] for part in after)


def _autocast(like: Tensor) -> bool:
    """Whether autocast is on for the device of a tensor; there is none for `meta`."""
    return not like.is_meta and torch.is_autocast_enabled(like.device.type)
