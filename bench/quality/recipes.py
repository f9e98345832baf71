"""The evaluation recipes: where each data set lies, how it is split, and the settings it is trained with.

A recipe turns files of the data folder into three lists of rows, (source, target). Rows held out of
a training file are chosen by a hash of their source text, so neither the order of the file nor the
seed of a training moves them, and all rows of one source stay on one side.
"""

from __future__ import annotations

import gzip
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
SPLIT_SEED = 1

Row = tuple[str, str]
Splits = dict[str, list[Row]]  # "train", "dev", "test"


@dataclass(frozen=True)
class Recipe:
    """One data set with the settings of its model; `reported` names the splits to evaluate."""

    read: Callable[[Path], Splits]
    settings: Mapping[str, Any]
    reported: tuple[str, ...] = ("test",)


def find_data(folder: Path | None = None) -> Path:
    """The data folder: `folder`, else $SEQWEAVE_DATA, else shared/data beside the repository; exits when absent."""
    found = folder or Path(os.environ.get("SEQWEAVE_DATA") or REPOSITORY.parent / "shared" / "data")
    if not found.is_dir():
        raise SystemExit(f"the data must be in a folder, but {found} is none: give --data FOLDER or set SEQWEAVE_DATA")
    return found


def read_lines(path: Path) -> list[str]:
    """The lines of a gzipped UTF-8 file, without outer blanks; exits when it cannot be read."""
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
    except OSError as error:
        raise SystemExit(f"cannot read {path} ({error}): is --data or SEQWEAVE_DATA the right folder?") from None
    return [line.strip() for line in text.removesuffix("\n").split("\n")]


def read_rows(path: Path) -> list[Row]:
    """The rows of a gzipped file of `source<TAB>target`."""
    rows = [line.split("\t") for line in read_lines(path)]
    return [(source, target) for source, target in rows]


def hash_order(sources: Iterable[str]) -> list[str]:
    """The distinct sources, in an order that depends on nothing but each text and SPLIT_SEED."""
    salt = SPLIT_SEED.to_bytes(8, "little")
    return sorted(set(sources), key=lambda text: (blake2b(text.encode(), digest_size=8, salt=salt).digest(), text))


def hold_out(rows: Iterable[Row], *counts: int) -> list[list[Row]]:
    """Parts with all rows of `counts` distinct sources each, and at last the part with all other rows."""
    rows = list(rows)
    order = hash_order(source for source, _ in rows)
    side: dict[str, int] = {}
    first = 0
    for part, count in enumerate(counts):
        side.update(dict.fromkeys(order[first : first + count], part))
        first += count
    parts: list[list[Row]] = [[] for _ in range(len(counts) + 1)]
    for row in rows:
        parts[side.get(row[0], len(counts))].append(row)
    return parts


def cmudict(data: Path) -> Splits:
    """CMUdict g014b2b: a word and its phones; 2,670 words of train are dev."""
    dev, train = hold_out(read_rows(data / "cmudict" / "g014b2b.train.gz"), 2670)
    return {"train": train, "dev": dev, "test": read_rows(data / "cmudict" / "g014b2b.test.gz")}


def multi30k(data: Path) -> Splits:
    """Multi30k German to English, the published split (one caption of val also stands in train)."""
    splits: Splits = {}
    for split, name in (("train", "train"), ("dev", "val"), ("test", "test_2016_flickr")):
        sides = [read_lines(data / "multi30k" / f"{name}.{language}.gz") for language in ("de", "en")]
        splits[split] = [(_untabbed(source), _untabbed(target)) for source, target in zip(*sides, strict=True)]
    return splits


def _untabbed(text: str) -> str:
    """One caption holds a tab, which separates columns in the files written here."""
    return " ".join(part.strip() for part in text.split("\t"))


def korean(data: Path) -> Splits:
    """SIGMORPHON 2021, medium: a Korean word and its phones, the published split."""
    folder = data / "sigmorphon-g2p" / "2021" / "medium"
    return {split: read_rows(folder / f"kor_{split}.tsv.gz") for split in ("train", "dev", "test")}


