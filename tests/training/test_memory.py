"""When memory runs out in training, the sentence names the settings that decide, with what they are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from seqweave.config import Config, build_config
from seqweave.errors import LimitError
from seqweave.training.memory import memory_of_network, memory_of_steps, memory_of_validation
from seqweave.training.run import train
from tiny_run import SETTINGS, write_pairs

CONFIG = build_config({"training.batch_tokens": 4000, "training.accumulate": 3, "search.max_length": 77})


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (memory_of_network, "lower model.embedding_size (now 256), model.encoder_hidden_size (now "),
        (
            memory_of_steps,
            "training.batch_tokens (now 4,000); --set training.batch_tokens=2000 --set training.accumulate=6",
        ),
        (memory_of_validation, "lower search.batch_tokens (now 8,192) or search.max_length (now 77)"),
    ],
)
def test_each_place_names_its_settings(place: Callable[[Config], AbstractContextManager[None]], said: str) -> None:
    with pytest.raises(LimitError) as caught, place(CONFIG):
        raise MemoryError
    assert said in str(caught.value)
    with pytest.raises(RuntimeError, match="a bug"), place(CONFIG):
        raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("place", "setting"),
    [
        ("run.build_network", "model.embedding_size"),
        ("step.Stepper.backward", "training.batch_tokens"),
        ("loop.validate", "search.batch_tokens"),
    ],
)
def test_training_says_which_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, setting: str) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8000000 bytes.")

    monkeypatch.setattr(f"seqweave.training.{place}", full)
    with pytest.raises(LimitError, match=rf"you tried to allocate 8000000 bytes\).*lower {setting} \(now"):
        train(write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model", settings=SETTINGS, device="cpu")
