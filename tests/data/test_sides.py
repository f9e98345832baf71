"""What is held out of a file, and how a run that goes on finds it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqweave.config import Config, build_config
from seqweave.data.readers import PairReader
from seqweave.data.sides import Sides, with_boundary
from seqweave.data.split import dev_fraction, is_dev
from seqweave.errors import DataError


def sides_of(path: Path, config: Config | None = None, dev: Path | None = None) -> Sides:
    return Sides(PairReader(path), PairReader(dev) if dev else None, config or Config())


def write(path: Path, number: int, repeats: int = 1) -> Path:
    rows = [f"word {row}\t{row} {again}\n" for again in range(repeats) for row in range(number)]
    path.write_text("".join(rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("seed", range(5))
def test_the_seed_of_the_weights_changes_nothing(tmp_path: Path, seed: int) -> None:
    path = write(tmp_path / "pairs.tsv", 40, repeats=3)
    config = build_config({"training.seed": seed})
    sides, others = sides_of(path, config), sides_of(path)
    assert sides.count() == others.count() == 120
    assert list(sides.dev()) == list(others.dev())
    train, dev = {pair.source for pair in sides.train()}, {pair.source for pair in sides.dev()}
    assert not train & dev
    assert (len(train), len(dev)) == (36, 4)
    assert len([*sides.train(), *sides.dev()]) == 120


def test_a_run_that_goes_on_holds_the_same_out(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.tsv", 40)
    sides = sides_of(path)
    kept = sides.count()
    again = sides_of(path, with_boundary(Config(), sides))
    again.hold_out_as_before(kept)
    assert list(again.dev()) == list(sides.dev())
    assert list(again.train()) == list(sides.train())


def test_a_run_of_format_0_goes_by_its_seed(tmp_path: Path) -> None:
    sides = sides_of(write(tmp_path / "pairs.tsv", 40), build_config({"training.seed": 3}))
    sides.hold_out_as_before(40)
    rule = [f"word {row}" for row in range(40) if is_dev(f"word {row}", 3, dev_fraction(40, 1000))]
    assert [pair.source for pair in sides.dev()] == rule != []
    assert len(list(sides.train())) == 40 - len(rule)


def test_dev_pairs_of_their_own_hold_nothing_out(tmp_path: Path) -> None:
    path = write(tmp_path / "pairs.tsv", 3, repeats=2)
    dev = write(tmp_path / "dev.tsv", 5)
    sides = sides_of(path, dev=dev)
    assert sides.count() == len(list(sides.train())) == 6
    assert len(list(sides.dev())) == 5
    assert sides.shared == 3
    assert with_boundary(Config(), sides) == Config()


@pytest.mark.parametrize(("sources", "are"), [(1, "is"), (3, "are")])
def test_too_few_distinct_sources_are_counted(tmp_path: Path, sources: int, are: str) -> None:
    path = write(tmp_path / "pairs.tsv", sources, repeats=200)
    found = f"at least 4 distinct sources, but there {are} only {sources} in {200 * sources} usable pairs: give more"
    with pytest.raises(DataError, match=found):
        sides_of(path).count()
