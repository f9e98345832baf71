"""Data sets as rows for training, dev and test.

A row is (source, target). A source with features is written as the model reads it: text, tab, cells of
features. Rows held out of a training file are chosen by a hash of their source text, so neither the order
of the file nor the seed of a training moves them, and all rows of one source stay on one side.
"""

from __future__ import annotations

import csv
import gzip
import json
import unicodedata
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

SPLIT_SEED = 1

Row = tuple[str, str]
Splits = dict[str, list[Row]]  # "train", "dev", "test"


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


def multi30k(data: Path, language: str = "de") -> Splits:
    """Multi30k German (or French: `fr`) to English, the published split (one caption of val also stands in train)."""
    splits: Splits = {}
    for split, name in (("train", "train"), ("dev", "val"), ("test", "test_2016_flickr")):
        sides = [read_lines(data / "multi30k" / f"{name}.{side}.gz") for side in (language, "en")]
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


def scan(data: Path, kind: str = "simple") -> Splits:
    """SCAN: a command and its actions; 5% of the commands of train are dev.

    `kind` is the split: `simple`, or `length`, whose test actions are longer than all of train.
    """
    train, test = (
        [_command(line) for line in read_lines(data / "scan" / f"tasks_{split}_{kind}.txt.gz")]
        for split in ("train", "test")
    )
    dev, train = hold_out(train, len({source for source, _ in train}) // 20)
    return {"train": train, "dev": dev, "test": test}


def _command(line: str) -> Row:
    source, target = line.removeprefix("IN: ").split(" OUT: ")
    return source, target


def cogs(data: Path) -> Splits:
    """COGS: a sentence and its logical form, the standard split; the third column, the kind, is left out."""
    splits: Splits = {}
    for split in ("train", "dev", "test"):
        columns = [line.split("\t") for line in read_lines(data / "cogs" / f"{split}.tsv.gz")]
        splits[split] = [(row[0], row[1]) for row in columns]
    return splits


def inflection(data: Path, size: str) -> Splits:
    """SIGMORPHON 2022 Korean, `small` or `large`: a lemma with its tags and the form, the standard split.

    `INFM+POL` becomes two tags, because most combinations in dev and test do not occur in train.
    """
    folder = data / "sigmorphon-inflection" / "2022"
    files = {"train": f"kor_{size}.train.gz", "dev": "kor.dev.gz", "test": "kor.gold.gz"}
    splits: Splits = {}
    for split, name in files.items():
        columns = [line.split("\t") for line in read_lines(folder / name)]
        splits[split] = [(f"{lemma}\t{tags.replace('+', ';')}", form) for lemma, form, tags in columns]
    return splits


def chatbot(data: Path) -> Splits:
    """Korean questions and answers; 500 distinct questions are dev, 500 are test."""
    rows = list(csv.reader(read_lines(data / "korean-chatbot" / "ChatbotData.csv.gz")))[1:]
    texts = [[_untabbed(unicodedata.normalize("NFC", cell)) for cell in row[:2]] for row in rows]
    dev, test, train = hold_out([(question, answer) for question, answer in texts], 500, 500)
    return {"train": train, "dev": dev, "test": test}


def wikisplit(data: Path) -> Splits:
    """WikiSplit: one sentence to two; its `tune` is train, but for 250 sentences (dev), its `validation` is test.

    What stands between the two is left out: `<::::>` would be five items of every target, right for nothing.
    """
    tune, test = (
        [
            (_unspaced(source), _unspaced(target.replace("<::::>", " ")))
            for source, target in read_rows(data / "wikisplit" / f"{name}.tsv.gz")
        ]
        for name in ("tune", "validation")
    )
    dev, train = hold_out(tune, 250)
    return {"train": train, "dev": dev, "test": test}


def _unspaced(text: str) -> str:
    return " ".join(text.split())


def scitldr(data: Path) -> Splits:
    """SciTLDR-A: an abstract and its summaries, each a row; the standard split, half of its test."""
    splits: Splits = {}
    for split, name in (("train", "train"), ("dev", "dev"), ("test", "test-half")):
        papers = [json.loads(line) for line in read_lines(data / "scitldr-a" / f"{name}.jsonl.gz")]
        splits[split] = [
            (_unspaced(" ".join(paper["source"])), _unspaced(summary))
            for paper in papers
            for summary in paper["target"]
        ]
    return splits


def write_splits(splits: Splits, folder: Path) -> dict[str, Path]:
    """Write train.tsv, dev.tsv and test.tsv (source, target, cells of features); returns their paths by split."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {split: folder / f"{split}.tsv" for split in splits}
    for split, rows in splits.items():
        text = "".join("\t".join(_columns(row)) + "\n" for row in rows)
        paths[split].write_text(text, encoding="utf-8", newline="\n")
    return paths


def _columns(row: Row) -> list[str]:
    source, *features = row[0].split("\t")
    return [source, row[1], *features]


def read_split(path: Path) -> list[Row]:
    """The rows of a file of `write_splits`."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n")]
    return [("\t".join((source, *features)), target) for source, target, *features in lines]
