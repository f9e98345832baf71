"""What is not finite reaches no checkpoint and no folder; what ends of no use is said to be."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from seqweave.errors import SeqweaveError
from seqweave.training.loop import Run
from seqweave.training.optimizer import Optimizer
from seqweave.training.run import train
from tiny_run import SETTINGS, write_pairs
from tiny_runs import warnings_of

MICRO = "one\t一\ntwo\t二\nsix\t六\nten\t十\ncat\t猫在这里\ndog\t狗在那里\nsun\t太阳\nsea\t海\n" * 2


def a_weight(optimizer: Optimizer) -> None:
    with torch.no_grad():
        optimizer.parameters[0].view(-1)[0] = float("nan")


def a_moment(optimizer: Optimizer) -> None:
    optimizer._adam.state[optimizer.parameters[0]]["exp_avg_sq"].view(-1)[0] = float("inf")


def poisoned(monkeypatch: pytest.MonkeyPatch, at: int, poison: Callable[[Optimizer], None]) -> None:
    """From an update on, something is not finite, though every gradient was."""
    real, updates = Optimizer.update, []

    def update(self: Optimizer, rate: float) -> None:
        real(self, rate)
        updates.append(rate)
        if len(updates) == at:
            poison(self)

    monkeypatch.setattr(Optimizer, "update", update)


@pytest.mark.parametrize(
    ("at", "poison", "what"),
    [
        (8, a_weight, "weight"),  # found by the validation of step 8
        (9, a_weight, "weight"),  # found when the checkpoint of step 9 is to be written
        (9, a_moment, "exp_avg_sq/"),
    ],
)
def test_what_is_not_finite_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, poison: Callable[[Optimizer], None], what: str
) -> None:
    data, folder = write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model"
    poisoned(monkeypatch, at, poison)
    sentence = rf"training has diverged: \S*{what}\S* is not finite at step {at}, .* lower training\.learning_rate.*"
    with pytest.raises(
        SeqweaveError, match=sentence + re.escape(f"{folder} holds the best model so far, of step") + " [48]"
    ):
        train(data, folder, settings={**SETTINGS, "training.keep_checkpoints": 1, "training.average_checkpoints": 1})
    # The last good checkpoint stays, though only one is kept.
    kept = [folder / "model.safetensors", *folder.glob("checkpoints/**/*.safetensors")]
    assert (folder / "checkpoints" / "step_00000006" / "COMPLETE").is_file()
    assert len(kept) > 4
    for path in kept:
        assert all(tensor.isfinite().all() for tensor in safetensors.torch.load_file(path).values()), path


def test_a_moving_average_that_is_not_finite_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Run.validated_weights

    def weights(self: Run) -> dict[str, torch.Tensor]:
        return {name: tensor * float("inf") for name, tensor in real(self).items()}

    monkeypatch.setattr(Run, "validated_weights", weights)
    with pytest.raises(SeqweaveError, match=r"is not finite at step 3, .* holds no model yet"):
        train(write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model", settings=SETTINGS)
    assert not list((tmp_path / "model").glob("checkpoints/step_*"))


@pytest.mark.parametrize(("rate", "shown"), [(1000.0, "infinite"), (10.0, r"\de\+\d\d")])
def test_a_network_that_blew_up_is_said_to_have(tmp_path: Path, rate: float, shown: str) -> None:
    """A tanh network with a learning rate that is far too high, and nothing that clips: every weight is finite."""
    (tmp_path / "micro.tsv").write_text(MICRO, encoding="utf-8")
    settings = {
        "model.cell": "rnn",
        "model.embedding_size": 8,
        "model.encoder_hidden_size": 8,
        "model.decoder_hidden_size": 8,
        "training.learning_rate": rate,
        "training.clip_norm": 0.0,
        "training.schedule": "constant",
        "training.warmup_steps": 0,
        "training.max_steps": 20,
        "training.validate_every": 10,
    }
    said = warnings_of(tmp_path / "micro.tsv", tmp_path / "model", settings)
    sentence = rf"the perplexity on the dev pairs is {shown}, where guessing has \d+: training has blown up"
    assert [text for text in said if re.match(sentence, text)] == said[-1:]


def test_a_network_that_learns_is_not(tmp_path: Path) -> None:
    assert warnings_of(write_pairs(tmp_path / "pairs.tsv"), tmp_path / "model") == []
