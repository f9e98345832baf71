"""`split`: parts that share no source, whatever the file, and all of its usable pairs in them once."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqweave.config import DataConfig
from seqweave.data import splitting
from seqweave.data.readers import PairReader
from seqweave.data.split import source_key
from seqweave.data.splitting import SplitResult, split_data
from seqweave.errors import ConfigError, DataError, ModelFolderError
from seqweave.text.ends import trimmed

Rows = Sequence[tuple[str, ...]]


def write(path: Path, rows: Rows) -> Path:
    path.write_bytes("".join("\t".join(row) + "\n" for row in rows).encode())
    return path


def rows_of(found: SplitResult, config: DataConfig | None = None) -> dict[str, Rows]:
    """The pairs of each part, read as other commands read them."""
    result: dict[str, Rows] = {}
    for part in found.parts:
        source, *target = part.paths
        reader = PairReader(source, target[0] if target else None, config or DataConfig())
        result[part.name] = [(pair.source, pair.target, *pair.features) for pair in reader]
        assert len(result[part.name]) == part.pairs == reader.report.records
        assert len({row[0] for row in result[part.name]}) == part.sources
    return result


def contents(found: SplitResult) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for part in found.parts for path in part.paths}


def assert_whole(found: SplitResult, parts: dict[str, Rows], rows: Rows) -> None:
    """Every pair once, and no source in two parts."""
    assert sorted(row for part in parts.values() for row in part) == sorted(set(rows))
    seen = [{source_key(row[0]) for row in part} for part in parts.values()]
    assert len(set().union(*seen)) == sum(map(len, seen))
    assert found.repeated == len(rows) - len(set(rows)) == found.kept - sum(part.pairs for part in found.parts)
    assert found.records == found.kept + sum(found.dropped.values())


WORDS = [(f"word {number % 60}", f"Wort {number % 77}") for number in range(400)]


def test_parts_share_no_source_and_hold_every_pair_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", [*WORDS, ("no tab",), *WORDS[:50]])
    found = split_data(path, tmp_path / "parts")
    assert_whole(found, rows_of(found), [*WORDS, *WORDS[:50]])
    assert [(part.name, part.sources) for part in found.parts] == [("train", 48), ("dev", 6), ("test", 6)]
    assert found.dropped == {"missing_column": 1}
    assert {path.name for path in tmp_path.iterdir()} == {"a.tsv", "parts"}
    assert {path.name for path in (tmp_path / "parts").iterdir()} == {"train.tsv", "dev.tsv", "test.tsv"}


def test_the_parts_depend_on_the_sources_the_shares_and_the_seed_alone(tmp_path: Path) -> None:
    first = split_data(write(tmp_path / "a.tsv", WORDS), tmp_path / "1")
    again = split_data(tmp_path / "a.tsv", tmp_path / "2")
    assert contents(first) == contents(again)
    shuffled = random.Random(1).sample(WORDS, len(WORDS))
    other = split_data(write(tmp_path / "b.tsv", [*shuffled, *shuffled[:9]]), tmp_path / "3")
    assert {name: sorted(rows) for name, rows in rows_of(first).items()} == {
        name: sorted(rows) for name, rows in rows_of(other).items()
    }
    seeded = split_data(tmp_path / "a.tsv", tmp_path / "4", seed=2)
    assert {row[0] for row in rows_of(seeded)["test"]} != {row[0] for row in rows_of(first)["test"]}


CELL = st.text(st.sampled_from("ab\"',;\\|=é\u00a0\u200b \t\n\r\x0b\u2028가"), min_size=1, max_size=5)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=25))
def test_whatever_texts_there_are_they_are_read_back(tmp_path_factory: pytest.TempPathFactory, rows: Rows) -> None:
    folder = tmp_path_factory.mktemp("split")
    clean = [tuple(map(trimmed, row)) for row in rows if all(map(trimmed, row))]
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps({"source": row[0], "target": row[1]}) + "\n" for row in rows), encoding="utf-8")
    if len({source_key(row[0]) for row in clean}) < 3:
        with pytest.raises(DataError):
            split_data(path, folder / "parts")
        return
    found = split_data(path, folder / "parts", dev=0.2, test=0.2)
    assert_whole(found, rows_of(found), clean)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=25))
def test_tables_of_any_texts_are_split_as_they_are_read(tmp_path_factory: pytest.TempPathFactory, rows: Rows) -> None:
    """Whatever the reader makes of a file, the parts are read as the same pairs, with no option."""
    folder = tmp_path_factory.mktemp("split")
    path = folder / "a.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in rows), encoding="utf-8", newline="")
    try:
        reader = PairReader(path)
        read = [(pair.source, pair.target) for pair in reader]
        found = split_data(path, folder / "parts", dev=0.2, test=0.2)
    except DataError:
        assert not (folder / "parts").exists()
        return
    assert_whole(found, rows_of(found), read)


def test_csv_stays_csv(tmp_path: Path) -> None:
    rows = [(f'say "{number}" twice\nor more', f"x;{number}") for number in range(20)]
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("question", "answer", "label"), *((*row, "1") for row in rows)])
    found = split_data(tmp_path / "a.csv", tmp_path / "parts")
    assert [path.name for part in found.parts for path in part.paths] == ["train.csv", "dev.csv", "test.csv"]
    assert_whole(found, rows_of(found), list(rows))


def test_json_keeps_its_fields(tmp_path: Path) -> None:
    records = [{"translation": {"en": f"en {number}", "ko": f"ko {number}"}, "id": number} for number in range(20)]
    (tmp_path / "a.json").write_text(json.dumps({"data": records}), encoding="utf-8")
    config = DataConfig(source_column="translation.ko", target_column="translation.en")
    found = split_data(tmp_path / "a.json", tmp_path / "parts", config=config)
    first = json.loads((tmp_path / "parts" / "train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert set(first["translation"]) == {"ko", "en"}
    assert_whole(found, rows_of(found, config), [(f"ko {number}", f"en {number}") for number in range(20)])
    assert "translation.ko" in found.options


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (("a.de", "a.en"), ("train.de", "train.en")),
        (("a.de.gz", "a.en.gz"), ("train.de", "train.en")),
        (("source.txt", "target.txt"), ("train.source", "train.target")),
        (("one", "two"), ("train.source", "train.target")),
    ],
)
def test_parallel_files_stay_parallel(tmp_path: Path, names: tuple[str, str], written: tuple[str, str]) -> None:
    for side, name in enumerate(names):
        content = "".join(row[side] + "\n" for row in WORDS).encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    found = split_data(tmp_path / names[0], tmp_path / "parts", tmp_path / names[1])
    assert tuple(path.name for path in found.parts[0].paths) == written
    assert_whole(found, rows_of(found), WORDS)


def test_source_tags_come_along(tmp_path: Path) -> None:
    rows = [(f"word {number}", f"form {number}", "x", f"V;{number % 3}") for number in range(30)]
    config = DataConfig(feature_columns=("4",))
    found = split_data(write(tmp_path / "a.tsv", rows), tmp_path / "parts", config=config)
    again = rows_of(found, DataConfig(feature_columns=("3",)))
    assert_whole(found, again, [(row[0], row[1], row[3]) for row in rows])
    assert found.options == """ --set 'data.feature_columns=["3"]'"""


@pytest.mark.parametrize(
    ("dev", "test", "names"), [(0.5, 0.0, ["train", "dev"]), (0, 0, ["train"]), (0, 0.3, ["train", "test"])]
)
def test_a_share_of_0_gives_no_file(tmp_path: Path, dev: float, test: float, names: list[str]) -> None:
    found = split_data(write(tmp_path / "a.tsv", WORDS), tmp_path / "parts", dev=dev, test=test)
    assert [part.name for part in found.parts] == names
    assert_whole(found, rows_of(found), WORDS)


@pytest.mark.parametrize(
    ("sources", "shares", "expected"),
    [
        (3, (0.1, 0.1), [1, 1, 1]),
        (6, (0.1, 0.1), [2, 2, 2]),
        (5, (0.49, 0.49), [1, 2, 2]),
        (4, (0.1, 0), [2, 2]),
        (100, (0.05, 0.2), [75, 5, 20]),
    ],
)
def test_no_part_is_empty(tmp_path: Path, sources: int, shares: tuple[float, float], expected: list[int]) -> None:
    path = write(tmp_path / "a.tsv", [(f"s{number}", "t") for number in range(sources)])
    found = split_data(path, tmp_path / "parts", dev=shares[0], test=shares[1])
    assert [part.sources for part in found.parts] == expected


@pytest.mark.parametrize(("dev", "test"), [(-0.1, 0.1), (0.5, 0.5), (1.0, 0.0), (float("nan"), 0.1)])
def test_shares_that_are_none(tmp_path: Path, dev: float, test: float) -> None:
    with pytest.raises(ConfigError, match="--dev and --test must be shares"):
        split_data(write(tmp_path / "a.tsv", WORDS), tmp_path / "parts", dev=dev, test=test)


def test_too_few_distinct_sources(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", [("cat", "x"), ("dog", "y"), (" cat", "z")])
    with pytest.raises(
        DataError, match=r"at least 3 distinct sources, but there are only 2 in 3 usable pairs: .*--dev 0"
    ):
        split_data(path, tmp_path / "parts")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tsv", WORDS)
    with pytest.raises(DataError, match="there is something in it"):
        split_data(path, tmp_path)
    with pytest.raises(DataError, match="it is a file"):
        split_data(path, path)
    (tmp_path / "empty").mkdir()
    assert split_data(path, tmp_path / "empty").parts
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(DataError, match="the one you are in"):
        split_data(path, ".")


def test_a_second_split_into_the_same_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tsv", WORDS)
    refused = []
    real = splitting._plan

    def meanwhile(*arguments: Any) -> Any:
        with pytest.raises(ModelFolderError, match=r"another split \(process \d+\) is running in .*parts: wait"):
            split_data(path, tmp_path / "parts")
        refused.append(True)
        return real(*arguments)

    monkeypatch.setattr(splitting, "_plan", meanwhile)
    assert_whole(found := split_data(path, tmp_path / "parts"), rows_of(found), WORDS)
    assert refused
    assert {path.name for path in tmp_path.iterdir()} == {"a.tsv", "parts"}


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tsv", WORDS)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        split_data(path, tmp_path / "parts")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]
    monkeypatch.undo()
    (tmp_path / ".parts.split.tmp").mkdir()  # of a killed process
    (tmp_path / ".parts.split.tmp" / "train.tsv").touch()
    assert_whole(found := split_data(path, tmp_path / "parts"), rows_of(found), WORDS)
    assert {path.name for path in tmp_path.iterdir()} == {"a.tsv", "parts"}


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, longer = write(tmp_path / "a.tsv", WORDS), write(tmp_path / "b.tsv", [*WORDS, ("new", "neu")])
    real = splitting._plan

    def meanwhile(*given: object) -> object:
        plan = real(*given)  # type: ignore[arg-type]
        shutil.copy(longer, path)
        return plan

    monkeypatch.setattr(splitting, "_plan", meanwhile)
    with pytest.raises(DataError, match="has changed while it was read"):
        split_data(path, tmp_path / "parts")
    assert not (tmp_path / "parts").exists()
