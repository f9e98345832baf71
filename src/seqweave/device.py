"""Where and how precisely to compute."""

from __future__ import annotations

from typing import Literal

import torch

from seqweave.errors import ConfigError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]


def choose_device(name: str = "auto") -> torch.device:
    """The device of a name; `auto` takes a GPU when there is one.

    Raises:
        ConfigError: when the device asked for is unknown or not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if there["cuda"] else "mps" if there["mps"] else "cpu")
    if name not in there:
        raise ConfigError(f"device must be one of auto, {', '.join(there)}, but it is {name!r}")
    if not there[name]:
        raise ConfigError(f"device {name} was asked for but is not there: use --device auto or --device cpu")
    return torch.device(name)


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the processor multiplies bf16 matrices with instructions of its own."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        # torch has no public question for this; avx512_bf16 comes with AMX as well. oneDNN, which does the work, may
        # have been told to leave such instructions alone (ONEDNN_MAX_CPU_ISA).
        return bool(torch.cpu._is_avx512_bf16_supported()) and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False
