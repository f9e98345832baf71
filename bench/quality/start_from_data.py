"""What `start_from.py` trains: three experiments, each a list of works and the files they need.

- languages: one model of the ten medium languages of SIGMORPHON 2021 with a tag for each; then the six low-resource
  languages, 800 pairs each, whose tags and some of whose letters and phones are new to it.
- cmudict: a model that has never seen a word with "sch"; then 500 such words, and 500 others to test.
- multi30k: French to English; then German to English with 2,000 and with all pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splits import Row, hash_order, hold_out, multi30k, read_rows

Files = dict[str, dict[str, Path]]  # of each work: train, dev, mix, and what is decoded

MEDIUM = ("arm_e", "bul", "dut", "fre", "geo", "hbs_latn", "hun", "jpn_hira", "kor", "vie_hanoi")
LOW = ("ady", "gre", "khm", "mlt_latn", "slv", "wel_sw")
RULE = "SCH"  # in capitals, as CMUdict has its words
ADDED = 500

_PHONES = {
    "data.source.units": "char",
    "data.target.units": "space",
    "training.metric": "exact_match",
    "model.embedding_size": 128,
    "model.encoder_hidden_size": 128,
    "model.decoder_hidden_size": 256,
    "model.dropout": 0.3,
}
_SUBWORDS = {
    f"data.{side}.{key}": value
    for side in ("source", "target")
    for key, value in {"units": "subword", "lowercase": True, "max_size": 6000}.items()
}


@dataclass(frozen=True)
class Work:
    """One training: its name, what it starts from, its settings, whether old pairs are mixed in, what is decoded."""

    name: str
    settings: Mapping[str, Any]
    start: str = ""
    mixes: bool = False
    decoded: tuple[str, ...] = ("test", "dev")


@dataclass(frozen=True)
class Experiment:
    """Some works, and what writes their files into a folder."""

    name: str
    works: tuple[Work, ...]
    write: Callable[[Path, Path], Files] = field(compare=False)


def _save(rows: list[Row], path: Path) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{source}\t{target}\n" for source, target in rows), encoding="utf-8")
    return path


def _tagged(rows: list[Row], language: str) -> list[Row]:
    return [(source, f"{target}\t{language}") for source, target in rows]


def _languages(data: Path, folder: Path) -> Files:
    def rows(size: str, language: str, split: str) -> list[Row]:
        return _tagged(read_rows(data / "sigmorphon-g2p" / "2021" / size / f"{language}_{split}.tsv.gz"), language)

    def save(name: str, size: str, languages: tuple[str, ...], split: str, most: int | None = None) -> Path:
        found = [row for language in languages for row in rows(size, language, split)[:most]]
        return _save(found, folder / f"{name}.{split}.tsv")

    files = {"old": {split: save("old", "medium", MEDIUM, split, 100) for split in ("dev", "test")}}
    files["old"]["train"] = save("old", "medium", MEDIUM, "train")
    for language in LOW:
        found = {split: save(language, "low", (language,), split) for split in ("train", "dev", "test")}
        files[f"{language}-new"] = files[f"{language}-from"] = found
    return files


def _cmudict(data: Path, folder: Path) -> Files:
    train = read_rows(data / "cmudict" / "g014b2b.train.gz")
    ruled = [row for row in train if RULE in row[0]]
    words = hash_order(source for source, _ in ruled)
    added, tested = set(words[:ADDED]), set(words[ADDED : 2 * ADDED])
    dev, rest = hold_out([row for row in train if RULE not in row[0]], 2670)
    old_test = [row for row in read_rows(data / "cmudict" / "g014b2b.test.gz") if RULE not in row[0]]
    old = {"train": _save(rest, folder / "old.train.tsv"), "dev": _save(dev, folder / "old.dev.tsv")}
    old |= {"test-old": _save(old_test, folder / "old.test.tsv"), "dev-old": old["dev"]}
    old["test-new"] = _save([row for row in ruled if row[0] in tested], folder / "new.test.tsv")
    new = {**old, "train": _save([row for row in ruled if row[0] in added], folder / "new.train.tsv")}
    new["mix"] = old["train"]
    del new["dev"]  # some of the 500 are held out, as for anybody
    return {"old": old, "from": new, "from-mixed": new}


def _multi30k(data: Path, folder: Path) -> Files:
    files: Files = {}
    for language in ("fr", "de"):
        splits = multi30k(data, language)
        saved = {split: _save(rows, folder / f"{language}.{split}.tsv") for split, rows in splits.items()}
        if language == "fr":
            files["old"] = saved
            continue
        few = {**saved, "train": _save(splits["train"][:2000], folder / "de-2000.train.tsv")}
        files |= {"de-2000-new": few, "de-2000-from": few, "de-new": saved, "de-from": saved}
    return files


def _from(settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"data.extend_vocabulary": True, **(settings or {})}


_OLD_LANGUAGES = {**_PHONES, "data.feature_columns": ["3"], "training.max_epochs": 8, "training.learning_rate": 3e-3}
_NEW_LANGUAGES = {**_PHONES, "data.feature_columns": ["3"], "training.learning_rate": 3e-3}
_TRANSLATION = {
    **_SUBWORDS,
    "model.embedding_size": 256,
    "model.encoder_hidden_size": 256,
    "model.decoder_hidden_size": 512,
    "model.tie_embeddings": True,
    "model.dropout": 0.3,
    "model.embedding_dropout": 0.2,
    "model.word_dropout": 0.05,
    "training.learning_rate": 2e-3,
    "training.metric": "bleu",
}

EXPERIMENTS: dict[str, Experiment] = {
    "languages": Experiment(
        "languages",
        (
            Work("old", _OLD_LANGUAGES),
            *(
                work
                for language in LOW
                for work in (
                    Work(f"{language}-new", _NEW_LANGUAGES),
                    Work(f"{language}-from", _from(), "old"),
                )
            ),
        ),
        _languages,
    ),
    "cmudict": Experiment(
        "cmudict",
        (
            Work(
                "old",
                {**_PHONES, "training.max_epochs": 6, "training.learning_rate": 3e-3},
                decoded=("test-old", "test-new", "dev-old"),
            ),
            Work("from", {}, "old", decoded=("test-old", "test-new", "dev-old")),
            Work("from-mixed", {}, "old", mixes=True, decoded=("test-old", "test-new", "dev-old")),
        ),
        _cmudict,
    ),
    "multi30k": Experiment(
        "multi30k",
        (
            Work("old", {**_TRANSLATION, "training.max_epochs": 8}),
            Work("de-2000-new", {**_TRANSLATION, "training.max_epochs": 60}),
            Work("de-2000-from", _from(), "old"),
            Work("de-new", {**_TRANSLATION, "training.max_epochs": 8}),
            Work("de-from", _from({"training.max_epochs": 8}), "old"),
        ),
        _multi30k,
    ),
}
