"""`--extend-vocabulary`: what runs of every kind of unit add, keep and say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from quick import quick_are
from seqweave.cli.progress import start_text
from seqweave.folder import read_config
from seqweave.loading import load
from seqweave.predictor import Model
from seqweave.text.features import FeaturedTokenizer
from seqweave.text.vocabulary import UNK
from seqweave.training.run import train
from starting import LETTERS, OLD, answers, old_model, said, start, weights, words, write, write_new

QUICK = {**OLD, "training.max_steps": 2, "training.validate_every": 2}
WORDS = "{0} {1}, {0}\t{1} {0}\n"  # sentences
TAGGED = "{0}\t{1}\tKEEP\tde;V\n{1}\t{0}\tTURN\ten\n"
TAGGED_NEW = "{0}\t{1}\tKEEP;MORE\tfr\n{1}\t{0}\tTURN;V\ten\n"
COLUMNS = {"data.feature_columns": ["3", "4"]}
KINDS: dict[str, dict[str, Any]] = {
    "char": {},
    "word": {"data.source.units": "word", "data.target.units": "word"},
    "space": {"data.source.units": "space", "data.target.units": "space"},
    "label": {"data.target.units": "label"},
    "bpe": {"data.source.units": "subword", "data.target.units": "subword", "data.source.max_size": 20},
    "unigram": {"data.source.units": "subword", "data.source.subword_model": "unigram", "data.target.units": "char"},
    "byte": {"data.source.units": "byte", "data.target.units": "byte"},
    "joint": {"data.joint_vocabulary": True, "model.tie_embeddings": True, "model.embedding_size": 12},
    "joint words": {
        "data.joint_vocabulary": True, "data.source.units": "word", "data.target.units": "word",
    },
    "tags": {**COLUMNS, "model.feature_size": 6},
    "tags one-hot": {**COLUMNS, "model.input": "one_hot", "model.feature_size": 6, "model.copy": True},
    "one-hot before": {"model.input": "one_hot", "model.attention_position": "before"},
}  # fmt: skip
TAGS = ("tags", "tags one-hot")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt some of its task, and new pairs."""
    place = tmp_path_factory.mktemp("extended")
    old_model(place)
    write_new(place)
    return place


def files(kind: str, where: Path) -> tuple[Path, Path]:
    """Old and new pairs for a kind of vocabulary."""
    rows = (TAGGED, TAGGED_NEW) if kind in TAGS else (WORDS, WORDS) if "word" in kind or kind == "space" else None
    old, new = rows or ("{0}\t{1}\n", "{0}\t{1}\n")
    return (
        write(where / "old.tsv", words(LETTERS, 40, 1), old),
        write(where / "new.tsv", words("abcxyzé", 30, 2), new),
    )


@pytest.mark.parametrize("kind", quick_are(["char", "space", "bpe", "joint"], KINDS))
def test_old_rows_stay_and_new_items_have_entries(kind: str, tmp_path: Path) -> None:
    old_file, new_file = files(kind, tmp_path)
    train(old_file, tmp_path / "old", settings={**QUICK, **KINDS[kind]}, device="cpu")
    events = said(
        new_file, tmp_path / "new", tmp_path / "old", {"data.extend_vocabulary": True, "training.max_steps": 0}
    )
    (values,) = (event.values for event in events if event.kind == "start_from")
    old, new = load(tmp_path / "old", "cpu"), load(tmp_path / "new", "cpu")
    assert values["added"] == {
        "source": _text_size(new) - _text_size(old),
        "source tags": new.source_tokenizer.feature_count - old.source_tokenizer.feature_count,
        "target": new.target_tokenizer.size - old.target_tokenizer.size,
    }
    assert bool(values["added"]["source"]) == (kind != "byte")
    assert values["added"]["source tags"] == (3 if kind in TAGS else 0)
    if kind.startswith("joint"):
        assert new.source_tokenizer.to_json() == new.target_tokenizer.to_json()
    for line in new_file.read_text(encoding="utf-8").splitlines():
        source, target, *tags = line.split("\t")
        held_out = UNK in new.source_tokenizer.encode("\t".join([source, *tags]))
        assert not held_out or line.startswith(tuple(_dev_sources(tmp_path / "new")))
        assert held_out or kind == "label" or UNK not in new.target_tokenizer.encode(target)
    _check_rows(tmp_path, old, new)


def _text_size(model: Model) -> int:
    return model.source_tokenizer.size - model.source_tokenizer.feature_count