def kss(data: Path) -> Splits:
    """KSS Korean as written to English; 600 distinct sentences are dev, 600 are test."""
    columns = [line.split("\t") for line in read_lines(data / "kss-ko-en" / "kss.tsv.gz")]
    # NFC first: two spellings of one sentence in code points are one sentence to the model as well.
    rows = [(unicodedata.normalize("NFC", row[1]).strip(), row[4].strip()) for row in columns]
    dev, test, train = hold_out(rows, 600, 600)
    return {"train": train, "dev": dev, "test": test}


def scan(data: Path) -> Splits:
    """SCAN simple: a command and its actions; 5% of the commands of train are dev."""
    train, test = (
        [_command(line) for line in read_lines(data / "scan" / f"tasks_{split}_simple.txt.gz")]
        for split in ("train", "test")
    )
    dev, train = hold_out(train, len({source for source, _ in train}) // 20)
    return {"train": train, "dev": dev, "test": test}


def _command(line: str) -> Row:
    source, target = line.removeprefix("IN: ").split(" OUT: ")
    return source, target


def write_splits(splits: Splits, folder: Path) -> dict[str, Path]:
    """Write train.tsv, dev.tsv and test.tsv; returns their paths by split."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {split: folder / f"{split}.tsv" for split in splits}
    for split, rows in splits.items():
        text = "".join(f"{source}\t{target}\n" for source, target in rows)
        paths[split].write_text(text, encoding="utf-8", newline="\n")
    return paths


_SUBWORD = {"units": "subword", "subword_model": "bpe", "lowercase": True}
_TRANSLATION = {
    "model.embedding_size": 256,
    "model.encoder_hidden_size": 256,
    "model.decoder_hidden_size": 512,
    "model.tie_embeddings": True,
    "model.dropout": 0.4,
    "model.embedding_dropout": 0.3,
    "model.word_dropout": 0.05,
    "training.batch_tokens": 4096,
    "training.metric": "bleu",
}
_PHONES = {"data.source.units": "char", "data.target.units": "space", "training.metric": "token_error_rate"}
_KOREAN = {
    **_PHONES,
    "model.embedding_size": 128,
    "model.encoder_hidden_size": 128,
    "model.decoder_hidden_size": 256,
    "model.encoder_layers": 2,
    "model.dropout": 0.4,
    "training.max_epochs": 110,
    "training.batch_tokens": 2048,
    "training.average_checkpoints": 5,
    "training.metric": "exact_match",
}


def _subwords(size: int) -> dict[str, Any]:
    """Both sides as at most `size` lower-cased subwords each."""
    values = {**_SUBWORD, "max_size": size}
    return {f"data.{side}.{key}": value for side in ("source", "target") for key, value in values.items()}


RECIPES: dict[str, Recipe] = {
    "cmudict": Recipe(
        cmudict,
        {
            **_PHONES,
            "model.embedding_size": 128,
            "model.encoder_hidden_size": 256,
            "model.decoder_hidden_size": 512,
            "model.encoder_layers": 2,
            "model.dropout": 0.3,
            "training.max_epochs": 20,
            "training.learning_rate": 2e-3,
            "training.average_checkpoints": 3,
            "training.metric": "exact_match",
        },
    ),
    "multi30k-de-en": Recipe(multi30k, {**_subwords(6000), **_TRANSLATION, "training.max_epochs": 16}),
    "kor-jamo": Recipe(korean, {**_KOREAN, "data.source.jamo": True}, ("dev", "test")),
    "kor-plain": Recipe(korean, {**_KOREAN, "data.source.jamo": False}, ("dev", "test")),
    "kss": Recipe(
        kss,
        {
            **_subwords(4000),
            **_TRANSLATION,
            "model.dropout": 0.3,
            "model.embedding_dropout": 0.2,
            "training.max_epochs": 30,
            "training.batch_tokens": 2048,
            "training.learning_rate": 2e-3,
        },
    ),
    "scan": Recipe(
        scan,
        {
            "data.source.units": "space",
            "data.target.units": "space",
            "model.embedding_size": 64,
            "model.encoder_hidden_size": 128,
            "model.decoder_hidden_size": 256,
            "model.attention_position": "between",
            "model.decoder_layers": 2,
            "training.max_epochs": 44,
            "training.average_checkpoints": 5,
            "training.metric": "exact_match",
        },
    ),
}
