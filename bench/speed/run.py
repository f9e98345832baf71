"""Every table of speed: seqweave in all variants and the peers, interleaved, with hardware and versions.

    python bench/speed/run.py -o runs/speed                    # limit, training, decoding, cold start
    python bench/speed/run.py train -o runs/speed --works w2 --peers naive-cached joeynmt
    python bench/speed/run.py table -o runs/speed              # print again what was measured

The peers' own runner (../shared/bench/peers/run.py) starts every process: it waits until the machine
is quiet, alternates the order and repeats disturbed runs. PEERS_ROOT says where its setup.sh put
the peers and the data; the peers found there take part. Results are lines in DIR/results,
the report is DIR/report.md. See README.md for how long it takes and for the traps.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from peer_seqweave import load_common, peers_folder
from report import write_report
from works import WORKS, parse_variant

HERE = Path(__file__).resolve().parent
PARTS = ("limit", "train", "decode", "cold", "profile", "table")
DEFAULT_PARTS = ["limit", "train", "decode", "cold", "profile"]
TRAINED = ["after", "after,fp32", "after,gru", "between", "between,fp32", "before", "before,fp32", "transformer"]
DECODED = ["after", "after,own", "after,int8", "after,int8,own", "between", "before", "before,int8", "transformer"]
NEVER_TRAINED = "ct2"  # a Transformer with random weights, a reference for decoding
MODEL_STEPS, MODEL_RATE = 100, 1e-3  # of the models that decode
WHOLE_TEST_SET = 0  # what the peers' runner calls it: 1,000 captions, 5,000 words
SENTENCES_ONE_BY_ONE = 500
ANYTHING_GOES = ["--quiet", "1000", "--foreign", "1000", "--retries", "0"]


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/speed"), metavar="DIR")
    parser.add_argument("--works", nargs="*", choices=sorted(WORKS), default=sorted(WORKS))
    parser.add_argument("--variants", nargs="*", help="ours; see works.py (default: all)")
    parser.add_argument("--peers", nargs="*", help="names of the peers' run.py (default: all that are set up)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--sentences", type=int, help="to decode (default: the whole test set, one by one 500)")
    parser.add_argument(
        "--mkl-avx512", action="store_true", help="each system a second time with MKL's AVX-512 kernels"
    )
    parser.add_argument("--retrain", action="store_true", help="decoding: train the peers' models again, too")
    parser.add_argument("--smoke", action="store_true", help="only see that everything runs: its figures mean nothing")
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"a part is one of {', '.join(PARTS)}, but one is {part}")
    options.parts = options.parts or DEFAULT_PARTS
    if options.smoke:
        options.rounds, options.steps, options.warmup, options.sentences = 1, 3, 1, 4
    return options


def peers_module() -> Any:
    """The peers' runner as a module, for its list of peers."""
    spec = importlib.util.spec_from_file_location("peers_run", peers_folder() / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def available_peers(root: Path, wanted: list[str] | None) -> list[str]:
    """The peers that are set up, or those of them that are wanted; ends when a wanted one is not there."""
    known = peers_module().PEERS
    there = [name for name, (venv, _, _) in known.items() if (root / venv / ".ok").is_file()]
    if wanted is None:
        return [name for name in there if name not in ("naive-state", "pymarian-512")]
    missing = [name for name in wanted if name not in there]
    if missing:
        sys.exit(f"{', '.join(missing)}: not set up under PEERS_ROOT ({root}); there are: {', '.join(there) or 'none'}")
    return wanted


def name_of(variant: str) -> str:
    """What a variant of ours is called in the results."""
    return "-".join(["ours", *variant.split(",")])


def fits(variant: str, work: str) -> bool:
    """Whether a work can run a variant; `after,gru` says nothing new where the work's cell is the LSTM."""
    try:
        cell = parse_variant(variant, WORKS[work]).cell
    except ValueError:
        return False
    return cell == "lstm" or cell == WORKS[work].cell


def call_runner(
    options: argparse.Namespace, task: str, work: str, ours: list[str], peers: list[str], *more: str
) -> None:
    """Let the peers' runner measure ours and the peers in turn."""
    ours = [variant for variant in ours if fits(variant, work)]
    command = [sys.executable, str(peers_folder() / "run.py"), task, "--work", work, "--threads", str(options.threads)]
    for variant in ours:
        command += ["--add", f"{name_of(variant)}={sys.executable}:{HERE / 'peer_seqweave.py'}:{variant}"]
    command += ["--peers", *map(name_of, ours), *peers, *more]
    command += ANYTHING_GOES if options.smoke else []
    subprocess.run(command, check=True)


def train(options: argparse.Namespace, work: str, peers: list[str]) -> None:
    """Training tokens a second."""
    timing = ["--rounds", str(options.rounds), "--steps", str(options.steps), "--warmup", str(options.warmup)]
    extra = ["--mkl-avx512"] if options.mkl_avx512 else []
    names = [name for name in peers if name != NEVER_TRAINED]
    results = ["--results", str(options.output / "results")]
    call_runner(options, "train", work, options.variants or TRAINED, names, *timing, *results, *extra)


def make_models(options: argparse.Namespace, root: Path, work: str, peers: list[str]) -> None:
    """Models for decoding: ours anew each time, because the code changes; the peers' where they are missing."""
    steps = options.steps if options.smoke else MODEL_STEPS
    # A smoke run leaves models of a few steps, which no measurement should take.
    stamps = {name: root / "models" / f"{name}-{work}.steps" for name in peers if name != NEVER_TRAINED}
    missing = [name for name, stamp in stamps.items() if options.retrain or not is_trained(stamp, steps)]
    how = ["--save", "--rounds", "1", "--steps", str(steps), "--warmup", "0", "--lr", str(MODEL_RATE)]
    how += ["--results", str(options.output / "models")]
    call_runner(options, "train", work, options.variants or DECODED, missing, *how)
    for name in missing:
        if (root / "models" / f"{name}-{work}").is_dir():
            stamps[name].write_text(str(steps), encoding="utf-8")


def is_trained(stamp: Path, steps: int) -> bool:
    """Whether the model that a stamp stands beside was trained for at least so many steps."""
    return stamp.is_file() and int(stamp.read_text(encoding="utf-8")) >= steps


def decode(options: argparse.Namespace, work: str, peers: list[str]) -> None:
    """Output tokens a second at a forced length: greedy and beam 5, batches of 64 and single sentences."""
    how = ["--force", "--beam", "1", "5", "--rounds", str(options.rounds), "--results", str(options.output / "results")]
    for batch, sentences in ((64, WHOLE_TEST_SET), (1, SENTENCES_ONE_BY_ONE)):
        size = ["--batch", str(batch), "--sentences", str(options.sentences or sentences)]
        call_runner(options, "decode", work, options.variants or DECODED, peers, *how, *size)


def cold(options: argparse.Namespace, work: str, peers: list[str]) -> None:
    """Seconds from the start of the process to the first translation."""
    how = ["--rounds", str(options.rounds), "--results", str(options.output / "results")]
    names = [name for name in peers if name != NEVER_TRAINED]
    call_runner(options, "cold", work, (options.variants or DECODED)[:1], names, *how)


def alone(options: argparse.Namespace, root: Path, script: str, *arguments: str) -> None:
    """Run a script of this folder while no other bench runs on the machine."""
    import fcntl

    with (root / "bench.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [sys.executable, str(HERE / script), "--threads", str(options.threads), *arguments]
        subprocess.run(command, check=True)


def main() -> None:
    """Measure the parts asked for, then print the report."""
    options = parse_arguments()
    root = Path(load_common().ROOT)
    if options.parts != ["table"]:
        for work in options.works:
            if not (root / "data" / work / "train.src").is_file():
                sys.exit(
                    f"the data of {work} must be under PEERS_ROOT ({root}), but they are not there: "
                    f"set PEERS_ROOT, or run `{peers_folder() / 'setup.sh'} data`"
                )
    (options.output / "results").mkdir(parents=True, exist_ok=True)
    peers = available_peers(root, options.peers) if set(options.parts) & {"train", "decode", "cold"} else []
    began = time.perf_counter()
    budget = ["--seconds", "0.05"] if options.smoke else []
    if "limit" in options.parts:
        alone(options, root, "limit.py", "--out", str(options.output / "results" / "limit.json"), *budget)
    for work in options.works:
        if "train" in options.parts:
            train(options, work, peers)
        if {"decode", "cold"} & set(options.parts):
            make_models(options, root, work, peers)
        if "decode" in options.parts:
            decode(options, work, peers)
        if "cold" in options.parts:
            cold(options, work, peers)
    if "profile" in options.parts:
        steps = ["--steps", str(options.steps)] if options.smoke else []
        alone(options, root, "hotspots.py", "--out", str(options.output / "results" / "hotspots.md"), *steps)
    if options.parts != ["table"]:
        facts = {"threads": options.threads, "smoke": options.smoke, "minutes": (time.perf_counter() - began) / 60}
        (options.output / "results" / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    print(write_report(options.output))


if __name__ == "__main__":
    main()
