"""Several processes under torchrun: each takes its share of a step's batches, gradients are summed.

One flat all-reduce a step, in place of a wrapper around the model: the sums are over the same
batches as in one process with more accumulation, so the result is the same up to rounding.
A stop signal to any process travels in the same buffer, so all stop after the same step.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed
from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """This process among all: `rank` of `world`."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and validates."""
        return self.rank == 0

    def sum_gradients(self, parameters: Sequence[Tensor], stop: bool, loss: Tensor) -> tuple[bool, Tensor]:
        """Sum gradients over the processes, in place; returns whether any wants to stop, and the summed losses."""
        if self.world == 1:
            return stop, loss
        gradients = [
            parameter.grad if parameter.grad is not None else torch.zeros_like(parameter) for parameter in parameters
        ]
        flag = torch.tensor([float(stop)], device=gradients[0].device)
        flat = torch.cat([gradient.flatten() for gradient in gradients] + [loss.flatten(), flag])
        torch.distributed.all_reduce(flat)
        at = 0
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = flat[at : at + gradient.numel()].view_as(gradient)
            at += gradient.numel()
        return bool(flat[-1].item() > 0), flat[at:-1].view_as(loss).clone()

    def total(self, counts: list[int], device: torch.device) -> list[int]:
        """Counts summed over the processes; the device is waited for."""
        if self.world == 1:
            return counts
        sums = torch.tensor(counts, device=device)
        torch.distributed.all_reduce(sums)
        return [int(count) for count in sums.tolist()]

    def share(self, value: Any) -> Any:
        """The first process's value (plain data), for all."""
        if self.world == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            torch.distributed.barrier()


@contextmanager
def joined_ranks(device: torch.device) -> Iterator[Ranks]:
    """Join the processes that torchrun started; a single process otherwise."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks()
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Ranks(torch.distributed.get_rank(), world)
    finally:
        torch.distributed.destroy_process_group()
