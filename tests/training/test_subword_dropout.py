"""BPE-dropout in training: ids anew each epoch, none on dev, exact resume, the loss over what was drawn."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from architectures import CASES, small_model
from seqweave.config import TextConfig, build_config
from seqweave.data.bpe_dropout import SubwordDropout
from seqweave.data.dataset import PairDataset, write_dataset
from seqweave.loading import load
from seqweave.text.features import FeaturedTokenizer, Features
from seqweave.text.tokenizers import Tokenizer, train_tokenizer
from seqweave.training.distributed import Ranks
from seqweave.training.events import TrainEvent, ignore
from seqweave.training.ids import dropping_sides, subword_dropout
from seqweave.training.optimizer import Optimizer
from seqweave.training.run import train
from seqweave.training.step import Stepper, step_stream
from tiny_run import SETTINGS, train_in_two_processes

WORDS = ("lower", "lowest", "newer", "newest", "wider", "widest", "low", "new")
SUBWORDS: dict[str, Any] = {
    "data.source.units": "subword",
    "data.target.units": "subword",
    "data.source.max_size": 40,
    "data.target.max_size": 40,
    "data.source.subword_dropout": 0.3,
    "data.target.subword_dropout": 0.2,
    "training.seed": 5,
}


def texts(pairs: int = 60) -> list[tuple[str, str]]:
    draw = random.Random(1)
    rows = [" ".join(draw.choices(WORDS, k=draw.randint(1, 4))) for _ in range(pairs)]
    return [(row, " ".join(reversed(row.split()))) for row in rows]


@pytest.fixture
def made(tmp_path: Path) -> tuple[PairDataset, Tokenizer]:
    tokenizer = train_tokenizer((source for source, _ in texts()), TextConfig(units="subword", max_size=40))
    dataset, _ = write_dataset(texts(), tokenizer, tokenizer, tmp_path / "ids", 99, 99, letters=["source", "target"])
    return dataset, tokenizer


def drops(tokenizer: Tokenizer, **settings: Any) -> SubwordDropout:
    keys = {key.replace("_dot_", "."): value for key, value in settings.items()}
    found = subword_dropout(build_config({**SUBWORDS, **keys}), (tokenizer, tokenizer))
    assert found is not None
    return found


def rows(dropout: SubwordDropout, dataset: PairDataset, epoch: int, side: str, indices: list[int]) -> list[list[int]]:
    ids, lengths = dropout.flat(dataset, epoch, side, np.array(indices))
    return [part.tolist() for part in np.split(ids, lengths.cumsum()[:-1])]


def test_ids_are_a_function_of_seed_epoch_and_pair(made: tuple[PairDataset, Tokenizer]) -> None:
    dataset, tokenizer = made
    dropout = drops(tokenizer)
    everything = list(range(60))
    whole = rows(dropout, dataset, 2, "source", everything)
    assert rows(dropout, dataset, 2, "source", [7, 3, 7]) == [whole[7], whole[3], whole[7]]
    assert whole != rows(dropout, dataset, 3, "source", everything)
    assert whole != rows(drops(tokenizer, training_dot_seed=6), dataset, 2, "source", everything)
    assert [tokenizer.decode(ids) for ids in whole] == [source for source, _ in texts()]
    # The two sides of a pair are drawn apart.
    assert rows(dropout, dataset, 2, "target", everything) != whole


def test_a_side_without_dropout_is_as_it_was(made: tuple[PairDataset, Tokenizer]) -> None:
    dataset, tokenizer = made
    dropout = drops(tokenizer, data_dot_target_dot_subword_dropout=0.0)
    assert rows(dropout, dataset, 0, "target", [4]) == [dataset.target(4).tolist()]
    batch = dropout.collate(dataset, np.arange(8), 1)
    assert batch.source_tokens > dataset.source_lengths[:8].sum()
    assert batch.target_tokens == dataset.target_lengths[:8].sum() + 8


def test_what_becomes_too_long_keeps_its_usual_ids(made: tuple[PairDataset, Tokenizer]) -> None:
    dataset, tokenizer = made
    most = int(dataset.source_lengths.max())
    config = {"data_dot_source_dot_subword_dropout": 1.0, "data_dot_max_source_length": most}
    found = rows(drops(tokenizer, **config), dataset, 0, "source", list(range(60)))
    letters = [ids for ids, _ in tokenizer.letters_batch([source for source, _ in texts()])]
    assert found == [
        one if len(one) <= most else dataset.source(index).values.tolist() for index, one in enumerate(letters)
    ]
    assert 0 < sum(len(one) > most for one in letters) < 60


def test_features_stay_before_a_text_in_pieces(made: tuple[PairDataset, Tokenizer], tmp_path: Path) -> None:
    plain = made[1]
    tokenizer = FeaturedTokenizer(plain, Features(("3",), ";", (("a", "b"),)))
    tags = ["", "a", "b", "b;a"]
    pairs = [(f"{source}\t{tags[place % 4]}", target) for place, (source, target) in enumerate(texts())]
    dataset, _ = write_dataset(pairs, tokenizer, plain, tmp_path / "featured", 99, 99, letters=["source"])
    dropout = subword_dropout(build_config({**SUBWORDS, "data.target.subword_dropout": 0.0}), (tokenizer, plain))
    assert dropout is not None
    known = [[], [plain.size], [plain.size + 1], [plain.size, plain.size + 1]]
    found = rows(dropout, dataset, 1, "source", list(range(60)))
    for place, (ids, (source, _)) in enumerate(zip(found, texts(), strict=True)):
        features = known[place % 4]
        assert ids[: len(features)] == features
        assert plain.decode(ids[len(features) :]) == source
    assert sum(map(len, found)) > dataset.source_lengths.sum()


def test_each_process_draws_its_own_batches_of_their_epochs(made: tuple[PairDataset, Tokenizer]) -> None:
    dataset, tokenizer = made
    training = build_config({"training.max_batch_pairs": 16, "training.accumulate": 3, "training.seed": 5}).training
    model, dropout = small_model(CASES["gru-dot-after"]), drops(tokenizer)
    data = next(step_stream(dataset, training, 2, 0, 2))
    assert len(set(data.epochs)) == 2  # the step reaches into the next epoch
    drawn: list[tuple[int, int]] = []
    for rank in (0, 1):
        ranks, optimizer = Ranks(rank, 2), Optimizer(model, training)
        stepper = Stepper(model, optimizer, dataset, training, torch.device("cpu"), ranks, ignore, subwords=dropout)
        for index, batch in stepper.batches(data):
            expected = dropout.collate(dataset, data.batches[index], data.epochs[index])
            assert torch.equal(batch.source.values, expected.source.values)
            assert torch.equal(batch.target_out, expected.target_out)
            drawn.append((rank, index))
    assert drawn == [(0, 0), (0, 2), (0, 4), (1, 1), (1, 3), (1, 5)]


def write(path: Path) -> Path:
    path.write_text("".join(f"{source}\t{target}\n" for source, target in texts(200)), encoding="utf-8")
    return path


def settings(**more: Any) -> dict[str, Any]:
    return {**SETTINGS, **SUBWORDS, **more}


@pytest.mark.slow
def test_resume_equals_never_having_stopped(tmp_path: Path) -> None:
    data = write(tmp_path / "pairs.tsv")

    def kill(event: TrainEvent) -> None:
        if event.kind == "batch" and event.values == {"step": 8, "batch": 1}:
            raise KeyboardInterrupt

    train(data, tmp_path / "unbroken", settings=settings(), device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "resumed", settings=settings(), device="cpu", listen=kill)
    (tmp_path / "resumed" / "cache" / "source_words.bin").unlink()  # then the ids are written again
    assert train(data, tmp_path / "resumed", settings=settings(), device="cpu").status == "finished"
    plain = {"data.source.subword_dropout": 0.0, "data.target.subword_dropout": 0.0}
    train(data, tmp_path / "plain", settings=settings(**plain), device="cpu")
    names = ("unbroken", "resumed", "plain")
    one, other, without = ((tmp_path / name / "model.safetensors").read_bytes() for name in names)
    assert one == other
    assert one != without
    # Nothing is dropped once it is trained.
    model, usual = load(tmp_path / "unbroken"), load(tmp_path / "plain")
    assert model.source_tokenizer.encode("lower newest") == usual.source_tokenizer.encode("lower newest")


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    """The loss is divided by the items that were drawn, of all processes."""
    data = write(tmp_path / "pairs.tsv")
    same = settings(**{"training.average_checkpoints": 1})
    train(data, tmp_path / "one", settings={**same, "training.accumulate": 2}, device="cpu")
    train_in_two_processes(data, tmp_path / "two", {**same, "training.accumulate": 1})
    last = "checkpoints/step_00000012"
    one, two = (safetensors.torch.load_file(tmp_path / name / last / "model.safetensors") for name in ("one", "two"))
    for name, expected in one.items():
        torch.testing.assert_close(two[name], expected, atol=1e-5, rtol=1e-5)
    states = [json.loads((tmp_path / name / last / "state.json").read_text()) for name in ("one", "two")]
    assert states[0]["tokens"] == states[1]["tokens"] > 0


def test_the_sides_that_drop() -> None:
    assert dropping_sides(build_config({})) == []
    assert dropping_sides(build_config(SUBWORDS)) == ["source", "target"]
