"""`--mix`: which pairs are mixed in, what is said of them, and what they are for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from quick import slow
from seqweave.cli.main import main
from seqweave.cli.progress import found_text
from seqweave.data.dataset import PairDataset
from seqweave.errors import ConfigError, DataError
from seqweave.loading import load
from seqweave.training.run import train
from starting import LETTERS, MORE, NEW, OLD, answers, old_model, said, start, words, write
from tiny_run import SETTINGS, train_in_two_processes, write_pairs
from tiny_runs import KilledError, killer


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`old`, a model of `old.tsv` that has learnt its task; `new.tsv`, the same letters forwards."""
    place = tmp_path_factory.mktemp("mixed")
    old_model(place)
    rows = "".join(f"{word}\t{word}\n" for word in words(LETTERS, 60, 2))
    (place / "new.tsv").write_text(rows, encoding="utf-8")
    return place


def texts(folder: Path) -> tuple[list[str], list[str]]:
    """The sources of the own pairs and of those that are mixed in, from the ids of a run that was killed."""
    dataset, tokenizer = PairDataset.open(folder / "cache"), load(folder, "cpu").source_tokenizer
    every = [tokenizer.decode(dataset.source(index).values.tolist()) for index in range(len(dataset))]
    return every[: dataset.own], every[dataset.own :]


def killed(data: Path, folder: Path, old: Path | None, mix: Path, settings: dict[str, Any] | None = None) -> None:
    with pytest.raises(KilledError):
        start(data, folder, old, settings, killer("batch", 4), mix)


def test_what_is_held_out_for_dev_is_not_mixed_in(place: Path, tmp_path: Path) -> None:
    """The pairs to mix in hold all the new sources, dev's too; what is left out is counted and said."""
    new = [line.split("\t")[0] for line in (place / "new.tsv").read_text().splitlines()]
    mix = write(tmp_path / "mix.tsv", [*new, "fff", "eee"], "{0}\t{1}\n")
    mix.write_text(mix.read_text() + "no tab\n" + f"{'a' * 600}\tb\n")
    killed(place / "new.tsv", tmp_path / "new", place / "old", mix)
    own, mixed = texts(tmp_path / "new")
    dev = set(new) - set(own)
    assert dev
    assert sorted(mixed) == sorted([*own, "fff", "eee"])
    facts = json.loads((tmp_path / "new" / "run.json").read_text())["facts"]
    assert facts["mixed"] == {
        "file": "mix.tsv",
        "lines": len(new) + 4,
        "pairs": len(mixed),
        "dropped": {"missing_column": 1, "held_out_for_dev": len(dev), "over_long_or_without_items": 1},
    }
    assert sum(facts["mixed"]["dropped"].values()) + facts["mixed"]["pairs"] == facts["mixed"]["lines"]
    assert facts["pairs"] == len(own)  # the run's own figures are of its own pairs
    start(place / "new.tsv", tmp_path / "new", place / "old", mix=mix)
    card = (tmp_path / "new" / "README.md").read_text(encoding="utf-8")
    assert f"Trained on {len(own)} pairs" in card
    assert f"Of every batch, 20% came from {len(mixed)} other pairs (`mix.tsv`)." in card


def test_it_is_said(place: Path, tmp_path: Path) -> None:
    (found,) = (
        event.values
        for event in said(place / "new.tsv", tmp_path / "new", place / "old", mix=place / "old.tsv")
        if event.kind == "found"
    )
    lines = found_text(found).splitlines()
    (line,) = (line for line in lines if "mixed in" in line)
    assert line.startswith(f"  mixed in   {found['mixed']['pairs']} pairs of old.tsv")
    without = found_text({key: value for key, value in found.items() if key != "mixed"})
    assert "mixed in" not in without


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "there must be a usable pair, but it is empty"),
        ("no tab\n", "none of 1 line is usable: missing_column"),
        (f"{'a' * 600}\tb\n", "none of them can be used: all are empty, over-long, or held out for dev"),
    ],
)
def test_nothing_to_mix_in_is_an_error(place: Path, tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "mix.tsv").write_text(content)
    with pytest.raises(DataError, match=rf"mix\.tsv: .*{why}"):
        start(place / "new.tsv", tmp_path / "new", place / "old", mix=tmp_path / "mix.tsv")
    with pytest.raises(DataError, match=r"nothing\.tsv"):
        start(place / "new.tsv", tmp_path / "new", place / "old", mix=tmp_path / "nothing.tsv")
    assert not (tmp_path / "new").exists()


