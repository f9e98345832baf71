"""`seqweave train --from`, `--extend-vocabulary`, `--mix` and more steps, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqweave.cli.main import main
from seqweave.cli.train import short_settings
from starting import NEW, contents, old_model, write_new

SETS = [word for key, value in NEW.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("start_from")
    old_model(place, {"training.max_steps": 10, "training.validate_every": 10})
    write_new(place)
    return place


def typed(place: Path, folder: Path, *words: str) -> int:
    return main(["train", str(place / "new.tsv"), "-o", str(folder), *SETS, *words])


def test_a_run_from_a_model_and_more_steps(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, folder = contents(place), tmp_path / "new"
    from_old = ["--from", str(place / "old"), "--extend-vocabulary", "--mix", str(place / "old.tsv")]
    assert typed(place, folder, *from_old, "--mix-share", "0.3") == 0
    said = capsys.readouterr().err
    assert "starting from old (weights " in said
    assert "items are unknown to it, such as " in said
    assert "; 3 added\n" in said
    assert "training: rate up to 0.0005 after 50 steps of warm-up, then cosine" in said
    assert "pairs of old.tsv" in said
    assert said.index("starting from old") < said.index("step 0: ") < said.index("step 3: ")
    config = json.loads((folder / "config.json").read_text())
    assert (config["training"]["mix_share"], config["data"]["extend_vocabulary"]) == (0.3, True)
    assert typed(place, folder, *from_old, "--mix-share", "0.3") == 0
    said = capsys.readouterr().err
    assert f"{folder} is already finished, at step 6; --set training.max_steps=N goes on to step N, and" in said
    assert typed(place, folder, *from_old, "--mix-share", "0.3", "--set", "training.max_steps=8") == 0
    said = capsys.readouterr().err
    assert "going on at step 6 to step 8: the learning rate is laid anew over the 2 steps between" in said
    assert "resuming at step 6" in said
    assert contents(place) == before


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--extend-vocabulary"], "data.extend_vocabulary adds to the vocabulary of another model, but there is none"),
        (["--set", "training.max_steps=0"], "training.max_steps=0 trains nothing"),
        (["--from", "nowhere"], "there is no model folder nowhere"),
        (["--mix-share", "0.1"], "--mix-share is the share of the pairs of --mix"),
    ],
)
def test_refusals_are_one_sentence(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    assert typed(place, tmp_path / "new", *words) == 2
    said = capsys.readouterr().err
    assert why in said
    assert "Traceback" not in said
    assert not (tmp_path / "new").exists()


def test_options_are_settings() -> None:
    assert short_settings(None, None, False, None) == []
    assert short_settings("char", "word", True, 0.25) == [
        "data.source.units=char", "data.target.units=word", "data.extend_vocabulary=true", "training.mix_share=0.25",
    ]  # fmt: skip


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for option in ("--from", "--extend-vocabulary", "--mix", "--mix-share", "training.freeze", "training.mix_share"):
        assert option in said
