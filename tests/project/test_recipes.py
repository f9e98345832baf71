"""The recipes of bench/quality: the right rows on the right side, from the real data."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest

from seqweave.config import PRESETS, Config, resolve_settings

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("cmudict", "multi30k-de-en", "kor-jamo", "kor-plain", "kss", "scan")

# Rows and distinct sources of train, dev and test.
COUNTS = {
    "cmudict": ((104_314, 98_251), (2_815, 2_670), (12_753, 12_000)),
    "multi30k-de-en": ((29_000, 28_975), (1_014, 1_014), (1_000, 1_000)),
    "kor-jamo": ((8_000, 8_000), (1_000, 1_000), (1_000, 1_000)),
    "kor-plain": ((8_000, 8_000), (1_000, 1_000), (1_000, 1_000)),
    "kss": ((11_062, 10_736), (618, 600), (614, 600)),
    "scan": ((15_892, 15_892), (836, 836), (4_182, 4_182)),
}


@pytest.fixture(scope="module")
def recipes() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quality_recipes", ROOT / "bench" / "quality" / "recipes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up here
    spec.loader.exec_module(module)
    return module


def test_every_recipe_is_known(recipes: ModuleType) -> None:
    assert tuple(recipes.RECIPES) == NAMES


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", NAMES)
def test_settings_are_valid(recipes: ModuleType, name: str, preset: str) -> None:
    assert isinstance(resolve_settings(preset, settings=recipes.RECIPES[name].settings), Config)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_splits_of_the_real_data(recipes: ModuleType, name: str, data_folder: Path, tmp_path: Path) -> None:
    splits = recipes.RECIPES[name].read(data_folder)
    sources = {split: {source for source, _ in rows} for split, rows in splits.items()}
    assert tuple((len(splits[split]), len(sources[split])) for split in ("train", "dev", "test")) == COUNTS[name]
    assert not sources["test"] & (sources["train"] | sources["dev"])
    # The published val of Multi30k repeats one caption of train; every other dev is disjoint.
    assert len(sources["dev"] & sources["train"]) == (1 if name == "multi30k-de-en" else 0)

    for split, path in recipes.write_splits(splits, tmp_path / "data").items():
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        assert [tuple(line.split("\t")) for line in lines] == splits[split]


def test_held_out_rows_do_not_depend_on_order(recipes: ModuleType) -> None:
    rows = [(f"w{number // 2}", str(number)) for number in range(200)]
    shuffled = random.Random(7).sample(rows, len(rows))
    parts = recipes.hold_out(rows, 10, 5)
    assert [len(part) for part in parts] == [20, 10, 170]
    assert [sorted(part) for part in recipes.hold_out(shuffled, 10, 5)] == [sorted(part) for part in parts]


def test_absent_data_is_said(recipes: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="give --data FOLDER or set SEQWEAVE_DATA"):
        recipes.find_data(tmp_path / "none")
    with pytest.raises(SystemExit, match=r"cannot read .*g014b2b.*--data"):
        recipes.cmudict(tmp_path)