def test_a_share_without_pairs_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(place / "new.tsv"), "-o", str(place / "x"), "--mix-share", "0.3"]) == 2
    assert "--mix-share is the share of the pairs of --mix, but there are none: name" in capsys.readouterr().err
    for share in (0, 1, -0.1):
        with pytest.raises(ConfigError, match=r"training\.mix_share: input should be (greater|less) than"):
            start(place / "new.tsv", place / "x", place / "old", {"training.mix_share": share})
    assert not (place / "x").exists()


@pytest.mark.parametrize("settings", [{}, slow({"training.accumulate": 3, "training.ema_decay": 0.5})])
def test_a_killed_run_ends_like_the_unbroken_one(place: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    killed(place / "new.tsv", tmp_path / "new", place / "old", place / "old.tsv", settings)
    ends = []
    for name in ("new", "unbroken"):
        start(place / "new.tsv", tmp_path / name, place / "old", settings, mix=place / "old.tsv")
        last = tmp_path / name / "checkpoints" / "step_00000006"
        ends.append([(last / f"{part}.safetensors").read_bytes() for part in ("model", "optimizer")])
    assert ends[0] == ends[1]


def test_subwords_are_drawn_for_mixed_pairs_too(tmp_path: Path) -> None:
    """With BPE-dropout, killed and resumed."""
    units = {"data.source.units": "subword", "data.source.max_size": 20, "data.source.subword_dropout": 0.3}
    data, mix = write(tmp_path / "a.tsv", words(LETTERS, 40, 1)), write(tmp_path / "b.tsv", words(LETTERS, 40, 2))
    settings = {**OLD, **NEW, **units, "training.mix_share": 0.5}
    for name in ("killed", "unbroken"):
        if name == "killed":
            with pytest.raises(KilledError):
                train(data, tmp_path / name, settings=settings, device="cpu", mix=mix, listen=killer("batch", 5))
        train(data, tmp_path / name, settings=settings, device="cpu", mix=mix)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("killed", "unbroken"))
    assert one == two


@pytest.mark.slow
def test_against_forgetting(place: Path, tmp_path: Path) -> None:
    """A task that contradicts the old one: with the old pairs mixed in, less of that is lost."""
    settings = {
        "training.max_steps": 50, "training.validate_every": 25, "training.learning_rate": 0.01,
        "training.metric": "loss", "training.mix_share": 0.5,
    }  # fmt: skip
    start(place / "new.tsv", tmp_path / "forgets", place / "old", settings)
    start(place / "new.tsv", tmp_path / "mixes", place / "old", settings, mix=place / "old.tsv")
    old = words(LETTERS, 60, 9)
    right = {
        name: sum(text == source[::-1] for source, (text, _) in zip(old, answers(folder, old), strict=True))
        for name, folder in (("old", place / "old"), ("f", tmp_path / "forgets"), ("m", tmp_path / "mixes"))
    }
    assert right["f"] < right["m"]
    assert right["f"] < right["old"] / 2


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    data, mix = write_pairs(tmp_path / "pairs.tsv"), write_pairs(tmp_path / "mix.tsv", seed=3)
    same = {**SETTINGS, "training.average_checkpoints": 1, "training.mix_share": 0.4}
    train(data, tmp_path / "one", settings={**same, "training.accumulate": 2}, mix=mix, device="cpu")
    train_in_two_processes(data, tmp_path / "two", {**same, "training.accumulate": 1}, mix=mix)
    last = "checkpoints/step_00000012/model.safetensors"
    one, two = (safetensors.torch.load_file(tmp_path / name / last) for name in ("one", "two"))
    for name, expected in one.items():
        torch.testing.assert_close(two[name], expected, atol=1e-5, rtol=1e-5)


def test_the_largest_lengths_are_of_all_pairs(place: Path, tmp_path: Path) -> None:
    mix = tmp_path / "mix.tsv"
    mix.write_text("".join(f"{word}\t{word * 9}\n" for word in words(MORE, 30, 5)))
    start(place / "new.tsv", tmp_path / "new", place / "old", mix=mix)
    longest = max(len(line.split("\t")[1]) for line in mix.read_text().splitlines())
    search = load(tmp_path / "new", "cpu").config.search
    assert search.max_length is not None
    assert search.max_length >= np.minimum(2 * longest + 10, 2 * longest)
