"""Two checkouts beside each other: does a change make training or decoding slower?

    python bench/speed/before_after.py OLD_CHECKOUT --data PEERS_ROOT/data --out runs/before_after.md

For every row (a work and a variant, see works.py) each checkout runs in a process of its own, with its own `ours.py`
and `src`. They take turns, A B, B A, A B, ..., so that what the machine does beside hits both, and both start anew
every few rounds: where the weights of a process happen to lie in memory is worth up to 12% of decoding one at a time,
for as long as the process lives. A round is a ratio, old seconds by new seconds: above 1, the new one is faster. The
table gives the median of the rounds, and the 95% interval of their geometric mean (Student's t over the logarithms).
The data are those of the peers' bench (`setup.sh data`); models that decode have trained for a few steps.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import describe

ROOT = Path(__file__).resolve().parents[2]
TRAINED = ("after", "after,fp32,gru", "between", "before", "transformer")
DECODED = ("after", "between", "before", "transformer")
STUDENT = {8: 2.306, 9: 2.262, 10: 2.228, 11: 2.201, 12: 2.179, 13: 2.160, 14: 2.145}  # 97.5% by degrees of freedom
FEWEST_ROUNDS = 9
ROUNDS_A_START = 3


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="the checkout to compare with")
    parser.add_argument("--data", type=Path, required=True, help="the peers' data: a folder with w1 and w2")
    parser.add_argument("--out", type=Path, help="where the table goes, beside standard output")
    parser.add_argument("--works", nargs="*", default=["w1", "w2"])
    parser.add_argument("--trained", nargs="*", default=TRAINED, metavar="VARIANT")
    parser.add_argument("--decoded", nargs="*", default=DECODED, metavar="VARIANT")
    parser.add_argument("--rounds", type=int, default=FEWEST_ROUNDS)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement, about")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--smoke", action="store_true", help="only see that everything runs")
    parser.add_argument("--worker", help=argparse.SUPPRESS)  # the work of one process, as JSON
    return parser.parse_args()


class Side:
    """One checkout's process: ready when it is made, `run` times so many units of one of its kinds of work."""

    def __init__(self, checkout: Path, job: dict[str, Any]):
        command = [sys.executable, str(Path(__file__).resolve()), str(checkout), "--data", "-", "--worker"]
        self._process = subprocess.Popen(
            [*command, json.dumps(job)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, kind: str, units: int) -> float:
        """Seconds for so many units."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{kind} {units}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            sys.exit("a process of the comparison ended early; its message stands above")
        return float(line)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def work(checkout: Path, job: dict[str, Any]) -> None:
    """The process of one side: each line of standard input names a kind of work and how many units of it."""
    for part in ("src", "bench/speed"):
        sys.path.insert(0, str(checkout / part))
    import torch

    torch.set_num_threads(job["threads"])
    run = (training if job["task"] == "train" else decoding)(job, Path(job["folder"]))
    for line in sys.stdin:
        kind, units = line.split()
        began = time.perf_counter()
        run(kind, int(units))
        print(time.perf_counter() - began, flush=True)


def training(job: dict[str, Any], folder: Path, save: Path | None = None) -> Callable[[str, int], None]:
    """A unit is five steps on the batches of the file; with `save`, a model of a few steps is left there."""
    import torch
    from ours import make_config, make_dataset, make_stepper, read_pairs, run_steps, save_model
    from works import WORKS, parse_variant, settings

    from seqweave.config import build_config

    row, device = WORKS[job["work"]], torch.device("cpu")
    wanted = settings(row, parse_variant(job["variant"], row))
    data = Path(job["data"]) / job["work"]
    pairs = read_pairs(data / "train.src", data / "train.trg")[: job["pairs"]]
    shutil.rmtree(folder / "ids", ignore_errors=True)
    dataset, source, target = make_dataset(pairs, build_config(wanted), folder / "ids")
    config = make_config(wanted, dataset, device)
    stepper = make_stepper(config, dataset, (source.size, target.size), device)

    def steps(_: str, units: int) -> None:
        run_steps(stepper, 5 * units, row.batch, row.rate, lambda: None)

    if save is not None:
        steps("", job["decoder_units"])
        save_model(save, stepper.model, config, source, target)
    return steps


def decoding(job: dict[str, Any], folder: Path) -> Callable[[str, int], None]:
    """A unit is one pass over some sources; a kind is `BATCH/BEAM`."""
    from ours import decode, load_model
    from works import WORKS

    if not (folder / "model").exists():  # a start before this one has left it
        training({**job, "variant": job["variant"].replace(",int8", "")}, folder, save=folder / "model")
    lines = (Path(job["data"]) / job["work"] / "test.src").read_text(encoding="utf-8").split("\n")
    models = {batch: load_model(folder / "model", batch, 100, WORKS[job["work"]].forced) for batch in (64, 1)}
    if "int8" in job["variant"]:
        for model in models.values():
            search = model.config.search.model_copy(update={"precision": "int8"})
            model.config = model.config.model_copy(update={"search": search})

    def run(kind: str, units: int) -> None:
        batch, beam = map(int, kind.split("/"))
        for _ in range(units):
            decode(models[batch], lines[: job["sentences"][kind]], beam, batch)

    return run


def compare(old: Path, job: dict[str, Any], rounds: int, seconds: float) -> dict[str, list[float]]:
    """For every kind of work, old seconds by new seconds of every round."""
    ratios: dict[str, list[float]] = {kind: [] for kind in job["sentences"]}
    with tempfile.TemporaryDirectory() as kept:
        for begun in range(0, rounds, ROUNDS_A_START):
            folders = {"old": Path(kept) / "old", "new": Path(kept) / "new"}
            sides = {
                name: Side(old if name == "old" else ROOT, {**job, "folder": str(folders[name])}) for name in folders
            }
            for kind in job["sentences"]:
                ratios[kind] += in_turns(sides, kind, min(ROUNDS_A_START, rounds - begun), seconds)
            for side in sides.values():
                side.close()
    return ratios


def in_turns(sides: dict[str, Side], kind: str, rounds: int, seconds: float) -> list[float]:
    """Rounds of one start of both processes, the order turned round each time."""
    for side in sides.values():
        side.run(kind, 1)
    units = max(1, round(seconds / sides["old"].run(kind, 1)))
    ratios = []
    for number in range(rounds):
        order = ("old", "new") if number % 2 == 0 else ("new", "old")
        taken = {name: sides[name].run(kind, units) for name in order}
        ratios.append(taken["old"] / taken["new"])
    return ratios


def interval(ratios: list[float]) -> tuple[float, float]:
    """The 95% interval of the geometric mean."""
    logs = [math.log(ratio) for ratio in ratios]
    if len(logs) < FEWEST_ROUNDS:
        return math.exp(min(logs)), math.exp(max(logs))  # too few for more
    reach = STUDENT.get(len(logs) - 1, 1.96) * statistics.stdev(logs) / math.sqrt(len(logs))
    middle = statistics.mean(logs)
    return math.exp(middle - reach), math.exp(middle + reach)


def jobs(options: argparse.Namespace) -> list[dict[str, Any]]:
    """All processes of the table; `sentences` has the kinds of work of each."""
    small = options.smoke
    common = {
        "data": str(options.data.resolve()),
        "threads": options.threads,
        "pairs": 500 if small else 10_000,
        "decoder_units": 1 if small else 4,
    }
    kinds = {f"{batch}/{beam}": 8 if small else (256 if batch > 1 else 32) for batch in (64, 1) for beam in (1, 5)}
    rows: list[dict[str, Any]] = []
    for name in options.works:
        for task, variants, sentences in (
            ("train", options.trained, {"steps": 0}),
            ("decode", options.decoded, kinds),
        ):
            rows += [{**common, "task": task, "work": name, "variant": v, "sentences": sentences} for v in variants]
    return rows


def table_row(job: dict[str, Any], kind: str, ratios: list[float]) -> str:
    """One line of the table."""
    low, high = interval(ratios)
    batch, _, beam = kind.partition("/")
    how = "" if job["task"] == "train" else f", {batch} at a time, beam {beam}"
    slower = " **slower**" if high < 0.95 else ""
    name = f"{job['work']} {job['task']} {job['variant']}{how}"
    return f"| {name} | {statistics.median(ratios):.3f} | {low:.3f} to {high:.3f}{slower} | {len(ratios)} |"


def main() -> None:
    """Measure every row and print the table."""
    options = parse_arguments()
    if options.worker:
        work(options.old.resolve(), json.loads(options.worker))
        return
    lines = [*describe(options.threads), "", "| row | ratio, median | 95% interval | rounds |", "|---|---|---|---|"]
    for job in jobs(options):
        found = compare(options.old, job, options.rounds, 0.0 if options.smoke else options.seconds)
        for kind, ratios in found.items():
            lines.append(table_row(job, kind, ratios))
            print(lines[-1], file=sys.stderr, flush=True)
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
