"""Pretrained vectors in a run: where they begin, that frozen ones never move, and what a resume notices."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from architectures import CASES, FEATURES, SOURCE_SIZE, small_model
from seqweave.cli.progress import found_text
from seqweave.config import TrainConfig, build_config
from seqweave.data.vectors import Vectors
from seqweave.errors import ConfigError, DataError
from seqweave.loading import load
from seqweave.model.input.embeddings import FeaturedEmbedding
from seqweave.training.events import TrainEvent
from seqweave.training.optimizer import FrozenRows, Optimizer
from seqweave.training.run import train
from seqweave.training.vectors import set_vectors
from tiny_run import SETTINGS, write_pairs

KNOWN = "abcd"  # the texts have e and f besides


class KilledError(BaseException):
    """Stands for a kill: nothing catches it."""


def write_vectors(path: Path, seed: int = 1) -> Path:
    """A vector for each letter of `KNOWN`, and for others."""
    draw = random.Random(seed)
    lines = [f"{item} {' '.join(f'{draw.gauss(0, 0.4):.4f}' for _ in range(8))}\n" for item in f"{KNOWN}xyz"]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def rows_of(path: Path) -> Tensor:
    """The vectors of `KNOWN` as a file has them. Shape: (N, M)."""
    lines = path.read_text(encoding="utf-8").splitlines()[: len(KNOWN)]
    return torch.tensor([[float(number) for number in line.split(" ")[1:]] for line in lines])


def settings(path: Path, **more: Any) -> dict[str, Any]:
    frozen = {"training.freeze_vectors": True, "training.weight_decay": 0.1, "training.clip_norm": 0.1}
    return {**SETTINGS, "training.source_vectors": str(path), **frozen, **more}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with frozen vectors, kept as `model`, and what it told as `events.json`."""
    folder = tmp_path_factory.mktemp("vectors")
    told: list[Mapping[str, Any]] = []
    data, dev = write_pairs(folder / "pairs.tsv"), write_pairs(folder / "dev.tsv", 20, seed=3)

    def listen(event: TrainEvent) -> None:
        if event.kind == "found":
            told.append(event.values)

    train(data, folder / "model", dev=dev, settings=settings(write_vectors(folder / "vectors.txt")), listen=listen)
    (folder / "events.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


def test_frozen_vectors_never_move_by_a_bit(unbroken: Path) -> None:
    expected = rows_of(unbroken / "vectors.txt")
    ids = [load(unbroken / "model").source_tokenizer.encode(letter)[0] for letter in KNOWN]
    others = [id_ for id_ in range(4, 10) if id_ not in ids]  # e and f
    last = unbroken / "model" / "checkpoints" / "step_00000012"
    for path in (unbroken / "model" / "model.safetensors", last / "model.safetensors", last / "average.safetensors"):
        weight = safetensors.torch.load_file(path)["source_input.weight"]
        assert torch.equal(weight[ids], expected)
    trained = safetensors.torch.load_file(last / "optimizer.safetensors")["exp_avg_sq/source_input.weight"]
    assert (trained[ids] == 0).all()
    assert (trained[others] > 0).all()


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_vectors(unbroken: Path, tmp_path: Path) -> None:
    def kill(event: TrainEvent) -> None:
        if event.kind == "batch" and event.values["step"] == 8:
            raise KilledError

    given = settings(unbroken / "vectors.txt")
    data, dev = unbroken / "pairs.tsv", unbroken / "dev.tsv"
    with pytest.raises(KilledError):
        train(data, tmp_path / "model", dev=dev, settings=given, listen=kill)
    assert train(data, tmp_path / "model", dev=dev, settings=given).status == "finished"
    ours = safetensors.torch.load_file(tmp_path / "model" / "model.safetensors")
    theirs = safetensors.torch.load_file(unbroken / "model" / "model.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_report_says_how_far_they_cover(unbroken: Path) -> None:
    [values] = json.loads((unbroken / "events.json").read_text(encoding="utf-8"))
    letters = "".join(line.split("\t")[0] for line in (unbroken / "pairs.tsv").read_text().splitlines())
    rate = sum(letter in KNOWN for letter in letters) / len(letters)
    found = values["vectors"]["source"]
    assert (found["found"], found["entries"], found["frozen"]) == (4, 6, True)
    assert found["token_rate"] == pytest.approx(rate)
    assert f"vectors    of source: 4 of 6 entries (66.7%), {100 * rate:.1f}% of the items to train on, frozen" in (
        found_text(values)
    )


def test_another_file_is_noticed_when_a_run_goes_on(tmp_path: Path) -> None:
    data, path = write_pairs(tmp_path / "pairs.tsv"), write_vectors(tmp_path / "vectors.txt")
    given = settings(path, **{"training.max_steps": 4})
    train(data, tmp_path / "model", settings=given)
    assert train(data, tmp_path / "model", settings=given).status == "already_finished"
    write_vectors(path, seed=2)
    with pytest.raises(DataError, match=r"the pretrained vectors have changed since the run .* --restart"):
        train(data, tmp_path / "model", settings=given)
    path.unlink()
    with pytest.raises(DataError, match=r"vectors\.txt: must be a file, but there is no such file"):
        train(data, tmp_path / "model", settings=given)


def test_vectors_that_cannot_be_used_leave_no_folder(tmp_path: Path) -> None:
    data, path = write_pairs(tmp_path / "pairs.tsv"), write_vectors(tmp_path / "vectors.txt")
    with pytest.raises(DataError, match=r"model\.embedding_size, which is 6, but these have 8 numbers"):
        train(data, tmp_path / "model", settings=settings(path, **{"model.embedding_size": 6}))
    assert not (tmp_path / "model").exists()


def test_a_restart_does_not_throw_vectors_away(tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "pairs.tsv")
    train(data, tmp_path / "model", settings={**SETTINGS, "training.max_steps": 4})
    path = write_vectors(tmp_path / "model" / "vectors.txt")
    with pytest.raises(ConfigError, match=r"vectors\.txt lies in .* --restart throws away"):
        train(data, tmp_path / "model", settings=settings(path), restart=True)


def test_tied_targets_and_tuned_vectors(tmp_path: Path) -> None:
    data, path = write_pairs(tmp_path / "pairs.tsv"), write_vectors(tmp_path / "vectors.txt")
    tied = settings(path, **{"training.target_vectors": str(path), "model.tie_embeddings": True})
    train(data, tmp_path / "tied", settings={**tied, "training.max_steps": 4})
    train(data, tmp_path / "tuned", settings={**tied, "training.max_steps": 4, "training.freeze_vectors": False})
    for name, equal in (("tied", True), ("tuned", False)):
        model = load(tmp_path / name)
        ids = [model.target_tokenizer.encode(letter)[0] for letter in KNOWN]
        weight = safetensors.torch.load_file(tmp_path / name / "model.safetensors")["target_input.weight"]
        assert torch.equal(weight[ids], rows_of(path)) == equal
        assert (weight[ids] - rows_of(path)).abs().max() < 0.2  # they began there


def test_frozen_rows_take_no_part_in_clipping_nor_decay() -> None:
    def updated(gradient: Tensor, frozen: list[int]) -> tuple[Tensor, Tensor]:
        torch.manual_seed(1)
        part = nn.Embedding(4, 2)
        before = part.weight.detach().clone()
        rows = torch.tensor(frozen, dtype=torch.long)
        config = TrainConfig(weight_decay=0.1, clip_norm=1.0)
        optimizer = Optimizer(part, config, [FrozenRows(part.weight, rows, before[rows])])
        for _ in range(3):
            part.weight.grad = gradient.clone()
            optimizer.update(0.1)
        return before, part.weight.detach()

    gradient = torch.tensor([[0.3, 0.1], [1e6, 0.0], [-0.2, 0.5], [0.0, float("nan")]])
    before, after = updated(gradient, [1, 3])
    assert torch.equal(after[[1, 3]], before[[1, 3]])
    _, expected = updated(gradient.index_fill(0, torch.tensor([1, 3]), 0.0), [])
    assert torch.equal(after[[0, 2]], expected[[0, 2]])
    assert not torch.equal(expected[1], before[1])  # weight decay alone moves a row


def test_features_keep_their_own_table() -> None:
    model = small_model(CASES["lstm-features"])
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    found = Vectors(np.array([5, 6]), np.arange(10, dtype=np.float32).reshape(2, 5))
    [frozen] = set_vectors(model, {"source": found}, freeze=True)
    embedding = model.source_input
    assert isinstance(embedding, FeaturedEmbedding)
    assert frozen.parameter is embedding.text.weight
    assert embedding(torch.tensor([[5, 6]]))[0].tolist() == found.values.tolist()
    changed = [name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])]
    assert changed == ["source_input.text.weight"]
    assert embedding.first == SOURCE_SIZE - FEATURES
    assert set_vectors(model, {"target": found}, freeze=False) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"training.source_vectors": "v.txt", "model.input": "one_hot"},
            r"training\.source_vectors needs embeddings and so model\.input=embedding, but it is one_hot",
        ),
        (
            {"training.target_vectors": "v.txt", "model.input": "one_hot"},
            r"training\.target_vectors needs embeddings",
        ),
        ({"training.freeze_vectors": True}, r"freeze_vectors=true needs pretrained vectors, but there are none: set"),
        ({"training.source_vectors": ""}, "at least 1 character"),
    ],
)
def test_settings_that_contradict_each_other(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build_config(given)
