"""Train and evaluate one recipe on real data: the figures of docs/benchmarks.md.

    python bench/quality/run.py cmudict -o runs/cmudict --seed 1

Writes DIR/data/{train,dev,test}.tsv, the model to DIR/model and all figures to DIR/result.json, and
prints a row of a markdown table for each evaluated split. The split of the data is the same for every
seed. The same command again resumes; `resumed` in result.json then says that `train_seconds` is not
the whole time.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import torch
from recipes import RECIPES, Recipe
from splits import Row, hash_order, write_splits

import seqweave
from seqweave.config import parse_setting
from seqweave.errors import SeqweaveError
from seqweave.evaluation.evaluate import evaluate_model
from seqweave.predictor import Model

sys.path.append(str(Path(__file__).resolve().parents[1]))
from recipe_runs import Progress, find_data

BEAM_SIZES = {"beam5": 5, "greedy": 1}
SAMPLES = 5


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=RECIPES, metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder of the run (default: runs/NAME)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="default: $SEQWEAVE_DATA, else ../shared/data")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--plain", action="store_true", help="the preset as it is: of the recipe only data and metric")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="overrides the recipe")
    parser.add_argument("--prepare-only", action="store_true", help="write the TSV files and stop")
    return parser.parse_args()


def evaluate_rows(model: Model, rows: list[Row]) -> dict[str, Any]:
    """Metrics of each way to search, and a few outputs: always those of the same sources, not the best ones."""
    sources, targets = [source for source, _ in rows], [target for _, target in rows]
    result: dict[str, Any] = {}
    for way, beam_size in BEAM_SIZES.items():
        begin = time.perf_counter()
        result[way] = evaluate_model(model, sources, targets, beam_size=beam_size).to_json()
        result[way]["evaluate_seconds"] = time.perf_counter() - begin
    chosen = hash_order(sources)[:SAMPLES]
    result["samples"] = [
        {"source": source, "output": found.text, "targets": [target for text, target in rows if text == source]}
        for source, found in zip(chosen, model.predict(chosen, beam_size=BEAM_SIZES["beam5"]), strict=True)
    ]
    return result


def processor(device: torch.device) -> str:
    """The name of the processor which did the work."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().split("\n"):
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def table_rows(name: str, result: dict[str, Any]) -> list[str]:
    """One markdown row for each evaluated split: beam 5 / greedy (the error of whole outputs is 100 - exact match)."""
    rows = []
    for split, found in result["splits"].items():
        figures = [
            " / ".join(f"{found[way][metric]:.2f}" for way in BEAM_SIZES)
            for metric in ("exact_match", "token_error_rate", "bleu", "chrf", "perplexity")
        ]
        cost = [f"{result['parameters']:,}", f"{result['train_seconds']:.0f} s", str(result["seed"])]
        rows.append(f"| {' | '.join([f'{name} {split}', *figures, *cost])} |")
    return rows


def chosen_settings(recipe: Recipe, arguments: argparse.Namespace) -> dict[str, Any]:
    """The recipe's settings under those of the command line."""
    settings = dict(recipe.settings)
    if arguments.plain:
        settings = {
            key: value for key, value in settings.items() if key.startswith("data.") or key == "training.metric"
        }
    return {**settings, **dict(map(parse_setting, arguments.set))}


def run(arguments: argparse.Namespace) -> None:
    """Prepare, train, evaluate, write and print."""
    recipe = RECIPES[arguments.name]
    folder: Path = arguments.output or Path("runs") / arguments.name
    splits = recipe.read(find_data(arguments.data))
    paths = write_splits(splits, folder / "data")
    print(", ".join(f"{split} {len(rows):,} rows" for split, rows in splits.items()), file=sys.stderr)
    if arguments.prepare_only:
        return
    settings = chosen_settings(recipe, arguments)
    progress = Progress()
    begin = time.perf_counter()
    seqweave.train(
        paths["train"],
        folder / "model",
        dev=paths["dev"],
        preset=arguments.preset,
        settings=settings,
        seed=arguments.seed,
        device=arguments.device,
        listen=progress,
    )
    seconds = time.perf_counter() - begin
    model = seqweave.load(folder / "model", device=arguments.device)
    result = {
        "recipe": arguments.name,
        "preset": arguments.preset,
        "command": shlex.join(["python", *sys.argv]),
        "seed": arguments.seed,
        "settings": settings,
        "rows": {split: len(rows) for split, rows in splits.items()},
        "parameters": sum(weights.numel() for weights in model.network.parameters()),
        "train_seconds": seconds,
        "resumed": progress.resumed,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": processor(torch.device(model.device)),
        "splits": {split: evaluate_rows(model, splits[split]) for split in recipe.reported},
    }
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    (folder / "result.json").write_text(text, encoding="utf-8")
    print(*table_rows(arguments.name, result), sep="\n")


if __name__ == "__main__":
    try:
        run(parse_arguments())
    except SeqweaveError as problem:
        raise SystemExit(str(problem)) from None
