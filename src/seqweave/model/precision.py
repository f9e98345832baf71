"""Which precision a network can be trained in here, found by trying it once."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Literal

import torch
from torch.nn import functional

from seqweave.config import Cell, ModelConfig
from seqweave.device import has_fast_bf16
from seqweave.model.layers import mask_of
from seqweave.model.recurrent.encoder import RecurrentLayer

Precision = Literal["fp32", "bf16"]

_ROWS, _POSITIONS, _SIZE = 16, 4, 32  # large enough for the kernels that real networks get


@cache
def runs_in(dtype: torch.dtype, cell: Cell | None, device: torch.device) -> bool:
    """Whether autocast to a type can train on a device, tried once, forwards and backwards.

    Args:
        dtype: what autocast is asked for.
        cell: of recurrent layers; None for a network without any, where only matrix products are tried.
        device: where.
    """
    try:
        # The random numbers of a run are its own; a type that autocast does not know is only warned of.
        with torch.random.fork_rng(devices=[]), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("error")
            with torch.autocast(device.type, dtype):
                tried = [_product(device), *([] if cell is None else _layer(cell, device))]
            torch.stack([values.float().sum() for values in tried]).sum().backward()
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, UserWarning):
        return False
    return tried[0].dtype == dtype


def runs_in_bf16(model: ModelConfig, device: torch.device) -> bool:
    """Whether a network of these settings can be trained in bf16 on a device."""
    recurrent = "recurrent" in (model.encoder, model.decoder)
    return runs_in(torch.bfloat16, model.cell if recurrent else None, device)


def best_precision(model: ModelConfig, device: torch.device) -> Precision:
    """What `training.precision=auto` is: bf16 where the processor is fast in it and it runs, else fp32."""
    return "bf16" if has_fast_bf16(device) and runs_in_bf16(model, device) else "fp32"


def _product(device: torch.device) -> torch.Tensor:
    """A matrix product of a layer. Shape: -> (16, 32)."""
    inputs, weight = (torch.ones(rows, _SIZE, device=device, requires_grad=True) for rows in (_ROWS, _SIZE))
    return functional.linear(inputs, weight)


def _layer(cell: Cell, device: torch.device) -> list[torch.Tensor]:
    """Outputs of a recurrent layer over a padded batch, and after one step."""
    layer = RecurrentLayer(cell, _SIZE, _SIZE).to(device)
    inputs = torch.ones(_ROWS, _POSITIONS, _SIZE, device=device)  # (B, T, M)
    lengths = torch.arange(_ROWS, device=device) % _POSITIONS + 1  # (B,)
    outputs, state = layer(inputs, layer.zero_state(_ROWS, inputs), ~mask_of(lengths, _POSITIONS))
    return [outputs, layer.step(inputs[:, 0], state)[0]]
