"""Starting from a model on real data: the tables of docs/benchmarks.md, "Start from a model".

    python bench/quality/start_from.py languages -o runs/start-from
    python bench/quality/start_from.py cmudict -o runs/start-from
    python bench/quality/start_from.py multi30k -o runs/start-from
    python bench/quality/start_from.py table -o runs/start-from        # what is there, as markdown

A run is a folder `EXPERIMENT/seedN/NAME`, its outputs are `NAME.jsonl`. The same command again goes on where it was
stopped and leaves finished runs alone. Everything that was chosen was chosen on dev: `--split dev` shows those figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from start_from_data import EXPERIMENTS, Experiment, Work
from start_from_tables import table

import seqweave
from seqweave.config import parse_setting
from seqweave.errors import SeqweaveError

sys.path.append(str(Path(__file__).resolve().parents[1]))
from recipe_runs import Progress, find_data


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*EXPERIMENTS, "table"])
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/start-from"), metavar="DIR")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="default: $SEQWEAVE_DATA, else ../shared/data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these works alone, and what they start from")
    parser.add_argument("--split", choices=["test", "dev"], default="test", help="what is decoded, or shown")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of works that start from one")
    parser.add_argument("--tag", default="", help="with --set: added to the names of these works")
    return parser.parse_args()


def run(experiment: Experiment, arguments: argparse.Namespace) -> None:
    """Train and decode all works of an experiment."""
    files = experiment.write(find_data(arguments.data), arguments.output / experiment.name / "data")
    wanted = arguments.only or [work.name for work in experiment.works]
    needed = {work.start for work in experiment.works if work.name in wanted}
    for seed in arguments.seeds:
        folder = arguments.output / experiment.name / f"seed{seed}"
        for work in experiment.works:
            if work.name in wanted or work.name in needed:
                chosen = arguments.set if work.name in wanted and work.start else []
                name = work.name + (arguments.tag if chosen else "")
                train(work, files, folder, name, seed, chosen)
                if work.name in wanted:
                    for split in work.decoded:
                        if (split == "dev" or split.startswith("dev-")) == (arguments.split == "dev"):
                            decode(folder / name, files[work.name][split], folder / f"{name}.{split}.jsonl")


def train(
    work: Work, files: Mapping[str, Mapping[str, Path]], folder: Path, name: str, seed: int, chosen: Sequence[str]
) -> None:
    """Train one work, or go on with it; how long it took goes beside it."""
    paths = files[work.name]
    settings: dict[str, Any] = {**work.settings, **dict(map(parse_setting, chosen))}
    began = time.perf_counter()
    result = seqweave.train(
        paths["train"],
        folder / name,
        dev=paths.get("dev"),
        settings=settings,
        seed=seed,
        start_from=folder / work.start if work.start else None,
        mix=paths["mix"] if work.mixes else None,
        listen=Progress(),
    )
    if result.status == "finished":
        cost = {"seconds": time.perf_counter() - began, "steps": result.step, "settings": settings}
        (folder / f"{name}.json").write_text(json.dumps(cost, indent=2) + "\n", encoding="utf-8")
    print(f"{folder / name}: {result.status}", file=sys.stderr)


def decode(model_folder: Path, pairs: Path, out: Path) -> None:
    """The output for each distinct source of a file, with its references."""
    if out.exists():
        return
    references: dict[str, list[str]] = {}
    for line in pairs.read_text(encoding="utf-8").removesuffix("\n").split("\n"):
        source, target, *tags = line.split("\t")
        references.setdefault("\t".join((source, *tags)), []).append(target)
    model = seqweave.load(model_folder)
    outputs = [found.text for found in model.predict(list(references), beam_size=5)]
    rows = [
        json.dumps({"source": source, "targets": targets, "output": output}, ensure_ascii=False)
        for (source, targets), output in zip(references.items(), outputs, strict=True)
    ]
    out.write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    given = parse_arguments()
    try:
        if given.what == "table":
            print(table(given.output, given.seeds, given.split))
        else:
            run(EXPERIMENTS[given.what], given)
    except SeqweaveError as error:
        sys.exit(str(error))
