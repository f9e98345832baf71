"""What every test gets: one torch thread, quiet hypothesis settings, no wait for the disk, the folder of real data."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent

# A shell's job in the background, and `nohup`, ignore signals that tests send.
for _number in (signal.SIGINT, signal.SIGHUP) if hasattr(signal, "SIGHUP") else (signal.SIGINT,):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)

# One thread: the tensors here are so small that threads only wait for each other, and sums keep one order.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # of processes that tests start, too, which run beside each other

hypothesis.settings.register_profile("desk", deadline=None, max_examples=50)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """A training asks a hundred times that what it wrote is on the disk. No test turns the power off."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout: where pyproject.toml stands."""
    return ROOT


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data: $SEQWEAVE_DATA, or shared/data beside the checkout; skips where there is none."""
    folder = Path(os.environ.get("SEQWEAVE_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: name its folder in SEQWEAVE_DATA")
    return folder