def _dev_sources(folder: Path) -> set[str]:
    rows = (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    return {json.loads(row)["source"].split("\t")[0] for row in rows}


def _check_rows(place: Path, old: Model, new: Model) -> None:
    before, after = weights(place / "old"), weights(place / "new")
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        if name == "source_input.weight" and isinstance(old.source_tokenizer, FeaturedTokenizer):
            assert isinstance(new.source_tokenizer, FeaturedTokenizer)
            for column, tags in enumerate(old.source_tokenizer.features.tags):
                for tag in tags:
                    places = [_place(model.source_tokenizer, column, tag) for model in (old, new)]
                    assert torch.equal(after[name][places[1]], tensor[places[0]])
        elif after[name].shape == tensor.shape:
            assert torch.equal(after[name], tensor)
        elif name in ("source_input.weight", "source_input.text.weight", "target_input.weight", "output.weight"):
            assert torch.equal(after[name][: len(tensor)], tensor)
            fresh = after[name][len(tensor) :]
            assert 0 < float(fresh.std()) < 3 * float(tensor.std())
        else:
            assert int(torch.isin(tensor, after[name]).sum()) == tensor.numel()


def _place(tokenizer: object, column: int, tag: str) -> int:
    assert isinstance(tokenizer, FeaturedTokenizer)
    tags = tokenizer.features.tags
    return sum(map(len, tags[:column])) + tags[column].index(tag)


def test_old_texts_are_answered_as_before(place: Path, tmp_path: Path) -> None:
    start(place / "new.tsv", tmp_path / "new", place / "old", {"data.extend_vocabulary": True, "training.max_steps": 0})
    texts = words(LETTERS, 40, 7)
    old, new = answers(place / "old", texts), answers(tmp_path / "new", texts)
    assert [text for text, _ in new] == [text for text, _ in old]
    assert sum(text == source[::-1] for source, (text, _) in zip(texts, old, strict=True)) > 5  # it has learnt some
    assert read_config(tmp_path / "new").data.extend_vocabulary


def test_new_letters_are_learnt(place: Path, tmp_path: Path) -> None:
    settings = {
        "data.extend_vocabulary": True, "training.max_steps": 40, "training.validate_every": 40,
        "training.learning_rate": 0.03, "training.warmup_steps": 5, "training.metric": "loss",
    }  # fmt: skip
    start(place / "new.tsv", tmp_path / "new", place / "old", settings)
    outputs = "".join(text for text, _ in answers(tmp_path / "new", words("xyz", 20, 4)))
    assert set("xyz") <= set(outputs)


def test_without_new_items_nothing_is_added(place: Path, tmp_path: Path) -> None:
    events = said(place / "old.tsv", tmp_path / "new", place / "old", {"data.extend_vocabulary": True})
    (values,) = (event.values for event in events if event.kind == "start_from")
    assert values["added"] == {"source": 0, "source tags": 0, "target": 0}
    assert all(found["unknown"] == 0 for found in values["unknown"].values())
    assert "0.00% of its" in start_text(values)
    tokenizers = [load(folder, "cpu").source_tokenizer.to_json() for folder in (place / "old", tmp_path / "new")]
    assert tokenizers[0] == tokenizers[1]


def test_one_after_the_other(place: Path, tmp_path: Path) -> None:
    """A model that started from another one is one to start from, with more entries again."""
    extends = {"data.extend_vocabulary": True, "training.max_steps": 0}
    start(place / "new.tsv", tmp_path / "second", place / "old", extends)
    start(write(tmp_path / "third.tsv", words("abuvw", 30, 3)), tmp_path / "third", tmp_path / "second", extends)
    tokenizers = [
        load(folder, "cpu").target_tokenizer for folder in (place / "old", tmp_path / "second", tmp_path / "third")
    ]
    sizes = [tokenizer.size for tokenizer in tokenizers]
    assert sizes == [sizes[0], sizes[0] + 3, sizes[0] + 6]
    before, after = weights(tmp_path / "second"), weights(tmp_path / "third")
    assert torch.equal(after["output.weight"][: sizes[1]], before["output.weight"])
    text = words(LETTERS, 10, 5)
    assert [one for one, _ in answers(tmp_path / "third", text)] == [one for one, _ in answers(place / "old", text)]
    start(place / "old.tsv", tmp_path / "fourth", tmp_path / "third", {"training.max_steps": 0})
    assert not read_config(tmp_path / "fourth").data.extend_vocabulary  # it is asked for anew each time


VALUES: dict[str, Any] = {
    "folder": "old", "sha256": "0123456789abcdef", "training": "finished at step 7 of 7", "units": "char",
    "unknown": {"source": {"items": 200, "unknown": 5, "examples": ["x", "\x1b"]},
                "target": {"items": 0, "unknown": 0, "examples": []}},
    "added": {"source": 2, "target": 0}, "extends": False,
    "learning_rate": 5e-4, "warmup_steps": 50, "schedule": "cosine",
}  # fmt: skip


def test_what_is_said() -> None:
    assert start_text(VALUES).splitlines() == [
        "starting from old (weights 0123456789ab, finished at step 7 of 7)",
        r"  source: 2.50% of its 200 items are unknown to it, such as 'x', '\x1b'",
        "  target: 0.00% of its 0 items are unknown to it",
        "  --extend-vocabulary gives them entries of their own",
        "  training: rate up to 0.0005 after 50 steps of warm-up, then cosine",
    ]
    lines = start_text({**VALUES, "extends": True, "units": "subword"}).splitlines()
    assert lines[1].endswith("; 2 added")
    assert lines[3] == "  of subwords only characters are added: new merges are not learned"
    assert not any("--extend-vocabulary" in line for line in lines)
