"""The paths that Python functions are given: what is none has a sentence, an error of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import seqweave
from seqweave.errors import SeqweaveError
from seqweave.paths import folders_of, path_of


@pytest.mark.parametrize("value", [Path("a/b"), "a/b"])
def test_paths(value: Any) -> None:
    assert path_of(value, "out") == Path("a/b")
    assert folders_of(value) == [Path("a/b")]
    assert folders_of([value, value]) == [Path("a/b")] * 2


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "a model folder must be a path, but it is None: give the folder that `seqweave train -o` wrote"),
        (3, "a model folder must be a path, but it is an int"),
        (b"model", "a model folder must be a path, but it is a int: give folders"),
        ([None], "a model folder must be a path, but it is None: give folders"),
        ([], "an ensemble must have at least one model folder, but the list is empty"),
        ("a\0b", "holds a zero byte"),
        ({"model": 1}, "there is no model folder model"),
    ],
)
def test_load_refuses_what_is_no_path(value: Any, said: str) -> None:
    with pytest.raises(SeqweaveError) as caught:
        seqweave.load(value, "cpu")
    assert said.replace("a int", "an int") in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"data": [("a", "b")]}, "data must be a path, but it is a list: write the pairs to a file"),
        ({"data": None}, "data must be a path, but it is None"),
        ({"out": None}, "out must be a path, but it is None: give text or a pathlib.Path"),
        ({"dev": ["a"]}, "dev must be a path, but it is a list"),
        ({"target_file": 1}, "target_file must be a path, but it is an int"),
        ({"config_file": 1}, "config_file must be a path, but it is an int"),
        ({"settings": "model.cell=gru"}, "settings must be a mapping such as"),
        ({"settings": 5}, "settings must be a mapping such as"),
        ({"settings": [("model.cell", "gru")]}, "or a list of texts such as"),
        ({"settings": {1: "gru"}}, "but there is 1"),
        ({"seed": "one"}, "training.seed: input should be a valid integer"),
        ({"preset": "huge"}, "preset must be one of tiny, small, base"),
        ({"device": None}, "device must be one of auto, cpu, cuda, mps, but it is None"),
    ],
)
def test_train_refuses_what_is_no_argument(tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
    (tmp_path / "pairs.tsv").write_text("a\tb\n", encoding="utf-8")
    given = {"data": tmp_path / "pairs.tsv", "out": tmp_path / "model", **arguments}
    with pytest.raises(SeqweaveError) as caught:
        seqweave.train(given.pop("data"), given.pop("out"), **given)
    assert said in str(caught.value)
    assert not (tmp_path / "model").exists()
