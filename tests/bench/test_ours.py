"""Our side of the speed bench runs: real steps on the batches of the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from seqweave.config import build_config

Load = Callable[[str], ModuleType]


@pytest.mark.slow
def test_steps_train_on_consecutive_pairs(speed: Load, tmp_path: Path) -> None:
    ours = speed("ours")
    settings = {
        "data.source.units": "space",
        "data.target.units": "space",
        "model.embedding_size": 8,
        "model.encoder_hidden_size": 8,
        "model.decoder_hidden_size": 8,
        "training.precision": "fp32",
        "training.learning_rate": 1e-2,
    }
    pairs = [("a b", "x y"), ("b a", "y x"), ("a", "x")] * 4
    dataset, source, target = ours.make_dataset(pairs, build_config(settings), tmp_path / "ids")
    device = torch.device("cpu")
    config = ours.make_config(settings, dataset, device)
    stepper = ours.make_stepper(config, dataset, (source.size, target.size), device)
    losses, steps = ours.run_steps(stepper, 6, 5, 1e-2, lambda: None)
    assert [step.batches[0].tolist() for step in steps[:3]] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]
    assert losses[-1] < losses[0]
