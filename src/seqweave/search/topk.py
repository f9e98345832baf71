"""The largest items of each row, ties to the lowest id, without sorting the vocabulary."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Array = np.ndarray[Any, Any]

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
    chunks = (
        _exact_top_k(_chunk_maxima(values), k)[1].sort(1).values
    )  # (R, k), rising: keeps ties in the order of columns
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


def best_continuations(log_probs: Tensor, totals: Array, count: int) -> tuple[Array, Array]:
    """The `count` largest sums of a sentence's total and a next log-probability, in falling order.

    Ties go to the earlier hypothesis, then to the lower id. As in `top_k`, the maxima of chunks choose
    which columns are compared at all: no vocabulary is sorted. On a processor.

    Shape: log_probs (R, V) with R = B * W, totals (B, W) -> sums (B, count), places in (W * V) (B, count).
    A sum of -inf is no continuation, and its place means nothing.
    """
    groups, width = totals.shape
    columns = log_probs.shape[1]
    before = torch.from_numpy(totals)[:, :, None]  # (B, W, 1)
    if columns <= 2 * count * _CHUNK:
        sums = (log_probs.view(groups, width, columns) + before).flatten(1)  # (B, W * V)
        best, where = _top_places(sums, count)
        return best.numpy(), where.numpy()
    maxima = _chunk_maxima(log_probs)  # (R, C)
    chunks = maxima.shape[1]
    _, best_chunks = _top_places((maxima.view(groups, width, chunks) + before).flatten(1), count)
    chosen = np.sort(best_chunks.numpy(), axis=1)  # (B, count), rising: keeps ties in the order of places
    rows, chunk = np.divmod(chosen, chunks)
    column = chunk[:, :, None] * _CHUNK + np.arange(_CHUNK)  # (B, count, 32)
    places = rows[:, :, None] * columns + np.minimum(column, columns - 1)  # (B, count, 32)
    places_flat = places.reshape(groups, -1)
    values = np.take_along_axis(log_probs.numpy().reshape(groups, -1), places_flat, 1)
    sums_here = values + np.repeat(np.take_along_axis(totals, rows, 1), _CHUNK, 1)  # (B, count * 32)
    sums_here[column.reshape(groups, -1) >= columns] = float("-inf")
    best, where = _top_places(torch.from_numpy(sums_here), count)
    return best.numpy(), np.take_along_axis(places_flat, where.numpy(), 1)


def _chunk_maxima(values: Tensor) -> Tensor:
    """The largest value of each chunk of columns. Shape: (R, V) -> (R, ceil(V / 32))."""
    whole = values.shape[1] // _CHUNK
    maxima = values[:, : whole * _CHUNK].view(-1, whole, _CHUNK).amax(2)  # (R, V) -> (R, V // 32)
    if whole * _CHUNK < values.shape[1]:
        maxima = torch.cat([maxima, values[:, whole * _CHUNK :].amax(1, keepdim=True)], 1)
    return maxima


def _top_places(sums: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest of each row in falling order, ties to the lower place. Shape: (B, N) -> (B, count)."""
    best, places = sums.topk(min(count + 1, sums.shape[1]), dim=1)
    seen = best.numpy()
    if bool(((seen[:, 1:] == seen[:, :-1]) & (seen[:, 1:] > float("-inf"))).any()):
        # The order of ties is open in topk, also which of them are left out.
        ordered = sums.sort(dim=1, descending=True, stable=True)
        best, places = ordered.values, ordered.indices
    return best[:, :count], places[:, :count]


def pad_columns(values: Tensor, width: int, fill: float) -> Tensor:
    """Append columns of `fill` up to `width`; (R, n) -> (R, width)."""
    missing = width - values.shape[1]
    return values if missing <= 0 else functional.pad(values, (0, missing), value=fill)
