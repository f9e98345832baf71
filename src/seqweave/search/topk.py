"""The largest items of each row, ties to the lowest id, without sorting the vocabulary."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_CHUNK = 32  # items; 32 floats are a few vector registers, where the maximum runs at memory speed
_LOW_WORD = 0xFFFFFFFF


def top_k(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The `k` largest values of each row, in falling order, and their columns; ties to the lower column.

    `torch.topk` leaves the order of ties open, so that a batch could change a result. Here the maxima
    of chunks of columns choose `k` chunks, and only their columns are compared. This is exact: a
    value outside of them is beaten by one value of each of the `k` chunks.

    Shape: values (R, V); both results (R, k). No value may be NaN.
    """
    columns = values.shape[1]
    if columns <= 4 * k * _CHUNK:
        return _exact_top_k(values, k)
    whole = columns // _CHUNK
    maxima = values[:, : whole * _CHUNK].view(-1, whole, _CHUNK).amax(2)  # (R, V) -> (R, V // C)
    if whole * _CHUNK < columns:
        maxima = torch.cat([maxima, values[:, whole * _CHUNK :].amax(1, keepdim=True)], 1)  # (R, ceil(V / C))
    chunks = _exact_top_k(maxima, k)[1].sort(1).values  # (R, k), rising: keeps ties in the order of columns
    inside = torch.arange(_CHUNK, device=values.device)
    picked = (chunks.unsqueeze(2) * _CHUNK + inside).flatten(1)  # (R, k) -> (R, k * C)
    candidates = values.gather(1, picked.clamp(max=columns - 1))
    candidates = candidates.masked_fill(picked >= columns, float("-inf"))
    best, where = _exact_top_k(candidates, k)
    return best, picked.gather(1, where)


def _exact_top_k(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """As `top_k`, over all columns at once."""
    if values.dtype != torch.float32 or values.device.type == "mps":
        ordered = values.sort(dim=1, descending=True, stable=True)
        return ordered.values[:, :k], ordered.indices[:, :k]
    # A float's bits, with those of negative numbers flipped, rise with it. The column goes below
    # them, so that all keys differ and any top-k gives the same answer. Adding 0 makes -0 to 0.
    bits = (values + 0.0).view(torch.int32)
    rising = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    columns = torch.arange(_LOW_WORD, _LOW_WORD - values.shape[1], -1, device=values.device)
    keys = (rising.to(torch.int64) << 32) | columns  # (R, V)
    where = _LOW_WORD - (keys.topk(k, dim=1).values & _LOW_WORD)  # (R, k)
    return values.gather(1, where), where


def pad_columns(values: Tensor, width: int, fill: float) -> Tensor:
    """Append columns of `fill` up to `width`; (R, n) -> (R, width)."""
    missing = width - values.shape[1]
    return values if missing <= 0 else functional.pad(values, (0, missing), value=fill)
