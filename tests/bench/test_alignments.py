"""The recipe of bench/alignments: its text is written as the gold is, and it runs from nothing to a table."""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from quick import slow

ALIGNMENTS = Path(__file__).resolve().parents[2] / "bench" / "alignments"
NAMES = {path.stem for path in ALIGNMENTS.glob("*.py")}


@pytest.fixture(scope="module")
def module() -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of bench/alignments; its common names are gone again afterwards."""
    sys.path.insert(0, str(ALIGNMENTS))
    before = {name: sys.modules.pop(name) for name in NAMES & set(sys.modules)}
    yield importlib.import_module
    sys.path.remove(str(ALIGNMENTS))
    for name in NAMES & set(sys.modules):
        del sys.modules[name]
    sys.modules.update(before)


ENGLISH = {
    "Don't let's go, Mr. Speaker. I can't!": "do not let us go , mr. speaker . i cannot !",
    "It's John’s; he won't pay $5.23 at 6 p.m. (yet).": "it 's john 's ; he will not pay $ 5.23 at 6 p.m. ( yet ) .",
    "We’ve a well-known friend…": "we have a well - known friend …",
    "": "",
}
FRENCH = {
    "L'état n’est pas d'accord : il va au bois du roi.": ("le état ne est pas de accord : il va à le bois de le roi ."),
    "Peut-être qu'il a vu des gens aujourd'hui, aux Indes ?": (
        "peut - être que il a vu de les gens aujourd' hui , à les indes ?"
    ),
    "M. Tremblay, 6,42 $\u202f!": "m. tremblay , 6,42 $ !",
}


def test_text_is_written_as_the_gold_is(module: Callable[[str], ModuleType]) -> None:
    hansards = module("hansards")
    assert {text: hansards.english(text) for text in ENGLISH} == ENGLISH
    assert {text: hansards.french(text) for text in FRENCH} == FRENCH


def test_most_sentences_of_the_gold_stay_as_they_are(module: Callable[[str], ModuleType], data_folder: Path) -> None:
    hansards, run = module("hansards"), module("run")
    sentences, _ = run.read_gold_set(data_folder / "word-alignments", "enfr")
    lowered = [(" ".join(source), " ".join(target)) for source, target in run.lowered(sentences)]
    same = [(hansards.english(source) == source) + (hansards.french(target) == target) for source, target in lowered]
    assert sum(same) > 1.9 * len(same)


def write_gz(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A little of each set, in the layout of the real ones."""
    numbers = ["one", "two", "three", "four", "five", "six"], ["un", "deux", "trois", "quatre", "cinq", "six"]
    pairs = [
        (f"I see {a} and {b}.", f"Je vois {c} et {d}.")
        for a, c in zip(*numbers, strict=True)
        for b, d in zip(*numbers, strict=True)
    ]
    folder = tmp_path / "data"
    write_gz(folder / "tatoeba-eng-fra" / "eng-fra.tsv.gz", *(f"{one}\t{other}" for one, other in pairs), "Empty.\t")
    write_gz(folder / "multi30k" / "train.en.gz", "The man's dog.", "word " * 60)
    write_gz(folder / "multi30k" / "train.fr.gz", "Le chien de l'homme.", "mot " * 60)
    write_gz(folder / "word-alignments" / "enfr.src-tgt.gz", "I see one . ||| je vois un .", "Two ||| deux")
    write_gz(folder / "word-alignments" / "enfr.gold.gz", "1-1 2-2 3-3 4p4", "1-1")
    return folder


def test_pairs_to_learn_from(module: Callable[[str], ModuleType], data: Path, tmp_path: Path) -> None:
    recipe = module("recipe")
    pairs = recipe.read_pairs(data)
    assert len(pairs) == 37
    assert ("the man 's dog .", "le chien de le homme .") in pairs
    assert pairs != sorted(pairs)
    path = recipe.write_pairs(pairs, tmp_path / "pairs.tsv")
    time = path.stat().st_mtime_ns
    assert recipe.write_pairs(pairs, path).stat().st_mtime_ns == time


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [[1], slow([1, 2])], ids=["a seed", "two seeds"])
def test_the_recipe_runs_and_goes_on(
    module: Callable[[str], ModuleType],
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    seeds: list[int],
) -> None:
    recipe = module("recipe")
    small = ["training.max_steps=2", "data.dev_size=4", "data.source.max_size=60", "data.target.max_size=60"]
    small += [f"model.{name}=8" for name in ("embedding_size", "encoder_hidden_size", "decoder_hidden_size")]
    given = argparse.Namespace(output=tmp_path / "out", data=data, limit=30, seeds=seeds, device="cpu", set=small)
    results = recipe.run(given)
    assert list(results) == ["IBM 1", "diagonal prior", "attention", "attention, shifted"]
    assert set(results["attention"]) == {"forward", "backward", *recipe.SYMMETRIES}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("pairs.tsv", "reversed.tsv", "result.json"),
        *(f"{way}-{seed}" for way in ("forward", "backward") for seed in seeds),
        *(f".{way}-{seed}.lock" for way in ("forward", "backward") for seed in seeds),
    }
    assert "| attention, shifted | " in capsys.readouterr().out
    written = (tmp_path / "out" / "result.json").read_text(encoding="utf-8")
    assert json.loads(written)["IBM 1"]["forward"]["aer"] == pytest.approx(results["IBM 1"]["forward"].aer)
    recipe.run(given)
    assert "resumed" not in capsys.readouterr().err  # all is trained already
    assert (tmp_path / "out" / "result.json").read_text(encoding="utf-8") == written
