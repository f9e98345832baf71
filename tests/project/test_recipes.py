"""The recipes of bench/quality: the right rows on the right side, from the real data; their tables."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from quick import quick_are
from seqweave.config import PRESETS, Config, resolve_settings

QUALITY = Path(__file__).resolve().parents[2] / "bench" / "quality"

# Rows and distinct sources of train, dev and test.
COUNTS = {
    "cmudict": ((104_314, 98_251), (2_815, 2_670), (12_753, 12_000)),
    "multi30k-de-en": ((29_000, 28_975), (1_014, 1_014), (1_000, 1_000)),
    "kor-jamo": ((8_000, 8_000), (1_000, 1_000), (1_000, 1_000)),
    "kor-plain": ((8_000, 8_000), (1_000, 1_000), (1_000, 1_000)),
    "kss": ((11_062, 10_736), (618, 600), (614, 600)),
    "scan": ((15_892, 15_892), (836, 836), (4_182, 4_182)),
    "scan-length": ((16_141, 16_141), (849, 849), (3_920, 3_920)),
    "cogs": ((24_155, 24_155), (3_000, 3_000), (2_500, 2_500)),
    "kor-inflection-large": ((7_000, 6_874), (987, 987), (1_964, 1_964)),
    "kor-inflection-small": ((700, 699), (987, 987), (1_964, 1_964)),
    "kor-chatbot": ((10_301, 10_162), (503, 500), (509, 500)),
    "wikisplit-plain": ((4_750, 4_750), (250, 250), (5_000, 5_000)),
    "wikisplit-copy": ((4_750, 4_750), (250, 250), (5_000, 5_000)),
    "scitldr-plain": ((1_992, 1_991), (1_453, 618), (976, 309)),
    "scitldr-copy": ((1_992, 1_991), (1_453, 618), (976, 309)),
}
NAMES = tuple(COUNTS)
SHARED = {"multi30k-de-en": 1, "scitldr-plain": 1, "scitldr-copy": 1}
"""Sources of the published dev that also stand in train."""


@pytest.fixture(scope="module")
def quality() -> Iterator[dict[str, ModuleType]]:
    """The modules of bench/quality by name; their common names are gone again afterwards."""
    names = ("splits", "recipes", "run", "family", "recipe_tables", "recipe_runs")
    sys.path.insert(0, str(QUALITY))
    yield {name: importlib.import_module(name) for name in names}
    sys.path.remove(str(QUALITY))
    for name in names:
        del sys.modules[name]


@pytest.fixture(scope="module")
def recipes(quality: dict[str, ModuleType]) -> ModuleType:
    return quality["recipes"]


@pytest.fixture(scope="module")
def splits(quality: dict[str, ModuleType]) -> ModuleType:
    return quality["splits"]


def test_every_recipe_is_known(recipes: ModuleType) -> None:
    assert tuple(recipes.RECIPES) == NAMES


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", NAMES)
def test_settings_are_valid(recipes: ModuleType, name: str, preset: str) -> None:
    assert isinstance(resolve_settings(preset, settings=recipes.RECIPES[name].settings), Config)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", quick_are(["kor-plain", "kor-inflection-small", "scitldr-copy"], NAMES))
def test_splits_of_the_real_data(
    recipes: ModuleType, splits: ModuleType, name: str, data_folder: Path, tmp_path: Path
) -> None:
    found = recipes.RECIPES[name].read(data_folder)
    sources = {split: {source for source, _ in rows} for split, rows in found.items()}
    assert tuple((len(found[split]), len(sources[split])) for split in ("train", "dev", "test")) == COUNTS[name]
    assert len(sources["test"] & (sources["train"] | sources["dev"])) == (1 if "scitldr" in name else 0)
    assert len(sources["dev"] & sources["train"]) == SHARED.get(name, 0)

    for split, path in splits.write_splits(found, tmp_path / "data").items():
        columns = {line.count("\t") for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n")}
        assert columns == {2 if "inflection" in name else 1}
        assert splits.read_split(path) == found[split]


def test_held_out_rows_do_not_depend_on_order(splits: ModuleType) -> None:
    rows = [(f"w{number // 2}", str(number)) for number in range(200)]
    shuffled = random.Random(7).sample(rows, len(rows))
    parts = splits.hold_out(rows, 10, 5)
    assert [len(part) for part in parts] == [20, 10, 170]
    assert [sorted(part) for part in splits.hold_out(shuffled, 10, 5)] == [sorted(part) for part in parts]


def test_absent_data_is_said(quality: dict[str, ModuleType], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="give --data FOLDER or set SEQWEAVE_DATA"):
        quality["recipe_runs"].find_data(tmp_path / "none")
    with pytest.raises(SystemExit, match=r"cannot read .*g014b2b.*--data"):
        quality["splits"].cmudict(tmp_path)


def test_features_are_the_last_column(splits: ModuleType, tmp_path: Path) -> None:
    rows = [("하다\tV;PST", "했다"), ("가다\tV", "가")]
    path = splits.write_splits({"train": rows}, tmp_path)["train"]
    assert path.read_text(encoding="utf-8") == "하다\t했다\tV;PST\n가다\t가\tV\n"
    assert splits.read_split(path) == rows


def test_rows_of_the_family_are_of_one_size(quality: dict[str, ModuleType]) -> None:
    family = quality["family"]
    for name in family.ROWS:
        settings = family.settings_of(name, 100, {})
        assert settings["training.max_steps"] == 100
        family.check_size(name, family.size_of(settings))
    with pytest.raises(SystemExit, match=r"dot must have 8,000,000 to 10,000,000 parameters, but it has 7"):
        family.check_size("dot", 7)


def test_the_family_differs_in_network_rate_and_coverage_loss_alone(quality: dict[str, ModuleType]) -> None:
    family = quality["family"]
    settings = [family.settings_of(name, 100, {}) for name in family.ROWS]
    own = {*family.TRANSFORMER_RATE, "training.coverage_weight"}
    rest = [{k: v for k, v in one.items() if not k.startswith("model.") and k not in own} for one in settings]
    assert all(one == rest[0] for one in rest)


def test_tables(quality: dict[str, ModuleType]) -> None:
    way = {"exact_match": 61.234, "perplexity": 1.5, "intervals": {"exact_match": [59.01, 63.4]}}
    result = {
        "recipe": "cogs",
        "parameters": 1234,
        "train_seconds": 9.6,
        "resumed": True,
        "splits": {"dev": {"beam5": way, "greedy": {**way, "exact_match": 60}}},
    }
    assert quality["recipe_tables"].table([result], ("exact_match", "perplexity")).split("\n") == [
        "| data | split | exact match | perplexity, teacher-forced | parameters | seconds |",
        "|---|---|---:|---:|---:|---:|",
        "| cogs | dev | 61.23 / 60.00 (59.0 to 63.4) | 1.50 | 1,234 | 10 * |",
    ]
