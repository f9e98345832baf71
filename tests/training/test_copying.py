"""Words never seen in training are copied; through the command line, from files to a verified model."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import seqweave
from seqweave.cli.main import main
from seqweave.data.dataset import PairDataset
from seqweave.errors import ConfigError
from seqweave.training.run import train

SETTINGS: dict[str, Any] = {
    "data.source.units": "word",
    "data.target.units": "word",
    "data.source.min_frequency": 2,
    "data.target.min_frequency": 2,
    "model.embedding_size": 16,
    "model.encoder_hidden_size": 16,
    "model.decoder_hidden_size": 32,
    "model.dropout": 0.0,
    "model.copy": True,
    "training.metric": "exact_match",
    "training.warmup_steps": 20,
    "training.learning_rate": 0.01,
    "training.batch_tokens": 512,
    "training.precision": "fp32",
    "search.beam_size": 2,
}
FORMS = (
    ("{0} likes {1}", "{1} is liked by {0}"),
    ("who is {0} ?", "{0} , the person"),
    ("call {0} {1}", "{0} {1} now"),
)


def write_pairs(path: Path, pairs: int, seed: int) -> Path:
    """Sentences in which names are new words, every one."""
    draw = random.Random(seed)
    rows = []
    for _ in range(pairs):
        source, target = draw.choice(FORMS)
        names = ["".join(draw.choices("abcdefghijklmno", k=8)).capitalize() for _ in range(2)]
        rows.append(f"{source.format(*names)}\t{target.format(*names)}\n")
    path.write_text("".join(rows), encoding="utf-8")
    return path


def trained(folder: Path, seed: int, pairs: int, **settings: Any) -> seqweave.TrainResult:
    return train(
        write_pairs(folder / "pairs.tsv", pairs, seed),
        folder / "model",
        dev=write_pairs(folder / "dev.tsv", 60, seed + 1),
        settings={**SETTINGS, **settings},
        seed=seed,
    )


@pytest.mark.slow
def test_new_words_are_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = trained(tmp_path, 1, 600, **{"training.max_steps": 140, "training.validate_every": 70})
    assert result.metrics is not None
    assert result.metrics["exact_match"] > 50
    folder, test = str(result.folder), str(write_pairs(tmp_path / "test.tsv", 20, 9))
    assert ", copying from the source, " in (result.folder / "README.md").read_text(encoding="utf-8")
    model = seqweave.load(result.folder)
    assert model.predict(["who is Qwertyz ?"])[0].text == "Qwertyz , the person"
    (tmp_path / "one.txt").write_text("who is Qwertyz ?\n", encoding="utf-8")
    assert main(["predict", folder, str(tmp_path / "one.txt"), "--json", "--n-best", "2", "--beam-size", "2"]) == 0
    found = json.loads(capsys.readouterr().out)["hypotheses"]
    assert found[0]["tokens"][0] == "▁Qwertyz"
    assert len(found) == 2
    assert main(["evaluate", folder, test, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exact_match"] > 50
    assert main(["score", folder, test, "--json"]) == 0
    assert "<unk>" not in json.loads(capsys.readouterr().out.splitlines()[0])["tokens"]
    assert main(["verify", folder, test, "--beams", "1,2"]) == 0
    assert "every proof holds" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("position", ["before", "after"])
def test_new_words_are_copied_with_any_seed(tmp_path: Path, position: str) -> None:
    seed = random.SystemRandom().randrange(2**31)
    result = trained(tmp_path, seed, 3000, **{"training.max_steps": 600, "model.attention_position": position})
    assert result.metrics is not None
    assert result.metrics["exact_match"] >= 95, f"seed {seed}"


def test_without_copying_unknown_words_are_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"model.copy": False, "training.max_steps": 4, "training.validate_every": 4}
    folder = str(trained(tmp_path, 3, 100, **settings).folder)
    (tmp_path / "one.txt").write_text("who is Qwertyz ?\nZyx\n", encoding="utf-8")
    words = ["predict", folder, str(tmp_path / "one.txt"), "--replace-unknown", "--beam-size", "2"]
    for more in ([], ["--n-best", "2"], ["--json"], ["--sample"]):
        arguments = words if more != ["--sample"] else words[:-2]
        assert main([*arguments, *more]) == 0
        out = capsys.readouterr().out
        assert "\N{REPLACEMENT CHARACTER}" not in out
        assert '"<unk>"' not in out
    assert main(["evaluate", folder, str(tmp_path / "dev.tsv"), "--replace-unknown", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"] == 60


@pytest.mark.slow
def test_a_model_that_replaces_unknown_words_can_be_asked_not_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"model.copy": False, "search.replace_unknown": True, "training.max_steps": 60}
    folder = str(trained(tmp_path, 3, 100, **settings).folder)
    (tmp_path / "one.txt").write_text("who is Qwertyz ?\n", encoding="utf-8")
    for asked, kept in (([], False), (["--replace-unknown"], False), (["--keep-unknown"], True)):
        assert main(["predict", folder, str(tmp_path / "one.txt"), *asked]) == 0
        assert ("\N{REPLACEMENT CHARACTER}" in capsys.readouterr().out) == kept


def test_a_stopped_run_goes_on_with_codes(tmp_path: Path) -> None:
    from seqweave.training.data_files import DataFiles
    from seqweave.training.prepare import reopen
    from seqweave.training.record import read_run

    result = trained(tmp_path, 4, 100, **{"training.max_steps": 4, "training.validate_every": 4})
    model = seqweave.load(result.folder)
    run = read_run(result.folder)
    assert run is not None
    files = DataFiles(tmp_path / "pairs.tsv", None, tmp_path / "dev.tsv")
    tokenizers = (model.source_tokenizer, model.target_tokenizer)
    again, _ = reopen(files, model.config, tokenizers, tmp_path / "ids", run["facts"]["kept"])
    assert isinstance(again, PairDataset)
    first = (tmp_path / "pairs.tsv").read_text(encoding="utf-8").split("\n")[0].split("\t")
    coded = model.encode_sources([first[0]])
    source, expected = again.source(0), coded.sources[0]
    assert source.copies is not None
    assert expected.copies is not None
    assert source.values.tolist() == expected.values.tolist()
    assert source.copies.tolist() == expected.copies.tolist()
    assert again.target(0).tolist() == model.encode_targets([first[1]], coded)[0]
    assert again.target(0).max() >= model.target_tokenizer.size


def test_units_that_were_guessed_must_agree(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("".join(f"word{n}\tw o r d {n}\n" for n in range(50)))
    settings = {"model.copy": True, "data.source.units": "byte"}
    with pytest.raises(ConfigError, match=r"model\.copy=true needs the same units on both sides"):
        train(tmp_path / "pairs.tsv", tmp_path / "model", settings=settings)
