"""Models that copy, trained with what else there is: features, pretrained vectors, sampling, smoothing."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import seqweave
from ill_runs import run as trained_run
from seqweave.cli.main import main
from seqweave.inspection.doctor.diagnose import diagnose
from seqweave.inspection.doctor.run_record import read_run_record
from seqweave.predictor import Model
from seqweave.proofs.verify import verify_search
from seqweave.training.run import train
from tiny_run import SETTINGS

RARE = "xyzwv"  # letters that stay out of both vocabularies
COPYING: dict[str, Any] = {
    **SETTINGS,
    "data.source.min_frequency": 40,
    "data.target.min_frequency": 40,
    "data.dev_size": 12,
    "data.feature_columns": ["3"],
    "model.feature_size": 4,
    "model.copy": True,
    "training.label_smoothing": 0.1,
    "training.scheduled_sampling": "linear",
    "training.sampling_k": 0.7,
    "search.beam_size": 3,
}


def write_pairs(folder: Path) -> Path:
    """Words, forwards or backwards as a feature says, each with a rare letter."""
    draw = random.Random(1)
    lines = []
    for _ in range(120):
        word = [*draw.choices("abcdef", k=draw.randint(1, 5)), draw.choice(RARE)]
        draw.shuffle(word)
        way = draw.choice(["KEEP", "TURN"])
        lines.append(f"{''.join(word)}\t{''.join(word if way == 'KEEP' else word[::-1])}\tV;{way}\n")
    (folder / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    rows = (f"{letter} {' '.join(['0.25'] * 8)}\n" for letter in "abcxyz")
    (folder / "vectors.txt").write_text("".join(rows), encoding="utf-8")
    return folder / "pairs.tsv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that copies, with everything else at once, in `copies`; and the same that does not, in `plain`."""
    where = tmp_path_factory.mktemp("company")
    pairs = write_pairs(where)
    settings = {**COPYING, "training.source_vectors": str(where / "vectors.txt"), "training.freeze_vectors": True}
    settings["training.target_vectors"] = str(where / "vectors.txt")
    train(pairs, where / "copies", settings=settings)
    train(pairs, where / "plain", settings={**settings, "model.copy": False})
    return where


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return seqweave.load(folder / "copies")


def facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))["facts"]
    return found


def test_the_rare_letters_are_unknown_and_can_be_copied(model: Model) -> None:
    coded = model.encode_sources(["axb\tV;TURN", "zz\t"])
    assert coded.extra == [["x"], ["z"]]
    assert coded.sources[0].copies is not None
    assert coded.sources[0].copies[:2].tolist() == [0, 0]
    targets = model.encode_targets(["bxa", "z"], coded)
    assert targets[0][1] == targets[1][0] == model.target_tokenizer.size


def test_features_are_never_put_out(model: Model) -> None:
    sources = [f"{word}\t{tags}" for word in ("axb", "xyzzy", "f") for tags in ("V;KEEP", "V;TURN", "")]
    found = model.predict_n_best(sources, n_best=3, beam_size=3, replace_unknown=True)
    for source, each in zip(sources, found, strict=True):
        assert len({one.text for one in each}) == 3
        for one in each:
            assert set(one.text) <= {*"abcdef", *source.split("\t")[0]}
            assert "[" not in "".join(one.tokens)
    pairs = [(source, one.text) for source, each in zip(sources, found, strict=True) for one in each]
    plain = model.predict_n_best(sources, n_best=3, beam_size=3)
    every = [one for each in plain for one in each]
    unchanged = [pair for pair, one in zip(pairs, every, strict=True) if "<unk>" not in one.tokens]
    outputs = [one for one in every if "<unk>" not in one.tokens]
    assert unchanged
    for one, again in zip(outputs, model.score(unchanged), strict=True):
        # One that was cut has no <eos>.
        assert again.token_log_probs[: len(one.token_log_probs)] == pytest.approx(one.token_log_probs, abs=1e-4)


def test_every_proof_holds_with_features(model: Model) -> None:
    proven = verify_search(model, ["axb\tV;KEEP", "xyzzy\tTURN", "f\t"], beams=(1, 2))
    assert proven.passed, proven.to_json()


def test_vectors_cover_what_they_cover_without_copying(folder: Path) -> None:
    ours, theirs = (facts(folder / name)["vectors"] for name in ("copies", "plain"))
    assert ours == theirs
    assert 0 < ours["source"]["token_rate"] < 1
    assert ours["source"]["found"] == 3


def test_two_of_them_are_an_ensemble(folder: Path, model: Model) -> None:
    both = seqweave.load([folder / "copies", folder / "copies"])
    texts = ["axb\tV;KEEP", "xyz\tTURN"]
    assert [one.text for one in both.predict(texts)] == [one.text for one in model.predict(texts)]


@pytest.mark.slow
def test_bench_and_doctor_and_tune_take_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, pairs = str(folder / "copies"), str(folder / "pairs.tsv")
    assert main(["bench", name, pairs, "--seconds", "0.1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["work"] == "training step"
    assert main(["doctor", name, pairs]) in (0, 1)
    assert main(["tune", name, pairs, "--beams", "1,2", "--length-penalties", "1"]) == 0


def test_the_doctor_wants_unknown_words_in_training(tmp_path: Path) -> None:
    """A model that copies may be asked unknown words, but has learned nothing from a training without any."""
    pairs = [f"the word{number % 7} is" for number in range(60)], [f"word{number % 7}" for number in range(60)]
    settings: dict[str, Any] = {"data__source__units": "word", "data__target__units": "word", "model__copy": True}
    folder = trained_run(tmp_path, pairs, pairs, **settings, training__max_steps=2, training__validate_every=2)
    asked = [f"the new{number} is" for number in range(20)], [f"new{number}" for number in range(20)]
    remedies = {one.name: one.remedy for one in diagnose(read_run_record(folder, asked, "cpu"))}
    assert remedies["text prepared differently"] == (
        "train again with --set data.source.min_frequency=2 --set data.target.min_frequency=2"
    )
