"""`seqweave bench`: what is counted, what is said to bound it, and that nothing changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from architectures import CASES
from quick import quick_are
from seqweave.benchmark import Peaks, Timing, _dataset, bench_model, made_up_pairs, matrix_sizes, measure_peaks
from seqweave.cli.main import main
from seqweave.config import build_config
from seqweave.predictor import Model
from seqweave.text.features import FeaturedTokenizer, Features
from tiny_model import tiny_folder, tiny_model

Capture = pytest.CaptureFixture[str]
TRANSFORMER = next(name for name in CASES if name.startswith("transformer"))


@pytest.mark.parametrize(
    ("products", "reading", "bound"),
    [
        (0.6, 0.7, "reading the weights"),
        (0.5, 0.1, "matrix products"),
        (0.4, 0.49, "many small operations"),
    ],
)
def test_what_bounds_a_work(products: float, reading: float, bound: str) -> None:
    timing = Timing("greedy, batch 64", seconds=1.0, items=50.0, products=products, reading=reading)
    assert timing.bound == bound
    assert timing.items_per_second == 50.0


def test_matrices_are_counted_once_a_position() -> None:
    network = tiny_model(CASES["gru-additive-after"]).single
    sizes = {name: part.numel() for name, part in network.named_parameters() if part.dim() == 2}
    source = (
        sum(size for name, size in sizes.items() if name.startswith("encoder.")) + sizes["decoder.scorer.key.weight"]
    )
    left_out = sum(size for name, size in sizes.items() if "_input" in name or "bridge" in name)
    assert matrix_sizes(network).tolist() == [source, sum(sizes.values()) - left_out - source]


@pytest.mark.slow
@pytest.mark.parametrize("name", quick_are(["lstm-copies"], ["gru-additive-after", "lstm-copies", TRANSFORMER]))
def test_every_work_is_timed_and_the_model_stays_as_it_is(name: str) -> None:
    model = tiny_model(CASES[name])
    before = {key: value.clone() for key, value in model.single.state_dict().items()}
    heard: list[str] = []
    timings = bench_model(model, made_up_pairs(model, 70, 5), 0.01, lambda timing: heard.append(timing.work))
    works = ["training step", "greedy, batch 64", "beam 5, batch 64", "greedy, batch 1", "beam 5, batch 1"]
    assert [timing.work for timing in timings] == works == heard
    assert all(timing.seconds > 0 and timing.products > 0 and timing.reading > 0 for timing in timings)
    assert all(torch.equal(value, before[key]) for key, value in model.single.state_dict().items())
    assert not model.single.training


def test_a_model_that_copies_is_timed_on_what_it_reads(tmp_path: Path) -> None:
    model = tiny_model(CASES["lstm-copies"])
    dataset = _dataset(model, [("fez", "z")], tmp_path / "pairs")
    coded = model.encode_sources(["fez"])
    source, expected = dataset.source(0), coded.sources[0]
    assert source.values.tolist() == expected.values.tolist()
    assert source.copies is not None
    assert expected.copies is not None
    assert source.copies.tolist() == expected.copies.tolist()
    assert dataset.target(0).tolist() == [model.target_tokenizer.size + 2]


def test_made_up_pairs_have_their_length() -> None:
    model = tiny_model(CASES["gru-additive-after"])
    pairs = made_up_pairs(model, 3, 6)
    assert [len(source) for source, _ in pairs] == [6, 6, 6]
    assert pairs == made_up_pairs(model, 3, 6)


def test_made_up_sources_have_columns_for_features() -> None:
    model = tiny_model(CASES["gru-additive-after"])
    columns = {"data.feature_columns": ["3", "4"], "model.feature_size": 2}
    features = Features(("3", "4"), ";", (("V", "N", "PST"), ("de",)))
    made = Model(
        model.network,
        FeaturedTokenizer(model.source_tokenizer, features),
        model.target_tokenizer,
        build_config(columns, model.config),
    )
    for source, target in made_up_pairs(made, 5, 6):
        assert made.source_tokenizer.encode(source) == model.source_tokenizer.encode(source.removesuffix("\t\t"))
        assert len(made.source_tokenizer.encode(source)) == len(target) == 6


def test_peaks_are_rates() -> None:
    peaks = measure_peaks(torch.device("cpu"), [torch.float32], seconds=0.01)
    assert isinstance(peaks, Peaks)
    assert list(peaks.products) == [torch.float32]
    assert peaks.products[torch.float32] > 1e8
    assert peaks.memory > 1e7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder(tiny_model(CASES["gru-additive-after"]), tmp_path_factory.mktemp("bench") / "model")


@pytest.mark.slow
def test_the_table(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("abc\tg\nabc\tgf\nfed\tg\n", encoding="utf-8")
    assert main(["bench", str(folder), str(pairs), "--seconds", "0.1", "--device", "cpu"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.rstrip("\n").split("\n")
    assert lines[0].split()[0] == "work"
    assert [line.split("  ")[0] for line in lines[1:3]] == ["training step", "greedy, batch 64"]
    assert "3 pairs of" in printed.err


@pytest.mark.slow
def test_json_of_made_up_texts(folder: Path, capsys: Capture) -> None:
    assert main(["bench", str(folder), "--seconds", "0.1", "--length", "4", "--json", "--device", "cpu"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts[0]["work"] == "training step"
    assert all(one["items_per_second"] > 0 for one in facts)


@pytest.mark.slow
def test_pairs_that_are_all_too_long(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("a" * 600 + "\tb\n", encoding="utf-8")
    assert main(["bench", str(folder), str(pairs), "--device", "cpu"]) == 2
    assert "at least one pair must be usable" in capsys.readouterr().err
